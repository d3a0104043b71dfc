"""Debiased and hard negatives: NT-Xent as the limit, the floor, released values, weights held or not, shares."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from core.losses import (
    DebiasedInfoNCELoss,
    HardnessInfoNCELoss,
    NTXentLoss,
    debiased_info_nce,
    hardness_info_nce,
    nt_xent,
)
from core.losses.debiased import debiased_log_sum

LOSSES = {"debiased": DebiasedInfoNCELoss, "hardness": HardnessInfoNCELoss}


def rows(n=6, d=5, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def released(query, key, t, tau_plus, beta):
    """The published form, in plain exponentials: fine in float64 at moderate temperatures."""
    z = normalize(torch.cat([query, key]))
    n = len(query)
    s = torch.exp(z @ z.T / t)
    own = torch.eye(n, dtype=torch.bool).repeat(2, 2)
    negatives = s[~own].view(2 * n, -1)
    positive = torch.exp((z[:n] * z[n:]).sum(1) / t).repeat(2)
    count = 2 * n - 2
    weights = negatives**beta
    total = (weights * negatives).sum(1) / weights.mean(1)
    total = ((total - tau_plus * count * positive) / (1 - tau_plus)).clamp(min=count * math.exp(-1 / t))
    return -(positive / (positive + total)).log()


@pytest.mark.parametrize("t", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("tau_plus", [0.0, 0.1, 0.7])
def test_moderate_temperatures_give_the_published_form(t, tau_plus):
    q, k = (x.requires_grad_() for x in (rows(), rows(seed=1)))
    found = DebiasedInfoNCELoss(temperature=t, tau_plus=tau_plus, reduction="none")(q, k)
    expected = released(q, k, t, tau_plus, 0)
    torch.testing.assert_close(found, expected)
    for mine, theirs in zip(*(torch.autograd.grad(x.sum(), (q, k)) for x in (found, expected)), strict=True):
        torch.testing.assert_close(mine, theirs)
    for beta in (0.5, 1.0, 2.0):
        found = HardnessInfoNCELoss(temperature=t, tau_plus=tau_plus, beta=beta, reduction="none")(q, k)
        expected = released(q, k, t, tau_plus, beta)
        torch.testing.assert_close(found, expected)
        for mine, theirs in zip(*(torch.autograd.grad(x.sum(), (q, k)) for x in (found, expected)), strict=True):
            torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("t", [1.0, 0.1, 0.001])
def test_nt_xent_is_the_limit_to_the_last_digit(t):
    q, k = rows().float(), rows(seed=1).float()
    expected = nt_xent(q, k, temperature=t, reduction="none")
    settings = {"temperature": t, "reduction": "none", "tau_plus": 0.0}
    assert torch.equal(debiased_info_nce(q, k, **settings), expected)
    assert torch.equal(hardness_info_nce(q, k, beta=0.0, **settings), expected)
    settings["tau_plus"] = 0.3
    assert torch.equal(hardness_info_nce(q, k, beta=0.0, **settings), debiased_info_nce(q, k, **settings))
    small = hardness_info_nce(q.double(), k.double(), beta=1e-7, **settings)
    torch.testing.assert_close(
        small, debiased_info_nce(q.double(), k.double(), **settings), rtol=1e-3, atol=1e-6 / t**2
    )


def test_hand_value():
    """Two orthogonal pairs: (2 - 0.1 * 2 e) / 0.9 in the place of 2 negatives of weight 1."""
    z = torch.eye(2, dtype=torch.float64)
    expected = math.log(1 + (2 - 0.2 * math.e) / 0.9 / math.e)
    assert float(debiased_info_nce(z, z, temperature=1.0)) == pytest.approx(expected, abs=1e-12)


def test_equal_rows_are_nt_xent_for_all():
    same = torch.ones(5, 3)
    for loss in LOSSES.values():
        assert float(loss(temperature=0.1)(same, same)) == pytest.approx(math.log(9), abs=1e-4)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("t", [1.0, 0.1, 0.001])
def test_at_the_floor_only_the_positive_pulls(name, t):
    """Close pairs far from the others: more would be taken out than there is, and the sum stays at N e^(-1/t)."""
    q = torch.eye(4, 6, dtype=torch.float64)
    k = normalize(q + 0.1 * rows(4, 6)).requires_grad_()
    q.requires_grad_()
    terms = LOSSES[name](temperature=t, tau_plus=0.5, reduction="none")(q, k)
    s = torch.cosine_similarity(q, k).repeat(2) / t
    expected = torch.log1p(6 * torch.exp(-1 / t - s))
    torch.testing.assert_close(terms, expected)
    for mine, theirs in zip(*(torch.autograd.grad(x.sum(), (q, k)) for x in (terms, expected)), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_the_difference_of_logarithms_on_both_sides_of_the_floor():
    negatives = torch.tensor([0.0, 0.0, 0.0, 5.0, 0.0], dtype=torch.float64, requires_grad=True)
    positive = torch.tensor([0.5, 0.0, -1e-9, -700.0, -2.0], dtype=torch.float64, requires_grad=True)
    logs = debiased_log_sum(negatives, positive, 2, temperature=0.1, tau_plus=0.5)
    floor = math.log(2) - 10
    inside = [5 + math.log(2), math.log((1 - math.exp(-2)) / 0.5)]
    expected = torch.tensor([floor, floor, floor, *inside], dtype=torch.float64)
    torch.testing.assert_close(logs, expected, rtol=1e-9, atol=1e-9)
    grads = torch.autograd.grad(logs.sum(), (negatives, positive))
    assert [g[:3].tolist() for g in grads] == [[0, 0, 0], [0, 0, 0]]
    e = math.exp(-2)
    torch.testing.assert_close(grads[0][3:], torch.tensor([1.0, 1 / (1 - e)], dtype=torch.float64))
    torch.testing.assert_close(grads[1][3:], torch.tensor([0.0, -e / (1 - e)], dtype=torch.float64))


def test_removing_positives_lowers_the_loss_and_hard_negatives_raise_it():
    q, k = rows(), rows(seed=1)
    plain = nt_xent(q, k, reduction="none")
    assert (debiased_info_nce(q, q + 0.1 * k) < nt_xent(q, q + 0.1 * k)).all()
    values = [hardness_info_nce(q, k, beta=b, tau_plus=0.0, reduction="none") for b in (0.5, 1.0, 3.0)]
    assert all((a < b).all() for a, b in zip([plain, *values], values, strict=False))


def test_a_large_beta_leaves_the_hardest_negative():
    q, k = rows(), rows(seed=1)
    z = normalize(torch.cat([q, k]))
    own = torch.eye(6, dtype=torch.bool).repeat(2, 2)
    s = (z @ z.T).masked_fill(own, -torch.inf)
    hardest = s.amax(1) / 0.5
    positive = torch.cosine_similarity(q, k).repeat(2) / 0.5
    expected = torch.log1p(10 * torch.exp(hardest - positive))
    found = hardness_info_nce(q, k, beta=1e4, tau_plus=0.0, reduction="none")
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_held_weights_change_the_gradient_and_not_the_value():
    q, k = (x.requires_grad_() for x in (rows(), rows(seed=1)))
    free, held = (hardness_info_nce(q, k, detach_weights=d) for d in (False, True))
    torch.testing.assert_close(free, held)
    grads = [torch.autograd.grad(x, q)[0] for x in (free, held)]
    assert (grads[0] - grads[1]).norm() > 0.05 * grads[1].norm()


@pytest.mark.parametrize("name", LOSSES)
def test_shares_average_to_the_whole_and_reductions_agree(name):
    q, k = rows().requires_grad_(), rows(seed=1)
    loss = LOSSES[name]()
    whole = loss(q, k)
    shares = torch.stack([loss(q, k, rows=slice(i, i + 2)) for i in (0, 2, 4)]).mean()
    torch.testing.assert_close(shares, whole)
    torch.testing.assert_close(torch.autograd.grad(shares, q)[0], torch.autograd.grad(whole, q)[0])
    terms = LOSSES[name](reduction="none")(q, k)
    assert terms.shape == (12,)
    torch.testing.assert_close(terms.mean(), whole)
    torch.testing.assert_close(LOSSES[name](reduction="sum")(q, k), terms.sum())
    order = torch.tensor([3, 0, 5, 1, 2, 4])
    torch.testing.assert_close(loss(q[order], k[order]), whole)
    torch.testing.assert_close(loss(k, q), whole)


def test_the_settings_are_shown():
    assert "temperature=0.5, reduction='mean', tau_plus=0.1" in repr(DebiasedInfoNCELoss())
    shown = repr(HardnessInfoNCELoss(beta=2.0))
    assert "temperature=0.5, reduction='mean', beta=2.0, tau_plus=0.1, detach_weights=False" in shown
    assert HardnessInfoNCELoss().state_dict() == NTXentLoss().state_dict() == {}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_named(name):
    loss, z = LOSSES[name], rows()
    for wrong in (-0.1, 1.0, math.nan):
        with pytest.raises(ValueError, match=r"tau_plus must be in \[0, 1\), got"):
            loss(tau_plus=wrong)
    with pytest.raises(ValueError, match="temperature must be finite and > 0"):
        loss(temperature=0.0)
    with pytest.raises(ValueError, match="reduction must be one of"):
        loss(reduction="median")
    with pytest.raises(ValueError, match="the batch must be at least 2, got 1"):
        loss()(z[:1], z[:1])
    with pytest.raises(ValueError, match="query and key must have the same shape"):
        loss()(z, z[:3])
    with pytest.raises(TypeError, match="query must be a floating tensor"):
        loss()(z.long(), z)
    with pytest.raises(ValueError, match="rows must be a slice"):
        loss()(z, z, rows=slice(4, 9))
    for wrong in (-1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="beta must be finite and >= 0, got"):
            HardnessInfoNCELoss(beta=wrong)
