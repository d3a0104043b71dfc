"""Feature weights of linear maps and the exact solution of the spectral loss, against gradient descent."""

import pytest
import torch

from core.evaluation import feature_weights, linear_spectral_solution
from core.losses import SpectralContrastiveLoss

STRENGTHS = torch.tensor([1.0, 0.8, 0.5, 0.2], dtype=torch.float64)


def population(strengths):
    """Two views, whitened to rounding, whose correlation is diag(strengths): a batch that is the whole population."""
    d = len(strengths)
    columns = torch.linalg.qr(torch.randn(4 * d, 2 * d, generator=torch.Generator().manual_seed(0)).double())[0]
    first, noise = (4 * d) ** 0.5 * columns[:, :d], (4 * d) ** 0.5 * columns[:, d:]
    return first, first * strengths + noise * (1 - strengths.square()).sqrt()


def trained(strengths, scale, steps):
    """Gradient descent on f(x) = W2 W1 x from a normal start of the given scale; the weakest feature comes last."""
    first, second = population(strengths)
    draw = torch.Generator().manual_seed(0)
    d = len(strengths)
    layers = [(scale * torch.randn(d, d, generator=draw).double()).requires_grad_() for _ in range(2)]
    loss = SpectralContrastiveLoss(include_own=True)
    for _ in range(steps):
        product = layers[1] @ layers[0]
        value = loss(first @ product.T, second @ product.T)
        gradients = torch.autograd.grad(value, layers)
        with torch.no_grad():
            for layer, gradient in zip(layers, gradients, strict=True):
                layer -= 0.1 * gradient
    return layers[0].detach(), layers[1].detach(), float(value.detach())


@pytest.fixture(scope="module")
def balanced():
    return trained(STRENGTHS, 0.05, 3000)


def test_the_population_is_whitened_and_has_its_correlation():
    first, second = population(STRENGTHS)
    n = len(first)
    torch.testing.assert_close(first.T @ first / n, torch.eye(4).double())
    torch.testing.assert_close(second.T @ second / n, torch.eye(4).double())
    torch.testing.assert_close(first.T @ second / n, STRENGTHS.diag())


def test_the_loss_has_its_known_minimum(balanced):
    """L* = -(1 + 0.64 + 0.25 + 0.04) = -1.93."""
    solution = linear_spectral_solution(STRENGTHS.diag())
    assert solution.loss == pytest.approx(-1.93)
    assert balanced[2] == pytest.approx(-1.93, abs=1e-3)


def test_small_starts_stay_balanced_and_reach_the_solution(balanced):
    """Products 1, .8944, .7071, .4472; first layers 1, .9457, .8409, .6687 by theory, met within 2 %."""
    first, second, _ = balanced
    solution = linear_spectral_solution(STRENGTHS.diag())
    assert solution.post_weights.tolist() == pytest.approx([1, 0.8944, 0.7071, 0.4472], abs=5e-5)
    assert solution.pre_weights.tolist() == pytest.approx([1, 0.9457, 0.8409, 0.6687], abs=5e-5)
    pre, post = feature_weights(first), feature_weights(second @ first)
    torch.testing.assert_close(post, solution.post_weights, rtol=1e-3, atol=0)
    torch.testing.assert_close(pre, solution.pre_weights, rtol=0.02, atol=0)
    torch.testing.assert_close(pre.square(), post, rtol=0.02, atol=0)
    torch.testing.assert_close(second.T @ second, first @ first.T, rtol=0, atol=0.02)
    torch.testing.assert_close((second @ first).T @ (second @ first), STRENGTHS.diag(), rtol=0, atol=1e-3)


def test_large_starts_are_not_balanced(balanced):
    """Still at the minimum, but the first layer is elsewhere."""
    first, second, value = trained(STRENGTHS, 0.3, 400)
    assert value == pytest.approx(-1.93, abs=1e-3)
    away = (second.T @ second - first @ first.T).abs().max()
    assert away > 5 * (balanced[1].T @ balanced[1] - balanced[0] @ balanced[0].T).abs().max()


def test_weights_before_the_head_are_more_even(balanced):
    solution = linear_spectral_solution(STRENGTHS.diag())
    pre, post = (w.max() / w.min() for w in solution[:2])
    assert float(pre) == pytest.approx(float(post) ** 0.5)
    first, second, _ = balanced
    pre, post = (w.max() / w.min() for w in (feature_weights(first), feature_weights(second @ first)))
    assert float(pre) == pytest.approx(float(post) ** 0.5, rel=0.02)


def test_weights_of_named_features(balanced):
    """Where inputs are the features, their weights come in their order."""
    first, second, _ = balanced
    eye = torch.eye(4, dtype=torch.float64)
    torch.testing.assert_close(feature_weights(second @ first, features=eye), STRENGTHS.sqrt(), rtol=1e-3, atol=0)
    torch.testing.assert_close(feature_weights(first, features=eye), STRENGTHS.pow(0.25), rtol=0.02, atol=0)
    weight = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    assert feature_weights(weight, features=torch.eye(2)).tolist() == pytest.approx([35**0.5, 56**0.5])
    direction = torch.tensor([[2.0], [-2.0]])
    assert feature_weights(weight, features=direction).tolist() == pytest.approx([(3 / 2) ** 0.5])


def test_rotated_correlations_and_narrow_models():
    rotation = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(2)).double())[0]
    a = rotation @ torch.tensor([0.9, 0.4, 0.0, -0.3]).double().diag() @ rotation.T
    solution = linear_spectral_solution(a)
    torch.testing.assert_close(
        solution.post_weights, torch.tensor([0.9**0.5, 0.4**0.5, 0, 0]).double(), atol=1e-7, rtol=0
    )
    assert solution.loss == pytest.approx(-(0.81 + 0.16))
    narrow = linear_spectral_solution(a, width=1)
    assert narrow.loss == pytest.approx(-0.81)
    assert (narrow.pre_weights > 0).tolist() == [True, False, False, False]


@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named():
    with pytest.raises(ValueError, match=r"correlation must be square, got shape \(2, 3\)"):
        linear_spectral_solution(torch.ones(2, 3))
    with pytest.raises(ValueError, match="correlation must be symmetric"):
        linear_spectral_solution(torch.tensor([[1.0, 0.5], [0.0, 1.0]]))
    with pytest.raises(ValueError, match="width must be at least 1"):
        linear_spectral_solution(torch.eye(2), width=0)
    with pytest.raises(TypeError, match="weight must be a floating tensor"):
        feature_weights(torch.eye(2).long())
    with pytest.raises(ValueError, match=r"features must have 2 rows, the width of weight's input, got \(3, 1\)"):
        feature_weights(torch.eye(2), features=torch.ones(3, 1))
    with pytest.raises(ValueError, match="a column of zeros"):
        feature_weights(torch.eye(2), features=torch.zeros(2, 1))
