"""BYOL: bounds, slow copy, its relation to SimSiam, the watch for collapse."""

import logging

import pytest
import torch

from core.errors import UserError
from core.losses import negative_cosine
from domains.vision.methods.collapse import CollapseAlarm, relative_spread
from tests.domains.vision.methods.frames import batch, build, train


def test_the_loss_is_in_0_to_4_and_at_its_ends_for_equal_and_opposite_rows(monkeypatch):
    method = build("byol")
    assert 0 <= float(method.training_step(batch(), 0).detach()) <= 4
    for sign, value in ((1.0, 0.0), (-1.0, 4.0)):
        monkeypatch.setattr(method.predictor, "forward", lambda z, sign=sign: sign * torch.ones_like(z))
        monkeypatch.setattr(method.target, "forward", lambda x: torch.ones(len(x), 16))
        assert float(method.training_step(batch(), 0)) == pytest.approx(value, abs=1e-6)


def test_the_value_is_the_squared_distance_of_unit_rows_in_both_directions():
    method = build("byol")
    state = method.generator.get_state()
    value = method.training_step(batch(), 0)
    method.generator.set_state(state)
    one, two = method.make_views(batch().images)
    distances = []
    for view, other in ((one, two), (two, one)):
        p = method.predictor(method.head(method.encoder(view))).double()
        z = method.target(other).double()
        distances.append((p / p.norm(dim=1, keepdim=True) - z / z.norm(dim=1, keepdim=True)).square().sum(1))
    torch.testing.assert_close(value.double(), torch.cat(distances).mean(), atol=1e-5, rtol=1e-5)


def test_the_copy_gets_no_gradient_and_all_else_does():
    method = build("byol")
    method.training_step(batch(), 0).backward()
    assert all(p.grad is None and not p.requires_grad for p in method.target.parameters())
    for part in (method.encoder, method.head, method.predictor):
        assert any(p.grad.abs().sum() > 0 for p in part.parameters())
    assert not {id(p) for group in method.trained_parameters() for p in group["params"]} & {
        id(p) for p in method.target.parameters()
    }


@pytest.mark.parametrize(("ema", "moved"), [(1.0, 0.0), (0.0, 1.0)])
def test_a_momentum_of_1_freezes_the_copy_and_0_copies(ema, moved):
    method = build("byol", ema=ema)
    before = [p.clone() for p in method.target.encoder.parameters()]
    with torch.no_grad():
        for p in method.online.parameters():
            p.add_(1.0)
    method.on_train_batch_end(None, None, 0)
    for old, new in zip(before, method.target.encoder.parameters(), strict=True):
        torch.testing.assert_close(new - old, torch.full_like(old, moved))


def test_with_momentum_0_it_is_simsiam_but_for_an_affine_map():
    """The copy is the network itself, so that the loss is 2 + 2 times SimSiam's on the same views."""
    method = build("byol", ema=0.0)
    with torch.no_grad():
        for p in method.online.parameters():
            p.mul_(1.1)
    method.on_train_batch_end(None, None, 0)
    state = method.generator.get_state()
    value = method.training_step(batch(), 0)
    method.generator.set_state(state)
    one, two = (method.head(method.encoder(view)) for view in method.make_views(batch().images))
    simsiam = (negative_cosine(method.predictor(one), two) + negative_cosine(method.predictor(two), one)) / 2
    torch.testing.assert_close(value, 2 + 2 * simsiam)


def test_the_momentum_rises_from_its_start_to_1(tmp_path):
    method, losses = train("byol", tmp_path, epochs=2, ema=0.5)
    rising = [step["ema"] for step in losses.logged]
    assert rising[0] == 0.5
    assert rising == sorted(rising)
    assert method.target.total_steps == 16
    assert method.target.momentum == 1.0
    assert 0 < losses.logged[-1]["spread"] <= 1.01


def test_three_views_are_the_mean_over_all_ordered_pairs():
    value = build("byol", views=3).training_step(batch(), 0)
    assert 0 <= float(value.detach()) <= 4


def test_the_spread_is_1_on_the_sphere_and_0_at_a_point(generator):
    assert float(relative_spread(torch.randn(4000, 32, generator=generator))) == pytest.approx(1.0, abs=0.01)
    assert float(relative_spread(torch.ones(8, 4))) == pytest.approx(0.0, abs=1e-6)
    rows = torch.randn(50, 6, generator=generator)
    expected = (rows / rows.norm(dim=1, keepdim=True)).numpy().std(axis=0).mean() * 6**0.5
    assert float(relative_spread(rows)) == pytest.approx(float(expected), rel=1e-5)


def test_a_collapse_is_said_once(caplog, generator):
    alarm = CollapseAlarm()
    with caplog.at_level(logging.WARNING):
        alarm(torch.randn(8, 4, generator=generator))
        assert not caplog.records
        alarm(torch.ones(8, 4))
        alarm(torch.ones(8, 4))
    assert [record.getMessage() for record in caplog.records] == [
        "the features are collapsing: their spread is 0.000 of a healthy one; lower lr, or take a larger batch"
    ]


@pytest.mark.parametrize("settings", [{"ema": 2.0}, {"predictor": 0}, {"ema_schedule": "linear"}, {"views": 1}])
def test_settings_out_of_range_are_named(settings):
    with pytest.raises(UserError, match=next(iter(settings))):
        build("byol", **settings)
