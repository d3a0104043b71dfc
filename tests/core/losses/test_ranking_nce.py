"""Ranking NCE: hand value, logistic loss, several positives, masks, and what the conditional form estimates."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from core.losses import RankingNCELoss, info_nce, ranking_nce


def scores(*shape, seed=0):
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def loop(positive, negative, t=1.0):
    """Positives of each row against its negatives, one at a time."""
    terms = []
    for own, others in zip(positive, negative, strict=True):
        single = [torch.stack([p, *others]).div(t).logsumexp(0) - p / t for p in own]
        terms.append(sum(single) / len(single))
    return torch.stack(terms)


def test_hand_value():
    value = ranking_nce(torch.tensor([1.0]), torch.tensor([[-0.5, 0.2]]))
    assert float(value) == pytest.approx(0.514295, abs=1e-6)


def test_one_positive_is_cross_entropy_and_several_are_averaged():
    positive, negative = scores(5), scores(5, 4, seed=1)
    logits = torch.cat([positive[:, None], negative], 1)
    for t in (1.0, 0.1):
        expected = cross_entropy(logits / t, torch.zeros(5, dtype=torch.int64), reduction="none")
        torch.testing.assert_close(ranking_nce(positive, negative, temperature=t, reduction="none"), expected)
    several = scores(5, 3, seed=2)
    found = RankingNCELoss(temperature=0.5, reduction="none")(several, negative)
    torch.testing.assert_close(found, loop(several, negative, 0.5))


def test_one_negative_is_the_logistic_loss_of_the_difference():
    positive, negative = scores(5), scores(5, 1, seed=1)
    expected = torch.log1p(torch.exp(negative[:, 0] - positive))
    torch.testing.assert_close(ranking_nce(positive, negative, reduction="none"), expected)


def test_a_constant_of_the_row_changes_nothing():
    positive, negative, constant = scores(5, 2), scores(5, 4, seed=1), scores(5, 1, seed=2)
    torch.testing.assert_close(
        ranking_nce(positive + constant, negative + constant, reduction="none"),
        ranking_nce(positive, negative, reduction="none"),
    )


def test_with_cosines_it_is_info_nce_with_own_negatives():
    query, key, own = scores(4, 6), scores(4, 6, seed=1), scores(4, 3, 6, seed=2)
    q, k, o = (normalize(x, dim=-1) for x in (query, key, own))
    found = ranking_nce((q * k).sum(1), (q[:, None] * o).sum(2), temperature=0.2)
    torch.testing.assert_close(found, info_nce(query, key, temperature=0.2, negatives=own))


def test_masked_places_do_not_count_whatever_they_hold():
    positive, negative = scores(3, 3), scores(3, 4, seed=1)
    keep = torch.tensor([[True, False, True], [True, True, True], [False, True, False]])
    pool = torch.tensor([[True] * 4, [False, True, True, False], [False, False, False, True]])
    broken, holes = positive.masked_fill(~keep, math.nan), negative.masked_fill(~pool, math.inf)
    leaves = broken.requires_grad_(), holes.requires_grad_()
    t = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    found = ranking_nce(*leaves, temperature=t, positive_mask=keep, negative_mask=pool, reduction="none")
    kept = [p[m] for p, m in zip(positive, keep, strict=True)], [n[m] for n, m in zip(negative, pool, strict=True)]
    torch.testing.assert_close(found.detach(), loop(*kept, 0.7))
    gradients = torch.autograd.grad(found.sum(), [*leaves, t])
    assert all(g.isfinite().all() for g in gradients)
    assert not gradients[0][~keep].any()
    assert not gradients[1][~pool].any()


def test_the_conditional_form_subtracts_the_noise_and_does_not_care_for_a_constant():
    positive, negative = scores(4), scores(4, 3, seed=1)
    noise = -scores(4, seed=2).abs(), -scores(4, 3, seed=3).abs()
    found = RankingNCELoss(temperature=0.5)(positive, negative, noise_log_prob=noise)
    torch.testing.assert_close(found, ranking_nce(positive / 0.5 - noise[0], negative / 0.5 - noise[1]))
    uniform = torch.full((), -2.3, dtype=torch.float64)
    plain = ranking_nce(positive, negative)
    torch.testing.assert_close(ranking_nce(positive, negative, noise_log_prob=(uniform, uniform)), plain)
    several = scores(4, 2, seed=4)
    wide = ranking_nce(several, negative, noise_log_prob=(noise[0][:, None], noise[1]), reduction="none")
    torch.testing.assert_close(wide, loop(several - noise[0][:, None], negative - noise[1]))


def test_from_skewed_noise_the_conditional_form_still_learns_the_data():
    """Every draw of one true item and two noise items, weighted by its probability: the plain form learns p / q."""
    p, q = torch.tensor([0.5, 0.3, 0.2]).double(), torch.tensor([0.1, 0.2, 0.7]).double()
    true, first, second = torch.cartesian_prod(*[torch.arange(3)] * 3).T
    chance, items = p[true] * q[first] * q[second], torch.stack([first, second], 1)

    def fit(noise):
        table = torch.zeros(3, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([table], max_iter=200, tolerance_grad=1e-10, tolerance_change=1e-14)

        def closure():
            optimizer.zero_grad()
            value = (chance * ranking_nce(table[true], table[items], noise_log_prob=noise, reduction="none")).sum()
            value.backward()
            return value

        optimizer.step(closure)
        return table.detach().softmax(0)

    torch.testing.assert_close(fit((q[true].log(), q[items].log())), p, rtol=1e-4, atol=1e-4)
    assert (fit(None) - p / q / (p / q).sum()).abs().max() < 1e-4


@pytest.mark.parametrize("t", [1.0, 0.1, 0.01, 0.001])
def test_values_and_gradients_in_float32_and_bfloat16(t):
    positive, negative = scores(5, 2) / 3, scores(5, 4, seed=1) / 3
    for kind in (torch.float32, torch.bfloat16):
        leaves = [positive.to(kind).requires_grad_(), negative.to(kind).requires_grad_()]
        doubles = [leaf.detach().double().requires_grad_() for leaf in leaves]
        with torch.autocast("cpu", torch.bfloat16, enabled=kind == torch.bfloat16):
            found = ranking_nce(*leaves, temperature=t, reduction="none")
        assert found.dtype == torch.float32
        expected = loop(*doubles, t)
        torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=4e-7 / t)
        mine, theirs = torch.autograd.grad(found.sum(), leaves), torch.autograd.grad(expected.sum(), doubles)
        coarse = 1e-2 if kind == torch.bfloat16 else 1e-4
        for a, b in zip(mine, theirs, strict=True):
            torch.testing.assert_close(a.double(), b, rtol=coarse, atol=coarse * float(b.abs().max()))


def test_gradients_hold_and_the_settings_are_shown():
    t = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    leaves = scores(3, 2).requires_grad_(), scores(3, 4, seed=1).requires_grad_(), t
    assert torch.autograd.gradcheck(lambda p, n, t: ranking_nce(p, n, temperature=t), leaves)
    assert "temperature=0.5, reduction='sum'" in repr(RankingNCELoss(temperature=0.5, reduction="sum"))


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_named():
    positive, negative = torch.zeros(3), torch.zeros(3, 2)
    with pytest.raises(TypeError, match="positive_scores must be a floating tensor"):
        ranking_nce(positive.long(), negative)
    with pytest.raises(ValueError, match="negative_scores must hold at least one score"):
        ranking_nce(positive, negative[:, :0])
    with pytest.raises(ValueError, match=r"negative_scores \(n, k\), row by row; got \(3,\) and \(2, 2\)"):
        ranking_nce(positive, negative[:2])
    with pytest.raises(ValueError, match=r"row by row; got \(3,\) and \(3,\)"):
        ranking_nce(positive, negative[:, 0])
    with pytest.raises(ValueError, match="temperature must be finite and > 0"):
        RankingNCELoss(temperature=0.0)
    with pytest.raises(ValueError, match="reduction must be one of"):
        RankingNCELoss(reduction="median")
    mask = torch.ones(3, 2, dtype=torch.bool)
    with pytest.raises(TypeError, match="negative_mask must be boolean"):
        ranking_nce(positive, negative, negative_mask=mask.long())
    with pytest.raises(ValueError, match=r"positive_mask must have the shape of the scores, \(3, 1\), got \(3, 2\)"):
        ranking_nce(positive, negative, positive_mask=mask)
    mask[1:] = False
    with pytest.raises(ValueError, match=r"negative_mask leaves nothing to row 1 \(and 1 more\)"):
        ranking_nce(positive, negative, negative_mask=mask)
    with pytest.raises(ValueError, match="noise_log_prob must broadcast to the scores"):
        ranking_nce(positive, negative, noise_log_prob=(torch.zeros(3), torch.zeros(3, 5)))
