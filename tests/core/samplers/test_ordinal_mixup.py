"""OrdinalMixup: which rows are mixed, with what share and target; draws that repeat, split and differ."""

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.samplers import OrdinalMixup
from core.samplers.ordinal_mixup import CHUNK, _distinct


def rows(n, d=3, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def mixer(window=3.0, seed=5, **settings):
    return OrdinalMixup(window, generator=torch.Generator().manual_seed(seed), **settings)


def test_the_worked_example():
    """y = 8, 10, 13: lam = (13 - 10) / (13 - 8) = 0.6, and 0.6 * 8 + 0.4 * 13 is 10."""
    y = torch.tensor([8.0, 10.0, 13.0], dtype=torch.float64)
    draw = mixer(4.0).draw(y)
    mix = draw.mixtures(torch.arange(3))
    assert draw.pairs.tolist() == [0, 1, 0]
    assert mix.pos_mask.tolist() == [[False], [True], [False]]
    assert (int(mix.lower[1, 0]), int(mix.upper[1, 0])) == (0, 2)
    assert float(mix.lower_share[1, 0]) == pytest.approx(0.6, abs=1e-15)
    f = rows(3)
    torch.testing.assert_close(mixer(4.0)(f, y).pos[1, 0], 0.6 * f[0] + 0.4 * f[2])


@given(targets=st.lists(st.integers(0, 6), min_size=2, max_size=9), window=st.sampled_from([0.5, 1.5, 2.0, 9.0]))
@settings(max_examples=40, deadline=None)
def test_without_limits_every_candidate_is_mixed_once(targets, window):
    y = torch.tensor(targets, dtype=torch.float64)
    f = rows(len(y))
    mix = mixer(window, max_pos=None).draw(y).mixtures(torch.arange(len(y)))
    made = mixer(window, max_pos=None)(f, y)
    for i in range(len(y)):
        negatives = sorted(k for k in range(len(y)) if y[k] != y[i])
        assert sorted(mix.partner[i][mix.neg_mask[i]].tolist()) == negatives
        below = [j for j in range(len(y)) if 0 < y[i] - y[j] < window]
        above = [k for k in range(len(y)) if 0 < y[k] - y[i] < window]
        found = zip(mix.lower[i][mix.pos_mask[i]].tolist(), mix.upper[i][mix.pos_mask[i]].tolist(), strict=True)
        assert sorted(found) == sorted((j, k) for j in below for k in above)
        for lam, k, row, target in zip(mix.share[i], mix.partner[i], made.neg[i], made.neg_target[i], strict=True):
            torch.testing.assert_close(row, lam * f[i] + (1 - lam) * f[k])
            torch.testing.assert_close(target, lam * y[i] + (1 - lam) * y[k])
        share = mix.lower_share[i][mix.pos_mask[i]]
        lower, upper = mix.lower[i][mix.pos_mask[i]], mix.upper[i][mix.pos_mask[i]]
        torch.testing.assert_close(share * y[lower] + (1 - share) * y[upper], y[i].expand(len(share)))
        torch.testing.assert_close(
            made.pos[i][mix.pos_mask[i]], share[:, None] * f[lower] + (1 - share[:, None]) * f[upper]
        )
    assert made.pos.isfinite().all()
    assert torch.equal(made.neg_mask, mix.neg_mask)
    assert torch.equal(made.pos_mask, mix.pos_mask)


def test_limits_draw_distinct_candidates():
    y = torch.arange(40.0)
    mix = mixer(6.0, max_pos=7, max_neg=5).draw(y).mixtures(torch.arange(40))
    assert mix.partner.shape == (40, 5)
    assert mix.lower.shape == (40, 7)
    assert mix.neg_mask.all()
    assert mix.pos_mask.sum(dim=1).tolist() == [min(7, min(5, i) * min(5, 39 - i)) for i in range(40)]
    for i in range(40):
        assert len({*mix.partner[i].tolist()} - {i}) == 5
        pairs = {*zip(mix.lower[i][mix.pos_mask[i]].tolist(), mix.upper[i][mix.pos_mask[i]].tolist(), strict=True)}
        assert len(pairs) == int(mix.pos_mask[i].sum())
        assert all(i - 6 < j < i < k < i + 6 for j, k in pairs)


def test_every_subset_is_drawn_alike():
    rng = np.random.default_rng(0)
    counts = np.full(6000, 5)
    drawn = np.sort(_distinct(counts, 3, rng), axis=1)
    _, how_often = np.unique(drawn, axis=0, return_counts=True)
    assert len(how_often) == 10
    assert (abs(how_often - 600) < 5 * math.sqrt(600)).all()
    assert sorted(_distinct(np.array([3, 9]), 3, rng)[0].tolist()) == [0, 1, 2]


def test_shares_follow_the_beta_distribution():
    y = torch.arange(120.0, dtype=torch.float64)
    for a, b in ((2.0, 8.0), (5.0, 5.0)):
        share = mixer(beta=(a, b), mix_pos=False).draw(y).mixtures(torch.arange(120)).share
        assert float(share.mean()) == pytest.approx(a / (a + b), abs=0.01)
        assert float(share.var()) == pytest.approx(a * b / ((a + b) ** 2 * (a + b + 1)), rel=0.05)
        assert float(share[0].std()) > 0.05  # one draw for each pair, not for each anchor


def test_switches():
    f, y = rows(6), torch.arange(6.0)
    made = mixer(mix_neg=False)(f, y)
    assert made.neg.shape == (6, 0, 3)
    assert made.pos_mask.any()
    made = OrdinalMixup(None, mix_pos=False)(f, y)
    assert made.pos.shape == (6, 0, 3)
    assert made.neg.shape == (6, 5, 3)
    unit = mixer(normalize=True)(f, y)
    torch.testing.assert_close(unit.neg.norm(dim=2), torch.ones(6, 5, dtype=torch.float64))
    plain = mixer()(f, y)
    torch.testing.assert_close(unit.pos, torch.nn.functional.normalize(plain.pos, dim=2))


def test_mixtures_have_no_gradient_unless_asked():
    f, y = rows(6).requires_grad_(), torch.arange(6.0)
    made = mixer()(f, y)
    assert not made.neg.requires_grad
    assert not made.pos.requires_grad
    free = mixer(detach=False)(f, y)
    (free.neg.sum() + free.pos.sum()).backward()
    assert f.grad.any()


def test_equal_seeds_give_equal_draws_and_each_call_draws_anew():
    f, y = rows(9), torch.arange(9.0) // 2
    first, second = mixer(), mixer()
    once, again = first(f, y), first(f, y)
    for mine, theirs in zip(once, second(f, y), strict=True):
        assert torch.equal(mine, theirs)
    assert not torch.equal(once.neg, again.neg)
    torch.manual_seed(3)
    default = OrdinalMixup(3.0)(f, y)
    torch.manual_seed(3)
    assert torch.equal(default.neg, OrdinalMixup(3.0)(f, y).neg)


def test_a_share_of_the_anchors_has_the_draws_that_it_has_among_all():
    count = 2 * CHUNK + 30
    y = torch.randint(50, (count,), generator=torch.Generator().manual_seed(0)).float()
    draw = mixer(8.0, max_pos=5, max_neg=6).draw(y)
    everyone = torch.arange(count)
    whole = [torch.cat(c) for c in zip(*(draw.mixtures(a) for a in draw.split(everyone)), strict=True)]
    share = torch.cat([everyone[3:20], everyone[CHUNK - 4 : CHUNK + 9], everyone[-2:]])
    parts = list(draw.split(share))
    assert [len(part) for part in parts] == [21, 9, 2]
    found = [torch.cat(columns) for columns in zip(*(draw.mixtures(a) for a in parts), strict=True)]
    for mine, theirs in zip(found, whole, strict=True):
        assert torch.equal(mine, theirs[share])


def test_half_precision_is_mixed_in_float32():
    f, y = rows(5).bfloat16(), torch.arange(5.0)
    made = mixer()(f, y)
    assert made.neg.dtype == torch.float32
    torch.testing.assert_close(made.neg, mixer()(f.float(), y).neg)


def test_settings_are_shown_and_fixed():
    assert repr(OrdinalMixup(2.0, max_neg=7)) == (
        "OrdinalMixup(window=2.0, beta=(2.0, 8.0), mix_neg=True, mix_pos=True, max_pos=64, max_neg=7, "
        "normalize=False, detach=True)"
    )
    assert copy.copy(OrdinalMixup(2.0)) == OrdinalMixup(2.0)
    with pytest.raises(AttributeError):
        OrdinalMixup(2.0).window = 3.0


@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named():
    for window in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="window must be finite and > 0"):
            OrdinalMixup(window)
    with pytest.raises(ValueError, match="mix_pos needs a window in units of the target"):
        OrdinalMixup(None)
    with pytest.raises(ValueError, match="beta must be finite and > 0, got 0"):
        OrdinalMixup(1.0, beta=(0.0, 1.0))
    with pytest.raises(ValueError, match="beta must be two numbers > 0"):
        OrdinalMixup(1.0, beta=(1.0,))
    with pytest.raises(ValueError, match="max_pos must be at least 1, got 0: None takes all"):
        OrdinalMixup(1.0, max_pos=0)
    with pytest.raises(ValueError, match="max_neg must be at least 1, got -3"):
        OrdinalMixup(1.0, max_neg=-3)
    mix, f = mixer(), rows(4)
    with pytest.raises(
        ValueError, match=r"targets must have shape \(4,\) or \(4, 1\), one number per row, got \(4, 2\)"
    ):
        mix(f, torch.zeros(4, 2))
    with pytest.raises(ValueError, match="targets must be finite, got inf in row 0"):
        mix(f, torch.full((4,), torch.inf))
    with pytest.raises(TypeError, match="targets must be a floating tensor"):
        mix(f, torch.arange(4))
    with pytest.raises(ValueError, match="the number of rows must be at least 2, got 1"):
        mix(f[:1], torch.zeros(1))
    with pytest.raises(TypeError, match="features must be a floating tensor"):
        mix(f.long(), torch.zeros(4))
