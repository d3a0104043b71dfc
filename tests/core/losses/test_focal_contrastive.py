"""The focal contrastive loss: hand values, SupCon at gamma 0, soft labels, anchors without positives, training."""

import importlib
import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning.losses import SupConLoss as PeerSupCon

from core.losses import FocalContrastiveLoss, focal_contrastive, sup_con
from core.losses.focal_contrastive import label_groups
from tests.core.digits import Digits, encoder, knn_accuracy, moved, train
from tests.core.losses import target_oracles

EXAMPLE = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], dtype=torch.float64)
LONELY = torch.tensor([0, 1, 0, 2, 1, 0, 3])  # rows 3 and 6 have no positive


def rows(n, d=5, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_worked_example():
    labels = torch.tensor([0, 0, 1])

    def terms(gamma):
        return focal_contrastive(EXAMPLE, labels, temperature=1.0, gamma=gamma, reduction="none").tolist()

    assert terms(0.0) == pytest.approx([0.371101, 0.598139, 0], abs=5e-7)
    assert terms(1.0) == pytest.approx([0.115051, 0.269262, 0], abs=5e-7)
    mean = focal_contrastive(EXAMPLE, labels, temperature=1.0)
    assert float(mean) == pytest.approx((0.115051 + 0.269262) / 2, abs=5e-7)  # the third anchor is skipped


@pytest.mark.parametrize("variant", ["flat", "views"])
def test_gamma_zero_is_sup_con(variant):
    z = rows(7) if variant == "flat" else rows(14).reshape(2, 7, 5)
    found = FocalContrastiveLoss(temperature=0.1, gamma=0.0)(z, LONELY)
    torch.testing.assert_close(found, sup_con(z, LONELY, temperature=0.1))
    flat = z.reshape(-1, 5)
    torch.testing.assert_close(found, PeerSupCon(temperature=0.1)(flat, LONELY.repeat(len(flat) // 7)))


@given(labels=st.lists(st.integers(0, 3), min_size=2, max_size=9), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_any_labels_give_the_loop_value_and_gradient(labels, seed):
    labels = torch.tensor(labels)
    mine, theirs = (rows(len(labels), seed=seed).requires_grad_() for _ in range(2))
    found = focal_contrastive(mine, labels, temperature=0.2, gamma=1.5, reduction="none")
    expected = target_oracles.focal_contrastive(theirs, lambda i, j: labels[i] == labels[j], 0.2, 1.5)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(
        torch.autograd.grad(found.sum(), mine)[0],
        torch.autograd.grad(expected.sum(), theirs)[0],
        rtol=1e-7,
        atol=1e-10,
    )


@pytest.mark.parametrize("block", [1, 3])
@pytest.mark.parametrize("share", [None, slice(2, 9)])
def test_the_size_of_blocks_does_not_matter(block, share, monkeypatch):
    z, labels = rows(11).requires_grad_(), torch.tensor([3, 0, 1, 0, 2, 1, 0, 1, 3, 0, 7])
    whole = focal_contrastive(z, labels, rows=share, reduction="none")
    monkeypatch.setattr(importlib.import_module("core.losses.focal_contrastive"), "BLOCK", block)
    parts = focal_contrastive(z, labels, rows=share, reduction="none")
    torch.testing.assert_close(parts, whole)
    torch.testing.assert_close(torch.autograd.grad(parts.sum(), z)[0], torch.autograd.grad(whole.sum(), z)[0])


def test_the_weight_makes_terms_smaller_and_falls_with_gamma():
    z = rows(7)
    terms = [focal_contrastive(z, LONELY, temperature=0.5, gamma=g, reduction="none") for g in (0.0, 0.5, 1.0, 2.0)]
    found = torch.tensor([0, 1, 2, 4, 5])
    for heavier, lighter in pairwise(terms):
        assert (lighter[found] < heavier[found]).all()


def test_a_found_positive_costs_the_square_of_what_is_missing():
    """One positive each with p near 1: the term is (1 - p)^2."""
    apart = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
    labels = torch.tensor([0, 0, 1, 1])
    for t in (0.4, 0.3, 0.2):
        rest = 2 * math.exp(-2 / t) / (1 + 2 * math.exp(-2 / t))
        term = focal_contrastive(apart, labels, temperature=t, reduction="none")[0]
        assert float(term) == pytest.approx(rest**2, rel=2 * rest)


@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 3.0])
def test_a_positive_found_for_certain_costs_nothing_and_has_a_finite_gradient(gamma):
    """At 1/1024 no logit is rounded, so p is 1 exactly, where a power of 1 - p below 1 has no derivative."""
    leaf = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]], requires_grad=True)
    value = focal_contrastive(leaf, torch.tensor([0, 0, 1, 1]), temperature=2.0**-10, gamma=gamma)
    value.backward()
    assert value.item() == 0
    assert not leaf.grad.any()


