"""CACR: hand values, limits of both temperatures, gradient formulas, the variants."""

import math

import pytest
import torch

from core.losses import CACRLoss, cacr, cacr_terms
from core.losses.cacr import weighted_cost
from core.similarity.expectation import similarity_expectation
from tests.core.losses import view_oracles
from tests.core.losses.view_oracles import far

COSTS = torch.tensor([0.1, 2.0, 3.0], dtype=torch.float64)


def stack(v=3, n=5, d=4, seed=0):
    return torch.randn(v, n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def parts(views, **settings):
    """Attraction and repulsion of `cacr`."""
    return cacr(views, beta=0.0, **settings), cacr(views, alpha=0.0, **settings)


def positive_costs(views):
    u = view_oracles.units(views)
    n, v = views.shape[1], len(u)
    return [[[float(far(u[a][i], u[b][i])) for b in range(v) if b != a] for i in range(n)] for a in range(v)]


def negative_costs(views):
    u = view_oracles.units(views)
    n, v = views.shape[1], len(u)
    return [
        [[float(far(u[a][i], u[b][j])) for j in range(n) if j != i] for i in range(n)]
        for a in range(v)
        for b in range(v)
        if b != a
    ]


def test_equal_views_of_two_orthogonal_instances():
    views = torch.eye(2).repeat(2, 1, 1)
    attraction, repulsion = parts(views)
    assert float(attraction) == pytest.approx(0, abs=1e-6)
    assert float(repulsion) == pytest.approx(-2, abs=1e-6)
    assert float(cacr(views)) == pytest.approx(-2, abs=1e-6)
    assert float(cacr(views, alpha=3.0, beta=0.5)) == pytest.approx(-1, abs=1e-6)


@pytest.mark.parametrize("options", [{}, {"detach_weights": True}, {"symmetric": False}, {"cost": "rbf"}])
def test_collapse_is_zero_without_gradient(options):
    views = torch.ones(3, 4, 5, dtype=torch.float64).requires_grad_()
    value = cacr(views, **options)
    value.backward()
    assert float(value.detach()) == pytest.approx(0, abs=1e-12)
    assert views.grad.abs().max() < 1e-12


def test_temperatures_of_zero_weigh_equally():
    """The ablation without either conditional distribution."""
    views = stack()
    attraction, repulsion = parts(views, t_pos=0.0, t_neg=0.0)
    assert float(attraction) == pytest.approx(float(torch.tensor(positive_costs(views)).double().mean()), rel=1e-6)
    assert float(repulsion) == pytest.approx(-float(torch.tensor(negative_costs(views)).double().mean()), rel=1e-6)
    near_zero = parts(views, t_pos=1e-7, t_neg=1e-7)
    torch.testing.assert_close(torch.stack(near_zero), torch.stack([attraction, repulsion]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("detach", [False, True])
def test_equal_weights_have_the_same_gradient_whether_stopped_or_not(detach):
    views = stack().requires_grad_()
    (grad,) = torch.autograd.grad(cacr(views, t_pos=0.0, t_neg=0.0, detach_weights=detach), views)
    (expected,) = torch.autograd.grad(view_oracles.cacr(views, 0.0, 0.0).mean(), views)
    torch.testing.assert_close(grad, expected)


def test_large_temperatures_see_the_farthest_positive_and_the_nearest_negative():
    views = stack()
    attraction, repulsion = parts(views, t_pos=1e4, t_neg=1e4)
    assert float(attraction) == pytest.approx(float(torch.tensor(positive_costs(views)).max(dim=2).values.mean()))
    assert float(repulsion) == pytest.approx(-float(torch.tensor(negative_costs(views)).min(dim=2).values.mean()))


def test_a_single_positive_has_weight_one():
    views = stack(2)
    values = [float(cacr(views, t_pos=t)) for t in (0.0, 1.0, 50.0)]
    assert max(values) - min(values) < 1e-12
    assert abs(float(cacr(stack(3), t_pos=0.0) - cacr(stack(3), t_pos=50.0))) > 1e-2


def test_gradient_of_attraction_by_its_formula():
    """Through the softmax a close positive is pushed away; with stopped weights none is."""
    costs = COSTS.clone().requires_grad_()
    (moving,) = torch.autograd.grad(weighted_cost(costs, 1.0), costs)
    (stopped,) = torch.autograd.grad(weighted_cost(costs, 1.0, detach_weights=True), costs)
    weights = torch.softmax(COSTS, 0)
    assert moving.tolist() == pytest.approx([-0.0591, 0.0958, 0.9633], abs=1e-4)
    assert stopped.tolist() == pytest.approx([0.0387, 0.2585, 0.7028], abs=1e-4)
    torch.testing.assert_close(moving, weights * (1 + COSTS - (weights * COSTS).sum()))
    assert moving[0] < 0 < stopped[0]


@pytest.mark.parametrize("t", [0.5, 1.0, 4.0])
def test_gradient_of_repulsion_by_its_formula(t):
    """Through the softmax a far negative is attracted. c = 2 - 2 s, so d/dc = -1/2 d/ds, and -E[c] = 2 E[s] - 2."""
    similarities = (1 - COSTS / 2)[None].requires_grad_()
    keys = torch.eye(3, dtype=torch.float64)
    found = {}
    for detach in (False, True):
        mean, _ = similarity_expectation(similarities, keys, temperature=1 / (2 * t), detach_weights=detach)
        (grad,) = torch.autograd.grad((2 * mean - 2).sum(), similarities)
        found[detach] = -grad[0] / 2
    weights = torch.softmax(-t * COSTS, 0)
    average = (weights * COSTS).sum()
    torch.testing.assert_close(found[False], -weights * (1 - t * (COSTS - average)))
    torch.testing.assert_close(found[True], -weights)
    if t == 1.0:
        assert found[False].tolist() == pytest.approx([-1.1360, 0.0660, 0.0700], abs=1e-4)


def test_one_direction_takes_the_lower_view_as_query():
    """As released; the symmetric form is the mean of both orders."""
    views = stack(2)
    forth, back = cacr(views, symmetric=False), cacr(views.flip(0), symmetric=False)
    assert abs(float(forth - back)) > 1e-4
    torch.testing.assert_close(cacr(views), (forth + back) / 2)


def test_debiased_repulsion_takes_the_positive_out_of_the_negatives():
    views = stack(2)
    u = view_oracles.units(views)
    _, plain = parts(views, reduction="none")
    _, debiased = parts(views, reduction="none", tau_plus=0.1)
    positive = torch.stack([far(u[0][i], u[1][i]) for i in range(5)])
    torch.testing.assert_close(debiased, (plain + 0.1 * positive) / 0.9)
    torch.testing.assert_close(cacr(views, tau_plus=0.0), cacr(views))


def test_rbf_without_weights_is_the_uniformity_of_cross_view_negatives():
    views = stack()
    costs = torch.tensor(negative_costs(views), dtype=torch.float64)  # (pairs, n, n - 1)
    expected = (-2 * costs).exp().mean(dim=(1, 2)).log().mean()
    for t_neg in (0.0, 1e-9):
        _, repulsion = parts(views, cost="rbf", t_neg=t_neg)
        assert float(repulsion) == pytest.approx(float(expected), rel=1e-6)


def test_rbf_stops_the_gradient_of_its_weights_but_keeps_the_value():
    views = stack().requires_grad_()
    values = [cacr(views, cost="rbf", detach_weights=detach) for detach in (False, True)]
    torch.testing.assert_close(values[0], values[1])
    grads = [torch.autograd.grad(value, views)[0] for value in values]
    assert not torch.allclose(*grads, rtol=1e-2)


def test_entropies_are_within_their_bounds_and_fall_with_the_temperature():
    views = stack(4, n=6)
    found = [cacr_terms(views, t_pos=t, t_neg=t) for t in (0.0, 0.5, 2.0, 20.0)]
    for terms in found:
        assert 0 <= float(terms.attraction_entropy) <= math.log(3) + 1e-12
        assert 0 <= float(terms.repulsion_entropy) <= math.log(5) + 1e-12
    for kind in ("attraction_entropy", "repulsion_entropy"):
        values = [float(getattr(terms, kind)) for terms in found]
        assert values == sorted(values, reverse=True)
    assert float(found[0].attraction_entropy) == pytest.approx(math.log(3))
    assert float(found[0].repulsion_entropy) == pytest.approx(math.log(5))
    attraction, repulsion = parts(views, t_pos=2.0, t_neg=2.0)
    torch.testing.assert_close(torch.stack(found[2][:2]), torch.stack([attraction, repulsion]))
    assert not found[2].attraction.requires_grad


def test_weights_sum_to_one():
    """A constant cost comes back, whatever the weights."""
    constant = torch.full((3, 4), 1.7, dtype=torch.float64)
    torch.testing.assert_close(weighted_cost(constant, 5.0), constant[:, 0])
    query = torch.ones(2, 1, dtype=torch.float64)
    mean, _ = similarity_expectation(query, torch.full((6, 1), 0.3, dtype=torch.float64), temperature=0.2)
    assert mean.tolist() == pytest.approx([0.3, 0.3])


def test_large_batches_keep_nothing_of_the_size_of_the_matrix():
    views = torch.randn(2, 3000, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: (kept.append(x.numel()), x)[1], lambda x: x):
        value = cacr(views)
    value.backward()
    assert max(kept) <= 2 * 3000 * 4
    assert views.grad.isfinite().all()


@pytest.mark.usefixtures("unchecked")
def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match=r"t_pos must be finite and >= 0, got -1"):
        CACRLoss(t_pos=-1.0)
    with pytest.raises(ValueError, match=r"t_neg must be finite and >= 0, got inf"):
        cacr(stack(), t_neg=math.inf)
    with pytest.raises(ValueError, match=r"rbf_t must be finite and > 0, got 0"):
        CACRLoss(rbf_t=0.0)
    with pytest.raises(ValueError, match="cost must be one of 'euclidean', 'rbf', got 'cosine'"):
        CACRLoss(cost="cosine")
    with pytest.raises(ValueError, match="cost='rbf' takes only reduction='mean', got 'none'"):
        CACRLoss(cost="rbf", reduction="none")
    with pytest.raises(ValueError, match=r"tau_plus must be in \[0, 1\), got 1"):
        CACRLoss(tau_plus=1.0)
    with pytest.raises(ValueError, match="tau_plus is for cost='euclidean'"):
        CACRLoss(cost="rbf", tau_plus=0.1)
