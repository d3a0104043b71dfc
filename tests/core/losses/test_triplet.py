"""Triplets: hand values, every mining rule against loops and pytorch-metric-learning, blocks, equal rows."""

import math
import sys

import pytest
import torch
from pytorch_metric_learning.losses import TripletMarginLoss as PeerTriplet
from pytorch_metric_learning.miners import BatchHardMiner

from core.losses import TripletLoss, triplet
from tests.core.losses import oracles

LABELS = torch.tensor([0, 1, 0, 2, 1, 0, 3])


def rows(n=7, d=5, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def expected_terms(z, margin, mining, distance):
    """Losses of the mined triplets, with their anchors, from the definitions."""
    found = oracles.triplets(z, LABELS, distance)
    if mining == "semi_hard":
        found = [(a, p, n) for a, p, n in found if p < n < p + margin]
    if mining == "batch_hard":
        anchors = sorted({a for a, _, _ in found})
        found = [(a, max(p for b, p, _ in found if b == a), min(n for b, _, n in found if b == a)) for a in anchors]
    return [(a, (p - n).exp().log1p() if margin is None else (p - n + margin).clamp(min=0)) for a, p, n in found]


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize(
    ("mining", "margin"),
    [("all", 0.2), ("all", None), ("batch_hard", 0.2), ("batch_hard", None), ("semi_hard", 0.4)],
)
def test_every_rule_is_its_definition(mining, margin, distance):
    z = rows().requires_grad_()
    pairs = expected_terms(z, margin, mining, distance)
    terms = torch.stack([term for _, term in pairs])
    settings = {"margin": margin, "mining": mining, "distance": distance}
    values = {
        "mean": terms.mean(),
        "mean_nonzero": terms.sum() / (terms > 0).sum(),
        "sum": terms.sum(),
    }
    for reduction, value in values.items():
        found = TripletLoss(reduction=reduction, **settings)(z, LABELS)
        torch.testing.assert_close(found, value)
        mine, theirs = (torch.autograd.grad(x, z, retain_graph=True)[0] for x in (found, value))
        torch.testing.assert_close(mine, theirs)
    per_anchor = triplet(z, LABELS, reduction="none", **settings)
    by_anchor = [sum((t for a, t in pairs if a == i), torch.tensor(0.0).double()) for i in range(7)]
    torch.testing.assert_close(per_anchor, torch.stack(by_anchor))


def test_pytorch_metric_learning_agrees():
    z, labels = rows(12), torch.arange(12) % 4
    # Its distance is Euclidean between unit rows.
    unit = torch.nn.functional.normalize(z)
    ours = TripletLoss(margin=0.05, distance="euclidean")
    torch.testing.assert_close(ours(unit, labels), PeerTriplet(margin=0.05)(z, labels))
    hard = TripletLoss(margin=0.05, distance="euclidean", mining="batch_hard")
    mined = BatchHardMiner()(z, labels)
    torch.testing.assert_close(hard(unit, labels), PeerTriplet(margin=0.05)(z, labels, mined))


def test_hand_example_of_the_cosine_form():
    labels = torch.tensor([0, 0, 1])
    held = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    broken = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    for mining in ("all", "batch_hard"):
        assert float(triplet(held, labels, margin=0.5, mining=mining, reduction="none")[0]) == 0
        assert float(triplet(broken, labels, margin=0.5, mining=mining, reduction="none")[0]) == 1.5


def test_zero_where_the_margin_holds_everywhere():
    z = torch.tensor([[1.0, 0.0], [1.0, 0.1], [-1.0, 0.0], [-1.0, 0.1]], requires_grad=True)
    value = triplet(z, torch.tensor([0, 0, 1, 1]), margin=0.5)
    value.backward()
    assert value.item() == 0
    assert not z.grad.any()


@pytest.mark.parametrize("mining", ["all", "batch_hard", "semi_hard"])
def test_blocks_do_not_change_the_result(monkeypatch, mining):
    labels = torch.arange(30) % 4
    whole, parts = (rows(30).requires_grad_() for _ in range(2))
    value = triplet(whole, labels, mining=mining, margin=0.3)
    value.backward()
    monkeypatch.setattr(sys.modules["core.losses.triplet"], "BLOCK", 500)
    again = triplet(parts, labels, mining=mining, margin=0.3)
    again.backward()
    torch.testing.assert_close(again, value)
    torch.testing.assert_close(parts.grad, whole.grad)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("mining", ["all", "batch_hard"])
def test_equal_and_zero_rows_are_finite(mining, distance):
    for z in (torch.ones(4, 3), torch.zeros(4, 3)):
        z.requires_grad_()
        value = triplet(z, torch.tensor([0, 0, 1, 1]), margin=0.2, mining=mining, distance=distance)
        value.backward()
        assert value.item() == pytest.approx(0.2, abs=1e-6)
        assert z.grad.isfinite().all()


def test_bfloat16_autocast_does_not_round_the_distances():
    z = rows(12, 32).bfloat16()
    labels = torch.arange(12) % 3
    with torch.autocast("cpu", torch.bfloat16):
        value = triplet(z, labels, margin=0.2, reduction="mean")
    torch.testing.assert_close(
        value.double(), triplet(z.double(), labels, margin=0.2, reduction="mean"), rtol=1e-5, atol=1e-6
    )


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_named():
    z = rows()
    for labels in (torch.arange(7), torch.zeros(7, dtype=torch.int64)):
        with pytest.raises(ValueError, match="labels hold no triplet"):
            triplet(z, labels)
    with pytest.raises(ValueError, match="margin must be >= 0 or None for the softplus form, got -1"):
        TripletLoss(margin=-1.0)
    with pytest.raises(ValueError, match="margin must be >= 0"):
        TripletLoss(margin=math.nan)
    with pytest.raises(ValueError, match="needs a margin"):
        TripletLoss(margin=None, mining="semi_hard")
    with pytest.raises(ValueError, match="mining must be one of 'all', 'batch_hard', 'semi_hard', got 'easy'"):
        TripletLoss(mining="easy")
    with pytest.raises(ValueError, match="distance must be one of"):
        TripletLoss(distance="manhattan")
    with pytest.raises(ValueError, match="reduction must be one of"):
        TripletLoss(reduction="median")
    with pytest.raises(TypeError, match="z must be a floating tensor"):
        triplet(z.long(), LABELS)


def test_hand_example_of_distances():
    """d(a, p) = 0.2 and d(a, n) = 0.4 with a margin of 0.5 cost 0.3."""
    z = torch.tensor([[0.0, 0.0], [0.2, 0.0], [0.0, 0.4]], dtype=torch.float64)
    terms = triplet(z, torch.tensor([0, 0, 1]), margin=0.5, distance="euclidean", reduction="none")
    assert float(terms[0]) == pytest.approx(0.3, abs=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "mean_nonzero", "sum", "none"])
def test_stacked_views_are_their_rows_with_the_labels_of_the_instances(reduction):
    views = torch.stack([rows(seed=1), rows(seed=2), rows(seed=3)])
    labels = torch.arange(views.shape[1]) % 3
    stacked = triplet(views, labels, reduction=reduction)
    torch.testing.assert_close(stacked, triplet(views.flatten(0, 1), labels.repeat(3), reduction=reduction))


@pytest.mark.usefixtures("unchecked")
def test_views_take_one_label_for_each_instance():
    with pytest.raises(ValueError, match=r"labels must have shape \(7,\)"):
        triplet(rows().expand(3, -1, -1), LABELS.repeat(3))