def test_the_derivative_in_p():
    """d/dp of -(1 - p) log p is log p - (1 - p)/p; here p = e^s / (e^s + 1) of one positive and one negative."""
    labels = torch.tensor([0, 0, 1])
    angle = torch.tensor([0.3, 1.2, 2.0], dtype=torch.float64, requires_grad=True)
    z = torch.stack([torch.cos(angle), torch.sin(angle)], dim=1)
    term = focal_contrastive(z, labels, temperature=1.0, reduction="none")[0]
    gradient = torch.autograd.grad(term, angle)[0][2]
    s, away = math.cos(0.9), math.cos(1.7)
    p = math.exp(s) / (math.exp(s) + math.exp(away))
    slope = -p * (1 - p) * -math.sin(1.7)  # dp / d angle_2 = -p (1 - p) d cos(angle_2 - angle_0)
    assert float(gradient) == pytest.approx((math.log(p) - (1 - p) / p) * slope, rel=1e-10)


def test_a_detached_weight_has_the_value_and_another_gradient():
    z = rows(7).requires_grad_()
    values = [focal_contrastive(z, LONELY, temperature=0.5, detach_weight=detach) for detach in (False, True)]
    torch.testing.assert_close(values[0], values[1])
    moving, still = (torch.autograd.grad(value, z)[0] for value in values)
    assert float((moving - still).norm()) > 0.1 * float(moving.norm())


def test_the_official_reduction():
    """The sum of an anchor's terms divided by all columns, then by the number of anchors that have positives."""
    z = rows(7)
    sums = focal_contrastive(z, LONELY, reduction="none") * torch.tensor([2, 1, 2, 0, 1, 2, 0])
    torch.testing.assert_close(focal_contrastive(z, LONELY, reduction="official"), sums.sum() / 7 / 5)


def test_rows_with_equal_label_vectors_are_positives_however_many_classes_there_are():
    """Sums of powers of 10 in float32, as in the released code, do not tell classes 20 and 21 of 30 apart."""
    labels = torch.tensor([20, 20, 21, 21, 3, 29])
    soft = torch.nn.functional.one_hot(labels, 30).float()
    soft[4] = 0.4 * soft[0] + 0.6 * soft[2]
    z = rows(6)
    expected = target_oracles.focal_contrastive(z, lambda i, j: bool((soft[i] == soft[j]).all()), 0.07, 1.0)
    torch.testing.assert_close(focal_contrastive(z, soft, reduction="none"), expected)
    assert float(expected[0]) > 0
    assert float(expected[4]) == 0


