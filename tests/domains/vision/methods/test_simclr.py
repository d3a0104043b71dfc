"""SimCLR: the value, both views in one pass, other losses and samplers in a run."""

import pytest
import torch
from torch.nn.functional import normalize

from core.errors import UserError
from core.training import resolve_settings
from domains.vision import METHODS
from tests.domains.vision.methods.frames import Stop, batch, build, digits, train


def brute_force(z, temperature):
    """NT-Xent by a double loop in float64 over the 2n views."""
    unit = normalize(z.double(), dim=-1).flatten(0, 1)
    n, total = z.shape[1], 0.0
    for i in range(2 * n):
        partner = (i + n) % (2 * n)
        logits = torch.stack([unit[i] @ unit[k] / temperature for k in range(2 * n) if k != i])
        total += logits.logsumexp(0) - unit[i] @ unit[partner] / temperature
    return total / (2 * n)


def test_the_value_is_nt_xent_of_the_views_in_a_double_loop():
    method = build("simclr")
    state = method.generator.get_state()
    value = method.training_step(batch(), 0)
    method.generator.set_state(state)
    z = method.project(batch().images)
    assert z.shape == (2, 32, 16)
    torch.testing.assert_close(value.double(), brute_force(z, 0.5), atol=1e-5, rtol=1e-5)


def test_equal_projections_give_log_of_the_others():
    method = build("simclr")
    torch.testing.assert_close(method.objective(torch.ones(2, 32, 16), batch()), torch.tensor(63.0).log())


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_heads_of_any_depth(layers):
    method = build("simclr", layers=layers)
    assert method.head.layers == layers
    assert method.width == (method.out_dim if layers == 0 else 16)
    assert method.training_step(batch(), 0).isfinite()


@pytest.mark.parametrize(
    "settings",
    [
        {"loss": "dcl", "loss_settings": {"temperature": 0.1}},
        {"loss": "sogclr"},
        {"loss": "sup_con", "sampler": "pk", "sampler_settings": {"samples_per_class": 4}},
        {"sampler": "hard_negative_mixing", "sampler_settings": {"n_hard": 8, "n_pair": 4, "n_query": 2}},
    ],
)
def test_other_losses_and_samplers_run_and_resume_exactly(settings, tmp_path):
    settings = {"data": digits().select(torch.arange(96)), "epochs": 3, "mixing_warmup": 0.5, **settings}
    whole, _ = train("simclr", tmp_path / "whole", **settings)
    with pytest.raises(KeyboardInterrupt):
        train("simclr", tmp_path / "cut", callbacks=[Stop(1)], **settings)
    resumed, _ = train("simclr", tmp_path / "cut", resume=True, **settings)
    mine, theirs = whole.state_dict(), resumed.state_dict()
    assert all(torch.equal(mine[key], theirs[key]) for key in mine)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epoch": 3}, "flags: unknown setting 'epoch'; did you mean 'epochs'"),
        ({"optimizer": "lion"}, "optimizer"),
        ({"views": 1}, "views must be at least 2"),
        ({"batch_size": 1}, "batch_size must be at least 2"),
        ({"momentum": 1.0}, "momentum must be in"),
        ({"warmup": -1}, "warmup must be >= 0"),
        ({"trust": 0.0}, "trust must be finite and > 0"),
        ({"recipe": "cifra"}, "unknown recipe 'cifra'; did you mean 'cifar'"),
        ({"recipe": "byol_1+byl"}, "unknown recipe 'byl'"),
        ({"projection": 0}, "projection must be at least 1"),
        ({"layers": -1}, "layers must be at least 0"),
        ({"hidden": -1}, "hidden must be at least 0"),
        ({"loss_settings": 3}, "loss_settings"),
    ],
)
def test_wrong_settings_are_named_with_the_way_out(values, message):
    with pytest.raises(UserError, match=message):
        resolve_settings(METHODS.settings("simclr"), ("flags", values))
