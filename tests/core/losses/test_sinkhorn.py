"""Sinkhorn-Knopp: the sheet of values, the plain form, its limits, what it leaves alone, and what it refuses."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from core.losses import sinkhorn_knopp
from tests.core.losses.assignment_oracles import sinkhorn


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cosines(samples=8, prototypes=4, seed=0):
    return draw(samples, prototypes, seed=seed).tanh()


def double(rows):
    return torch.tensor(rows, dtype=torch.float64)


def test_values_by_hand():
    found = sinkhorn_knopp(double([[1, 0], [0, 1]]))
    assert float(found[0, 0]) == pytest.approx(1 - 2.0611536e-9, abs=1e-15)
    assert float(found[1, 0]) == pytest.approx(2.0611536e-9, rel=1e-7)
    torch.testing.assert_close(sinkhorn_knopp(double([[0.1, 0], [0.1, 0]])), torch.full((2, 2), 0.5).double())
    expected = double([[0.729833, 0.270167], [0.498444, 0.501556], [0.267719, 0.732281]])
    found = sinkhorn_knopp(double([[0.2, 0], [0.1, 0], [0, 0]]), epsilon=0.1, iterations=3)
    torch.testing.assert_close(found, expected, rtol=0, atol=5e-7)


@given(
    samples=st.integers(1, 7),
    prototypes=st.integers(1, 7),
    epsilon=st.sampled_from([0.03, 0.05, 0.5, 5.0]),
    iterations=st.integers(1, 4),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_logarithms_equal_the_plain_form(samples, prototypes, epsilon, iterations, seed):
    scores = cosines(samples, prototypes, seed)
    found = sinkhorn_knopp(scores, epsilon=epsilon, iterations=iterations)
    torch.testing.assert_close(found, sinkhorn(scores, epsilon, iterations), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16, torch.float16])
def test_half_precision_and_autocast_are_computed_in_float32(precision):
    scores = cosines(40, 12).to(precision)
    with torch.autocast("cpu", torch.bfloat16):
        found = sinkhorn_knopp(scores, epsilon=0.01)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), sinkhorn(scores.double(), 0.01), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("epsilon", [1e-30, 1e-6, 0.001, 0.011, 0.05, 1.0, 1e6])
def test_rows_sum_to_one_at_any_epsilon_in_float32(epsilon):
    """exp(1 / epsilon) leaves float32 from 0.011 on; the released code gives NaN there."""
    scores = cosines(30, 9).float()
    found = sinkhorn_knopp(scores, epsilon=epsilon)
    assert found.isfinite().all()
    assert (found >= 0).all()
    torch.testing.assert_close(found.sum(dim=1), torch.ones(30), rtol=0, atol=1e-6)


def test_prototypes_are_balanced_in_the_limit_and_nearly_so_after_three_iterations():
    masses = sinkhorn_knopp(cosines(), epsilon=0.5, iterations=100).sum(dim=0)
    torch.testing.assert_close(masses, torch.full((4,), 2.0).double(), rtol=0, atol=1e-12)
    three = sinkhorn_knopp(cosines(), epsilon=0.5).sum(dim=0)
    assert 1e-9 < float((three - 2).abs().max()) < 0.1
    assert float(three.sum()) == pytest.approx(8)


def test_equal_scores_and_large_epsilon_are_uniform():
    torch.testing.assert_close(sinkhorn_knopp(torch.full((5, 3), 0.7)), torch.full((5, 3), 1 / 3))
    torch.testing.assert_close(
        sinkhorn_knopp(cosines(), epsilon=1e7), torch.full((8, 4), 0.25).double(), rtol=1e-6, atol=0
    )


def test_small_epsilon_is_the_best_hard_balanced_assignment():
    scores = cosines(12, 4, seed=3)
    found = sinkhorn_knopp(scores, epsilon=0.004, iterations=5000)
    torch.testing.assert_close(found.sum(dim=0), torch.full((4,), 3.0).double(), rtol=0, atol=1e-3)
    rows, places = linear_sum_assignment(scores.repeat_interleave(3, dim=1), maximize=True)
    assert found.argmax(dim=1).tolist() == (places[rows.argsort()] // 3).tolist()
    assert float(found.amax(dim=1).min()) > 0.98


def test_constants_of_all_scores_or_of_a_prototype_change_nothing_but_those_of_a_sample_do():
    scores = cosines()
    for shift in (torch.tensor(0.3), draw(1, 4, seed=5)):
        torch.testing.assert_close(sinkhorn_knopp(scores + shift), sinkhorn_knopp(scores), rtol=1e-9, atol=1e-12)
    of_samples = 0.2 * draw(8, 1, seed=6)
    assert float((sinkhorn_knopp(scores + of_samples) - sinkhorn_knopp(scores)).abs().max()) > 1e-4
    first, second = (sinkhorn_knopp(x, epsilon=0.5, iterations=500) for x in (scores, scores + of_samples))
    torch.testing.assert_close(first, second, rtol=1e-9, atol=1e-12)


def test_order_of_samples_and_prototypes_does_not_matter():
    scores, samples, prototypes = cosines(), draw(8).argsort(), draw(4).argsort()
    found = sinkhorn_knopp(scores[samples][:, prototypes])
    torch.testing.assert_close(found, sinkhorn_knopp(scores)[samples][:, prototypes])


def test_it_carries_no_gradient_and_leaves_its_input():
    scores = cosines().requires_grad_()
    before = scores.detach().clone()
    assert not sinkhorn_knopp(scores).requires_grad
    assert torch.equal(scores, before)


def test_a_single_sample_and_a_single_prototype():
    torch.testing.assert_close(sinkhorn_knopp(cosines(1, 4)), torch.full((1, 4), 0.25).double())
    torch.testing.assert_close(sinkhorn_knopp(cosines(5, 1)), torch.ones(5, 1).double())


@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named():
    scores = torch.zeros(4, 3)
    for value in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match=r"epsilon must be finite and > 0, got .*usual values are 0\.03 to 0\.05"):
            sinkhorn_knopp(scores, epsilon=value)
    with pytest.raises(ValueError, match="iterations must be at least 1, got 0"):
        sinkhorn_knopp(scores, iterations=0)
    with pytest.raises(ValueError, match=r"scores must have 2 axes.*got shape \(2, 4, 3\)"):
        sinkhorn_knopp(scores.repeat(2, 1, 1))
    with pytest.raises(TypeError, match=r"scores must be a floating tensor, got torch\.int64"):
        sinkhorn_knopp(scores.long())
    with pytest.raises(ValueError, match="the number of samples must be at least 1"):
        sinkhorn_knopp(scores[:0])
    scores[1, 2], scores[3, 0] = math.nan, -math.inf
    with pytest.raises(
        ValueError, match="scores must be finite, 2 of 4 rows are not; scale the features to unit length"
    ):
        sinkhorn_knopp(scores)
    with pytest.raises(ValueError, match=r"leaves the range of torch\.float32 at epsilon=1e-40"):
        sinkhorn_knopp(torch.ones(4, 3), epsilon=1e-40)