def test_mixtures_within_a_class_join_it():
    """lam y + (1 - lam) y is y but for rounding."""
    share = torch.rand(50, 1, generator=torch.Generator().manual_seed(0))
    one_hot = torch.tensor([[0.0, 1.0, 0.0]])
    soft = torch.cat([share * one_hot + (1 - share) * one_hot, torch.tensor([[0.0, 0.0, 1.0]])])
    group, sizes = label_groups(soft, 51, tolerance=1e-5)
    assert sizes.tolist() == [1, 50]
    assert group[:50].unique().numel() == 1
    # Wherever a grid would be cut, two close vectors stay together and two distant ones apart.
    base = torch.rand(200, 4, generator=torch.Generator().manual_seed(1))
    near = torch.cat([base, base + 1e-7 * torch.randn(200, 4, generator=torch.Generator().manual_seed(2))])
    group, sizes = label_groups(near, 400, tolerance=1e-6)
    assert torch.equal(group[:200], group[200:])
    assert sizes.tolist() == [2] * 200
    assert label_groups(near, 400, tolerance=0.0)[1].sum() == 400
    assert len(label_groups(near, 400, tolerance=0.0)[1]) > 390


def test_without_any_positive_the_loss_is_zero_with_a_zero_gradient():
    z = rows(4).requires_grad_()
    value = focal_contrastive(z, torch.arange(4))
    value.backward()
    assert value.item() == 0
    assert not z.grad.any()


def test_permutation_and_label_names_do_not_matter():
    z, order = rows(7), torch.tensor([4, 0, 6, 2, 5, 1, 3])
    value = focal_contrastive(z, LONELY)
    torch.testing.assert_close(focal_contrastive(z[order], LONELY[order]), value)
    torch.testing.assert_close(focal_contrastive(3 * z, 100 - 7 * LONELY), value)
    torch.testing.assert_close(focal_contrastive(z, torch.eye(4, dtype=torch.float64)[LONELY]), value)


@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named():
    z = rows(4)
    with pytest.raises(TypeError, match=r"targets must be int64 classes \(4,\) or floating label vectors \(4, c\)"):
        focal_contrastive(z, torch.zeros(4))
    with pytest.raises(TypeError, match=r"labels must be int64, got torch\.int32"):
        focal_contrastive(z, torch.zeros(4, dtype=torch.int32))
    with pytest.raises(ValueError, match=r"labels must have shape \(4,\), one per row, got \(5,\)"):
        focal_contrastive(z, torch.zeros(5, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"targets must be \(4, c\), a label vector for each row, got \(3, 2\)"):
        focal_contrastive(z, torch.zeros(3, 2))
    with pytest.raises(ValueError, match="targets must be finite: a label vector holds NaN"):
        focal_contrastive(z, torch.full((4, 2), torch.nan))
    with pytest.raises(TypeError, match="v must be a floating tensor"):
        focal_contrastive(z.long(), LONELY[:4])
    with pytest.raises(ValueError, match="the number of rows must be at least 2, got 1"):
        focal_contrastive(z[:1], LONELY[:1])
    with pytest.raises(ValueError, match="rows must be a slice"):
        focal_contrastive(z, LONELY[:4], rows=slice(0, 9))
    with pytest.raises(ValueError, match="gamma must be finite and >= 0, got -1"):
        FocalContrastiveLoss(gamma=-1.0)
    with pytest.raises(ValueError, match="label_tolerance must be finite and >= 0, got -1"):
        FocalContrastiveLoss(label_tolerance=-1.0)
    with pytest.raises(ValueError, match="reduction must be one of 'mean', 'sum', 'none', 'official', got 'median'"):
        FocalContrastiveLoss(reduction="median")
    with pytest.raises(ValueError, match="temperature must be finite and > 0"):
        FocalContrastiveLoss(temperature=0.0)


def test_a_short_training_run_beats_its_untrained_start():
    digits, model, draw = Digits.load(), encoder(), torch.Generator().manual_seed(0)
    start = knn_accuracy(model, digits)
    loss = FocalContrastiveLoss(temperature=0.2)

    def step(_):
        chosen = digits.batch(64, draw)
        return loss(torch.stack([model(moved(digits.images[chosen], draw)) for _ in range(2)]), digits.labels[chosen])

    train([model], step)
    assert knn_accuracy(model, digits) > start + 0.1
