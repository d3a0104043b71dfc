"""GroCo: closed forms, constants, which scores and gradients count, limits of the steepness."""

import math

import pytest
import torch

from core.losses import GroCoLoss, groco, group_ordering
from tests.core.losses import oracles, view_oracles


def stack(v=2, n=12, d=6, seed=0):
    return torch.randn(v, n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def scores(b, p, m, seed=0):
    drawn = 2 * torch.rand(b, p + m, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 1
    return drawn[:, :p], drawn[:, p:]


def test_one_against_one_is_a_closed_form():
    for difference, value in [(-1.0, 1.386294), (0.0, 0.693147), (1.0, 0.287682), (2.0, 0.159680)]:
        loss = group_ordering(torch.tensor([[difference]]), torch.tensor([[0.0]]))
        assert float(loss) == pytest.approx(value, abs=1e-6)
    positives, negatives = scores(50, 1, 1)
    for steepness in (0.3, 1.0, 10.0, 1000.0):
        terms = group_ordering(positives, negatives, steepness=steepness, reduction="none")
        torch.testing.assert_close(terms, -(0.5 + (steepness * (positives - negatives)).atan() / math.pi)[:, 0].log())
        logistic = group_ordering(
            positives, negatives, steepness=steepness, reduction="none", distribution="logistic", network="bitonic"
        )
        expected = -torch.nn.functional.logsigmoid(steepness * (positives - negatives))[:, 0]
        stop = -math.log(torch.finfo(torch.float64).tiny)  # where the logarithm stops
        torch.testing.assert_close(logistic, expected.clamp(max=stop))


@pytest.mark.parametrize(
    ("positive", "negative", "count", "steepness", "value"),
    [
        (0.0, 0.0, 1, 1, 0.201983),
        (1.0, -1.0, 1, 1, 0.146972),
        (0.8, 0.4, 1, 1, 0.193551),
        (0.4, 0.8, 1, 1, 0.210706),
        (-1.0, 1.0, 1, 1, 0.264333),
        (0.0, 0.0, 3, 1, 0.250855),
        (1.0, -1.0, 3, 1, 0.139745),
        (-1.0, 1.0, 3, 1, 0.395609),
        (1.0, -1.0, 1, 10, 0.014842),
        (0.8, 0.4, 1, 10, 0.080583),
    ],
)
def test_constants_of_ten_negatives(positive, negative, count, steepness, value):
    loss = group_ordering(torch.full((1, count), positive), torch.full((1, 10), negative), steepness=steepness)
    assert float(loss) == pytest.approx(value, abs=1e-6)


def test_gradients_of_a_hand_example():
    negatives = torch.tensor([[0.1, 0.2, 0.3, 0.4, 0.5]], dtype=torch.float64, requires_grad=True)
    positives = torch.tensor([[0.6]], dtype=torch.float64, requires_grad=True)
    group_ordering(positives, negatives).backward()
    assert negatives.grad[0].tolist() == pytest.approx([0.0034, 0.0044, 0.0219, 0.0244, 0.0045], abs=6e-5)
    assert float(positives.grad) == pytest.approx(-0.0585, abs=6e-5)


def test_a_single_positive_is_never_pushed_down():
    positives, negatives = (x.requires_grad_() for x in scores(300, 1, 10))
    group_ordering(positives, negatives, reduction="sum").backward()
    assert positives.grad.max() <= 0


@pytest.mark.parametrize("network", ["odd_even", "bitonic"])
def test_the_order_of_a_group_does_not_matter(network):
    positives, negatives = scores(5, 3, 6)
    value = group_ordering(positives, negatives, network=network)
    torch.testing.assert_close(group_ordering(positives.flip(1), negatives.roll(2, 1), network=network), value)


@pytest.mark.parametrize("p", [1, 3])
def test_scores_against_the_loop(p):
    positives, negatives = scores(6, p, 5)
    terms = group_ordering(positives, negatives, steepness=4.0, reduction="none")
    expected = [view_oracles.group_ordering(a, b, 4.0) for a, b in zip(positives, negatives, strict=True)]
    torch.testing.assert_close(terms, torch.stack(expected))
    torch.testing.assert_close(group_ordering(positives, negatives, steepness=4.0, reduction="sum"), 6 * terms.mean())


def test_both_cross_entropies_of_the_released_code_are_one():
    positives, negatives = scores(4, 2, 5)
    x = torch.cat([negatives.sort(dim=1).values, positives.sort(dim=1).values], dim=1)
    terms = []
    for row in x:
        _, matrix = view_oracles.relaxed_sort(row, view_oracles.comparators(7), 1.0, view_oracles.cauchy)
        above, below = matrix[:, 5:].sum(dim=1).clamp(0, 1), matrix[:, :5].sum(dim=1).clamp(0, 1)
        target = torch.tensor([0.0] * 5 + [1.0] * 2, dtype=torch.float64)
        entropy = torch.nn.functional.binary_cross_entropy
        terms.append((entropy(above, target) + entropy(below, 1 - target)) / 2)
    torch.testing.assert_close(group_ordering(positives, negatives, reduction="none"), torch.stack(terms))


def test_steepness_separates_right_from_wrong():
    high, low = torch.full((1, 2), 0.5), torch.full((1, 5), -0.5)
    right = [float(group_ordering(high, low + torch.arange(5) / 100, steepness=k)) for k in (1, 10, 100, 1e3, 1e6)]
    assert right == sorted(right, reverse=True)
    assert right[-1] < 1e-3
    one_high, one_low = torch.tensor([[1.0]]), torch.tensor([[-1.0]])
    for k in (1e2, 1e4, 1e8):  # -log(1/(2 pi k)): it grows like the logarithm of the steepness
        assert float(group_ordering(one_low, one_high, steepness=k)) == pytest.approx(
            math.log(2 * math.pi * k), rel=1e-3
        )
    stopped = group_ordering(one_low, one_high, steepness=1e3, distribution="logistic")
    assert float(stopped) == pytest.approx(-math.log(torch.finfo(torch.float32).tiny), rel=1e-6)


def test_a_hard_sort_counts_misplaced_scores():
    """Two of six stand in the wrong group: each costs a logarithm of the steepness, the others nothing."""
    positives = torch.tensor([[0.9, 0.15]], dtype=torch.float64)
    negatives = torch.tensor([[-0.3, 0.0, 0.3, -0.6]], dtype=torch.float64)
    values = [float(group_ordering(positives, negatives, steepness=k)) for k in (1e6, 1e9)]
    assert (values[1] - values[0]) * 6 == pytest.approx(2 * math.log(1e3), rel=1e-3)
    ordered = torch.tensor([[0.9, 0.45]], dtype=torch.float64)
    assert float(group_ordering(ordered, negatives, steepness=1e6)) < 1e-4


def test_only_the_anchor_gets_a_gradient():
    """With the gradient stopped the loss of view 0's anchors moves view 0 alone, row by row."""
    views = stack(3).requires_grad_()
    terms = groco(views, reduction="none")
    (grad,) = torch.autograd.grad(terms[4], views)
    moved = grad.norm(dim=2) > 0
    assert moved.nonzero().tolist() == [[0, 4]]
    through = groco(views, reduction="none", stop_gradient=False)
    torch.testing.assert_close(through, terms)
    (grad,) = torch.autograd.grad(through[4], views)
    assert (grad.norm(dim=2) > 0).sum() == 1 + 2 + 10
    assert (grad[1:].norm(dim=2) > 0).nonzero().tolist() == [[0, 4], [1, 4]]


def test_negatives_come_from_the_anchors_own_view_unless_asked():
    views = stack(2, n=5)
    options = {"num_negatives": 4, "reduction": "none"}
    own, both = groco(views, **options), groco(views, negatives="all_views", **options)
    torch.testing.assert_close(own, view_oracles.groco(views, 4, 1.0))
    torch.testing.assert_close(both, view_oracles.groco(views, 4, 1.0, all_views=True))
    assert not torch.allclose(own, both, rtol=1e-4)


def test_only_the_hardest_negatives_count():
    views = stack(2, n=10)
    u = oracles.unit(views[0])
    order = sorted((j for j in range(1, 10)), key=lambda j: float(u[0] @ u[j]))
    easiest = order[0]
    changed = views.clone()
    changed[0, easiest] = -views[0, 0]  # still the easiest
    results = []
    for x in (views, changed):
        leaf = x.clone().requires_grad_()
        term = groco(leaf, num_negatives=5, reduction="none")[0]
        (grad,) = torch.autograd.grad(term, leaf)
        results.append((term.detach(), grad))
    torch.testing.assert_close(results[0][0], results[1][0], rtol=0, atol=0)
    torch.testing.assert_close(results[0][1], results[1][1], rtol=0, atol=0)


def test_small_crops_are_anchors_but_no_positives():
    views = stack(4, n=6)
    terms = groco(views, num_negatives=3, n_positive_views=2, reduction="none")
    torch.testing.assert_close(terms, view_oracles.groco(views, 3, 1.0, n_positive=2))
    torch.testing.assert_close(GroCoLoss(num_negatives=3, n_positive_views=2)(views), terms.mean())


def test_bitonic_network_against_the_loop():
    from core.losses.sorting_networks import network_layers

    layers = [[(low, p[low]) for low in range(5) if side[low] > 0] for p, side in network_layers("bitonic", 5)]
    views = stack(2, n=6)
    terms = groco(views, num_negatives=4, network="bitonic", steepness=2.0, reduction="none")
    torch.testing.assert_close(terms, view_oracles.groco(views, 4, 2.0, layers=layers))


def test_negatives_are_found_in_blocks():
    """More rows than one block of similarities holds."""
    views = stack(2, n=1500, d=4).float()
    terms = groco(views, reduction="none")
    unit = torch.nn.functional.normalize(views.double(), dim=2)
    similarity = (unit[0] @ unit[0].T).fill_diagonal_(-torch.inf)
    positives = (unit[0] * unit[1]).sum(dim=1, keepdim=True)
    expected = group_ordering(positives, similarity.topk(10, dim=1).values, reduction="none")
    torch.testing.assert_close(terms[:1500].double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named():
    with pytest.raises(ValueError, match="10 instances leave 9 negatives to an anchor, but num_negatives=10"):
        groco(stack(n=10))
    assert groco(stack(n=10), negatives="all_views").isfinite()
    with pytest.raises(ValueError, match="n_positive_views must be from 2 to the 3 views, got 1"):
        groco(stack(3), n_positive_views=1)
    with pytest.raises(ValueError, match="num_negatives must be at least 1, got 0"):
        GroCoLoss(num_negatives=0)
    with pytest.raises(ValueError, match="steepness must be finite and > 0, got -1"):
        GroCoLoss(steepness=-1.0)
    with pytest.raises(ValueError, match="negatives must be one of"):
        GroCoLoss(negatives="queue")
    with pytest.raises(ValueError, match="one row for each anchor, got 2 and 3"):
        group_ordering(torch.ones(2, 1), torch.ones(3, 4))
