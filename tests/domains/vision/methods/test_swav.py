"""SwAV: crops, prototypes that wait, the queue, the warning."""

import math

import pytest
import torch
from lightning.pytorch import Callback

from core.errors import UserError
from core.losses import swapped_assignment
from tests.domains.vision.methods.frames import batch, build, train


def test_the_value_is_that_of_the_swapped_codes():
    method = build("swav")
    state = method.generator.get_state()
    value = method.training_step(batch(), 0)
    method.generator.set_state(state)
    z = method.project(batch().images)  # all crops at once: they have one size
    torch.testing.assert_close(value, swapped_assignment(method.prototypes(z)))


def test_a_collapsed_encoder_has_the_loss_log_of_the_prototypes(monkeypatch):
    method = build("swav")
    monkeypatch.setattr(method.head, "forward", lambda h: torch.zeros(len(h), 16))
    assert float(method.training_step(batch(), 0).detach()) == pytest.approx(math.log(16))


def test_small_crops_are_smaller_and_predict_only():
    method = build("swav", local_crops=3)
    crops = method.make_views(batch().images)
    assert [tuple(crop.shape[2:]) for crop in crops] == [(8, 8)] * 2 + [(4, 4)] * 3
    assert method.loss.assign_crops == (0, 1)
    assert method.crops.groups[-1].recipe.crop_scale == (0.05, 0.14)
    assert build("swav", local_crops=1, local_size=5).make_views(batch().images)[2].shape[2:] == (5, 5)
    method.training_step(batch(), 0).backward()
    assert method.prototypes.weights[0].grad.abs().sum() > 0


def test_more_full_size_crops_all_give_codes():
    method = build("swav", views=3, queue=8, queue_from=0)
    assert method.loss.assign_crops == (0, 1, 2)
    assert method.training_step(batch(), 0).isfinite()
    assert method.queue.rows.shape == (3, 8, 16)


class Prototypes(Callback):
    """The prototypes before each step, at unit length, and whether they have a gradient."""

    def __init__(self):
        self.rows, self.moving = [], []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        pl_module.prototypes.normalize_()
        self.rows.append(pl_module.prototypes.weights[0].detach().clone())
        self.moving.append(pl_module.encoder.layers[0].weight.detach().clone())


def test_prototypes_stand_still_for_their_epochs_while_the_encoder_moves(tmp_path):
    seen = Prototypes()
    train("swav", tmp_path, callbacks=[seen], epochs=3, freeze_epochs=2, lr=1e-2, weight_decay=0.1)
    assert len(seen.rows) == 24
    for step in range(1, 24):
        torch.testing.assert_close(seen.rows[step].norm(dim=1), torch.ones(16))
        assert torch.allclose(seen.rows[step], seen.rows[0], atol=1e-6) == (step <= 16)
        assert not torch.equal(seen.moving[step], seen.moving[step - 1])


def test_the_queue_fills_from_its_epoch_on_and_is_read_when_full(tmp_path):
    class Filled(Callback):
        def __init__(self):
            self.written, self.read = [], []

        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            self.written.append(int(pl_module.queue.written))
            self.read.append(pl_module.queue.features().shape[1])

    seen = Filled()
    train("swav", tmp_path, callbacks=[seen], epochs=2, queue=96, queue_from=1)
    assert seen.written == [0] * 8 + [32 * k for k in range(1, 9)]
    assert seen.read == [0] * 10 + [96] * 6


def test_the_queue_balances_the_codes_with_the_current_prototypes():
    method = build("swav", queue=48, queue_from=0)
    earlier = torch.randn(2, 48, 16, generator=torch.Generator().manual_seed(1))
    method.queue.update(earlier)
    state = method.generator.get_state()
    value = method.training_step(batch(), 0)
    method.generator.set_state(state)
    z = method.project(batch().images)
    expected = swapped_assignment(method.prototypes(z), queue_scores=method.prototypes(earlier))
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(method.queue.rows[:, :32], z.detach())  # newest first, and only after the loss
    assert not method.queue.rows.requires_grad


def test_fewer_samples_than_prototypes_are_warned_about_unless_a_queue_helps_or_fills():
    with pytest.warns(UserWarning, match="32 samples are balanced over 100 prototypes"):
        build("swav", prototypes=100).training_step(batch(), 0)
    method = build("swav", prototypes=100, queue=96, queue_from=0)
    for _ in range(4):  # a warning would be an error
        method.training_step(batch(), 0)
    short = build("swav", prototypes=100, queue=32, queue_from=0)
    short.training_step(batch(), 0)
    with pytest.warns(UserWarning, match="64 samples are balanced over 100 prototypes"):
        short.training_step(batch(), 0)


def test_the_usage_of_the_prototypes_is_logged(tmp_path):
    _, losses = train("swav", tmp_path, epochs=1)
    assert all(0 < step["prototype usage"] <= 1.0001 for step in losses.logged)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prototypes": 1}, "prototypes must be at least 2"),
        ({"local_crops": -1}, "local_crops must be at least 0"),
        ({"local_scale": (0.5, 0.2)}, "local_scale must be two shares"),
        ({"queue": -1}, "queue must be at least 0"),
        ({"epsilon": 0.0}, "epsilon must be finite and > 0"),
        ({"iterations": 0}, "iterations must be at least 1"),
        ({"temperature": -1.0}, "temperature must be finite and > 0"),
    ],
)
def test_settings_out_of_range_are_named(settings, message):
    with pytest.raises(UserError, match=message):
        build("swav", **settings)
