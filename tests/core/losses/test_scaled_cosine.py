"""GraphMAE's scaled cosine error: closed forms, gradient, limits."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.losses import ScaledCosineErrorLoss, negative_cosine, scaled_cosine_error
from tests.core.losses import oracles


def pair(n=6, d=5, seed=0):
    return torch.randn(2, n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("gamma", "value"), [(1.0, 0.2928932), (2.0, 0.0857864), (3.0, 0.0251263)])
def test_hand_values(gamma, value):
    x, y = torch.tensor([[1.0, 1.0]]), torch.tensor([[1.0, 0.0]])
    assert float(scaled_cosine_error(x, y, gamma=gamma)) == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("gamma", [1.0, 1.5, 3.0])
def test_same_orthogonal_and_opposite_directions(gamma):
    y = torch.tensor([[1.0, 0.0, 0.0]]).repeat(3, 1)
    x = torch.tensor([[5.0, 0.0, 0.0], [0.0, 2.0, 0.0], [-3.0, 0.0, 0.0]])
    found = scaled_cosine_error(x, y, gamma=gamma, reduction="none")
    assert found.tolist() == pytest.approx([0, 1, 2**gamma], abs=1e-6)


@given(gamma=st.floats(1, 4), seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_equation_and_scale_invariance(gamma, seed):
    x, y = pair(seed=seed)
    expected = oracles.scaled_cosine(x, y, gamma)
    loss = ScaledCosineErrorLoss(gamma=gamma, reduction="none")
    torch.testing.assert_close(loss(x, y), expected)
    torch.testing.assert_close(loss(3 * x, 0.01 * y), expected)
    torch.testing.assert_close(ScaledCosineErrorLoss(gamma=gamma)(x, y), expected.mean())
    torch.testing.assert_close(ScaledCosineErrorLoss(gamma=gamma, reduction="sum")(x, y), expected.sum())


def test_gamma_one_is_half_the_squared_distance_of_unit_rows():
    x, y = pair()
    squared = (oracles.unit(x) - oracles.unit(y)).pow(2).sum(1)
    torch.testing.assert_close(scaled_cosine_error(x, y, gamma=1.0, reduction="none"), squared / 2)


def test_gradient_is_orthogonal_to_the_prediction_and_weighted_by_difficulty():
    x, y = pair()
    x.requires_grad_()
    plain = torch.autograd.grad(scaled_cosine_error(x, y, gamma=1.0, reduction="sum"), x)[0]
    scaled = torch.autograd.grad(scaled_cosine_error(x, y, gamma=3.0, reduction="sum"), x)[0]
    torch.testing.assert_close((plain * x).sum(1), torch.zeros(6, dtype=torch.float64), atol=1e-12, rtol=0)
    distance = scaled_cosine_error(x, y, gamma=1.0, reduction="none").detach()[:, None]
    torch.testing.assert_close(scaled, 3 * distance**2 * plain)
    assert torch.autograd.gradcheck(lambda a, b: scaled_cosine_error(a, b, gamma=2.5), (x, y.requires_grad_()))


def test_easy_rows_fade():
    y = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    norms = []
    for angle in (0.5, 0.05, 0.005):
        x = torch.tensor([[math.cos(angle), math.sin(angle)]], dtype=torch.float64, requires_grad=True)
        scaled_cosine_error(x, y, gamma=3.0).backward()
        norms.append(float(x.grad.norm()))
    assert norms[1] < 1e-4 * norms[0]
    assert norms[2] < 1e-4 * norms[1]


@pytest.mark.parametrize("gamma", [1.0, 1.5, 3.0])
def test_rounding_above_cosine_one_is_no_nan(gamma):
    x = torch.randn(200, 33, generator=torch.Generator().manual_seed(0)).requires_grad_()
    value = scaled_cosine_error(x, x.detach() * 1.7, gamma=gamma, reduction="none")
    value.sum().backward()
    assert (value >= 0).all()
    assert value.max().item() < 1e-6
    assert x.grad.isfinite().all()


def test_zero_rows_cost_one_and_only_a_zero_prediction_gets_a_gradient():
    """As in the released code, whose normalisation divides by a floor: see the Notes of the function."""
    x, y = pair()
    x = x.clone()
    x[1], y[2] = 0, 0
    x.requires_grad_()
    value = scaled_cosine_error(x, y, gamma=2.0, eps=1e-6, reduction="none")
    value.sum().backward()
    assert value[[1, 2]].tolist() == [1, 1]
    assert not x.grad[2].any()
    torch.testing.assert_close(x.grad[1], -2 * y[1] / y[1].norm() / 1e-6)
    assert x.grad[[0, 3]].any(dim=1).all()


def test_zero_rows_agree_with_the_plain_normalisation():
    x, y = pair()
    x = x.clone()
    x[0] = 0
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    scaled_cosine_error(a, y).backward()
    unit = torch.nn.functional.normalize
    (1 - (unit(b, dim=-1) * unit(y, dim=-1)).sum(-1)).pow(3).mean().backward()
    torch.testing.assert_close(a.grad, b.grad)


def test_gamma_below_one_only_if_asked():
    x, y = pair()
    with pytest.raises(ValueError, match=r"gamma must be >= 1, got 0\.5; allow_gamma_below_one=True"):
        ScaledCosineErrorLoss(gamma=0.5)
    loss = ScaledCosineErrorLoss(gamma=0.5, allow_gamma_below_one=True, reduction="none")
    torch.testing.assert_close(loss(x, y), oracles.scaled_cosine(x, y, 0.5))
    same = x.clone().requires_grad_()
    loss(same, x).sum().backward()
    assert same.grad.isfinite().all()


def test_bfloat16_autocast_keeps_float32():
    x, y = pair(40, 64)
    x, y = x.bfloat16(), y.bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        value = scaled_cosine_error(x, y, gamma=2.0)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.double(), oracles.scaled_cosine(x, y, 2.0).mean(), rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_named():
    x, y = pair()
    with pytest.raises(ValueError, match="prediction and target must have the same shape"):
        scaled_cosine_error(x, y[:4])
    with pytest.raises(ValueError, match="the mask is empty"):
        scaled_cosine_error(x[:0], y[:0])
    with pytest.raises(ValueError, match="gamma must be finite and > 0"):
        scaled_cosine_error(x, y, gamma=0.0)
    with pytest.raises(TypeError, match="target must be a floating tensor"):
        scaled_cosine_error(x, y.long())
    with pytest.raises(ValueError, match="reduction must be one of"):
        ScaledCosineErrorLoss(reduction="max")


def test_relation_to_the_negative_cosine():
    x, y = pair()
    torch.testing.assert_close(scaled_cosine_error(x, y, gamma=1.0), 1 + negative_cosine(x, y))
