"""SimSiam: bounds, the stopped gradient, the predictor's rate, hallucinated predictions."""

import pytest
import torch

from core.errors import UserError
from core.losses import negative_cosine
from tests.domains.vision.methods.frames import batch, build, train


def parts_of(method, state):
    """Projections and predictions of the views that a step drew."""
    method.generator.set_state(state)
    z = [method.last_norm(method.head(method.encoder(view))) for view in method.make_views(batch().images)]
    return z, [method.predictor(rows) for rows in z]


def test_the_value_is_minus_the_mean_cosine_of_both_directions():
    method = build("simsiam")
    state = method.generator.get_state()
    value = method.training_step(batch(), 0)
    z, p = parts_of(method, state)
    torch.testing.assert_close(value, (negative_cosine(p[0], z[1]) + negative_cosine(p[1], z[0])) / 2)
    assert -1 <= float(value.detach()) <= 1


def test_targets_get_no_gradient():
    """With a predictor that lets nothing back, nothing reaches the encoder."""
    method = build("simsiam")
    method.training_step(batch(), 0).backward()
    assert any(p.grad.abs().sum() > 0 for p in method.encoder.parameters())
    method.zero_grad()
    blocked = method.predictor.forward
    method.predictor.forward = lambda z: blocked(z.detach())
    method.training_step(batch(), 0).backward()
    assert all(p.grad is None for p in method.encoder.parameters())


def test_projections_end_in_a_norm_without_scale():
    method = build("simsiam")
    z, _ = parts_of(method, method.generator.get_state())
    torch.testing.assert_close(z[0].mean(0), torch.zeros(16), atol=1e-5, rtol=0)
    assert (z[0].std(0, correction=0) <= 1.001).all()
    assert not list(method.last_norm.parameters())


def test_every_parameter_is_in_one_group():
    method = build("simsiam", sampler="hallucinator")
    groups = method.trained_parameters()
    found = [id(p) for group in groups for p in group["params"]]
    assert sorted(found) == sorted(id(p) for p in method.parameters())
    assert groups[1]["steady"] is True
    assert [id(p) for p in groups[1]["params"]] == [id(p) for p in method.predictor.parameters()]
    assert build("simsiam", steady_predictor=False).trained_parameters()[1]["steady"] is False


def test_hallucinated_predictions_share_the_loss_in_halves(monkeypatch):
    method = build("simsiam", sampler="hallucinator")
    monkeypatch.setattr(method.loss.hallucinator, "draw", lambda n: torch.tensor(0.5))
    state = method.generator.get_state()
    value = method.training_step(batch(), 0)
    z, p = parts_of(method, state)
    halves = []
    for a, b in ((0, 1), (1, 0)):
        moved = method.loss.hallucinator.smoothing(torch.cat([p[a], 1.5 * p[a] - 0.5 * p[b]], 1))
        halves += [negative_cosine(p[a], z[b]), negative_cosine(moved, z[b])]
    torch.testing.assert_close(value, torch.stack(halves).mean())


def test_each_side_draws_a_ratio_of_its_own(monkeypatch):
    method = build("simsiam", sampler="hallucinator")
    drawn = []
    draw = method.loss.hallucinator.draw
    monkeypatch.setattr(method.loss.hallucinator, "draw", lambda n: drawn.append(draw(n)) or drawn[-1])
    method.training_step(batch(), 0).backward()
    assert len({float(ratio) for ratio in drawn}) == 2
    assert all(0 <= float(ratio) <= 0.1 for ratio in drawn)
    assert all(p.grad.abs().sum() > 0 for p in method.loss.hallucinator.parameters())


def test_what_is_watched_is_logged_and_draws_nothing(tmp_path):
    settings = {"epochs": 1, "sampler": "hallucinator"}
    _, often = train("simsiam", tmp_path / "often", **settings)
    _, never = train("simsiam", tmp_path / "never", log_every=100, **settings)
    assert often.values == never.values
    expected = {"spread", "cosine of pairs", "cosine of hallucinated pairs", "cosine of copies", "hallucinated spread"}
    assert expected <= often.logged[-1].keys()
    assert 0.3 < often.logged[0]["spread"] <= 1.01


@pytest.mark.parametrize("sampler", ["memory_queue", "hard_negative_mixing"])
def test_samplers_of_negatives_are_refused(sampler):
    with pytest.raises(UserError, match="is about negatives, and simsiam has none; it takes hallucinator"):
        build("simsiam", sampler=sampler)


def test_settings_out_of_range_are_named():
    with pytest.raises(UserError, match="predictor must be at least 1"):
        build("simsiam", predictor=0)
    with pytest.raises(UserError, match="Hallucinator has no setting ratio"):
        build("simsiam", sampler="hallucinator", sampler_settings={"ratio": 1})
    with pytest.raises(UserError, match="sampler_settings are given, but no sampler"):
        build("simsiam", sampler_settings={"max_ratio": 1})
