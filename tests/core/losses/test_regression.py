"""Rank-N-Contrast: hand values, ties, orders that it must not feel, other distances, training."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.losses import RankNContrastLoss, SupCRLoss, rank_n_contrast, regression, sup_con
from tests.core.diabetes import Diabetes, encoder, scores
from tests.core.digits import train
from tests.core.losses import target_oracles


def rows(n, d=4, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_worked_example():
    z = y = torch.tensor([0.0, 1.0, 3.0], dtype=torch.float64)
    assert float(rank_n_contrast(z[:, None], y, temperature=2.0)) == pytest.approx(0.210236, abs=5e-7)
    # anchor 0: its far row has no rival, its near one competes with it: log(e^-0.5 + e^-1.5) + 0.5
    terms = rank_n_contrast(z[:, None], y, temperature=2.0, reduction="none")
    assert float(terms[0]) == pytest.approx((math.log(math.exp(-0.5) + math.exp(-1.5)) + 0.5) / 2)


def test_ties_are_rivals_of_each_other():
    """30 and 32 are equally far from 31: each is among the candidates of the other."""
    z, y = rows(3), torch.tensor([31.0, 30.0, 32.0], dtype=torch.float64)
    near = -torch.cdist(z[:1], z[1:])[0] / 2
    expected = (2 * near.logsumexp(0) - near.sum()) / 2
    torch.testing.assert_close(rank_n_contrast(z, y, reduction="none")[0], expected)


@given(
    targets=st.lists(st.integers(0, 4), min_size=2, max_size=9),
    seed=st.integers(0, 1000),
    similarity=st.sampled_from(["l2", "cosine"]),
)
@settings(max_examples=30, deadline=None)
def test_any_targets_give_the_loop_value_and_gradient(targets, seed, similarity):
    y = torch.tensor(targets, dtype=torch.float64)
    mine, theirs = (rows(len(y), seed=seed).requires_grad_() for _ in range(2))
    found = rank_n_contrast(mine, y, temperature=0.5, similarity=similarity, reduction="none")
    expected = target_oracles.rank_n_contrast(theirs, y, 0.5, cosine=similarity == "cosine")
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10)
    weight = rows(len(y), 1, seed=seed + 1)[:, 0]
    torch.testing.assert_close(
        torch.autograd.grad(found, mine, weight)[0],
        torch.autograd.grad(expected, theirs, weight)[0],
        rtol=1e-7,
        atol=1e-9,
    )


@pytest.mark.parametrize("block", [1, 25, 70])
def test_the_size_of_blocks_does_not_matter(block, monkeypatch):
    z, y = rows(11).requires_grad_(), rows(11, 1, seed=1)[:, 0].round()
    whole = rank_n_contrast(z, y)
    monkeypatch.setattr(regression, "BLOCK", block)
    parts = rank_n_contrast(z, y)
    torch.testing.assert_close(parts, whole)
    torch.testing.assert_close(torch.autograd.grad(parts, z)[0], torch.autograd.grad(whole, z)[0])


def test_only_the_order_of_target_distances_counts():
    z, y = rows(8), torch.tensor([0.0, 1.0, 3.0, 7.0, 15.0, 31.0, 63.0, 127.0], dtype=torch.float64)
    value = rank_n_contrast(z, y)
    for other in (5 * y - 40, -y, y**1.1):  # |y_i - y_j| keep their order, anchor by anchor
        torch.testing.assert_close(rank_n_contrast(z, other), value)
    torch.testing.assert_close(rank_n_contrast(z + 10, y), value)
    order = torch.tensor([4, 0, 6, 2, 7, 5, 1, 3])
    torch.testing.assert_close(rank_n_contrast(z[order], y[order]), value)
    assert abs(float(rank_n_contrast(z, y[order]) - value)) > 1e-3


def test_features_in_the_order_of_the_targets_cost_less_than_shuffled_ones():
    y = torch.arange(20.0)
    z = torch.stack([torch.cos(y / 10), torch.sin(y / 10)], dim=1)
    shuffled = z[torch.randperm(20, generator=torch.Generator().manual_seed(0))]
    assert float(rank_n_contrast(z, y)) < float(rank_n_contrast(shuffled, y)) - 0.05
    assert float(rank_n_contrast(10 * z, y)) < float(rank_n_contrast(z, y))


def test_equal_targets_make_it_sup_con_of_one_class():
    z, one = rows(6), torch.full((6,), 2.5, dtype=torch.float64)
    expected = sup_con(z, torch.zeros(6, dtype=torch.int64), temperature=0.5)
    torch.testing.assert_close(rank_n_contrast(z, one, temperature=0.5, similarity="cosine"), expected)


def test_equal_rows_have_a_finite_gradient():
    z = torch.ones(5, 3).requires_grad_()
    value = rank_n_contrast(z, torch.arange(5.0))
    value.backward()
    assert not z.grad.any()
    assert value.isfinite()
    near = torch.tensor([[1.0, 1.0], [1.0, 1.0 + 1e-6], [1.0, 1.0], [2.0, 1.0]], requires_grad=True)
    rank_n_contrast(near, torch.arange(4.0)).backward()
    assert near.grad.isfinite().all()
    assert float(near.grad.norm()) < 1


def test_distances_of_near_rows_far_from_the_origin_are_exact():
    """The Gram matrix would lose them: |a|^2 is 1e6 here, |a - b| is 0.1."""
    z = (300 + 0.05 * rows(8)).float().requires_grad_()
    exact = z.detach().double().requires_grad_()
    found, expected = (rank_n_contrast(leaf, torch.arange(8.0), temperature=0.1) for leaf in (z, exact))
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)
    gradient = torch.autograd.grad(expected, exact)[0]
    torch.testing.assert_close(torch.autograd.grad(found, z)[0].double(), gradient, rtol=1e-4, atol=1e-5)


def test_targets_round_a_circle():
    def round_the_clock(a, b):
        far = (a - b).abs()
        return torch.minimum(far, 24 - far)

    z = rows(4)
    hours = torch.tensor([23.0, 1.0, 12.0, 6.0], dtype=torch.float64)
    found = rank_n_contrast(z, hours, label_distance=round_the_clock, reduction="none")[0]
    # From 23 o'clock: 1 is 2 hours off, 6 is 7, 12 is 11. On the line 1 would be the farthest.
    straight = torch.tensor([0.0, 2.0, 11.0, 7.0], dtype=torch.float64)
    torch.testing.assert_close(found, rank_n_contrast(z, straight, reduction="none")[0])
    torch.testing.assert_close(
        RankNContrastLoss(label_distance=lambda a, b: 3 * (a - b).abs())(z, hours), rank_n_contrast(z, hours)
    )


def test_supcr_is_the_earlier_name():
    assert SupCRLoss is RankNContrastLoss
    torch.testing.assert_close(SupCRLoss()(rows(5), rows(5, 1)), rank_n_contrast(rows(5), rows(5, 1)[:, 0]))


@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named():
    with pytest.raises(ValueError, match="similarity must be one of 'l2', 'cosine', got 'dot'"):
        RankNContrastLoss(similarity="dot")
    with pytest.raises(ValueError, match=r"label_distance must be 'l1' or a function .*, got 'l3'"):
        RankNContrastLoss(label_distance="l3")
    with pytest.raises(ValueError, match=r"label_distance must be 'l1' or a function .*, got 1"):
        rank_n_contrast(rows(4), rows(4, 1), label_distance=1)
    with pytest.raises(ValueError, match=r"label_distance must give numbers of shape \(4, 4\) .*got shape \(4, 1\)"):
        rank_n_contrast(rows(4), rows(4, 1), label_distance=lambda a, b: a)
    with pytest.raises(ValueError, match="with NaN"):
        rank_n_contrast(rows(4), rows(4, 1), label_distance=lambda a, b: torch.log(a - b))


@pytest.fixture(scope="module")
def diabetes():
    return Diabetes.load()


@pytest.mark.parametrize(
    ("loss", "distance"),
    [(RankNContrastLoss(), "euclidean"), (RankNContrastLoss(similarity="cosine", temperature=0.2), "cosine")],
)
def test_a_short_training_run_beats_its_untrained_start(loss, distance, diabetes):
    model, draw = encoder(), torch.Generator().manual_seed(0)
    error, order = scores(model, diabetes, distance=distance)

    def step(_):
        views, targets = diabetes.batch(64, draw)
        return loss(model(views), targets)

    train([model], step, steps=80)
    trained_error, trained_order = scores(model, diabetes, distance=distance)
    assert trained_error < error - 0.03
    assert trained_order > order + 0.15


@pytest.mark.parametrize("kind", [torch.bool, torch.int64])
def test_a_distance_of_another_type_is_read_as_numbers(kind):
    """A boolean one put the anchor itself first in the order instead of last."""
    z, y = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0.0, 1, 0, 2, 1, 0])
    found = rank_n_contrast(z, y, label_distance=lambda a, b: (a != b).to(kind))
    assert found == rank_n_contrast(z, y, label_distance=lambda a, b: (a != b).float())
