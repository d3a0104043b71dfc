"""The head without weights: kappa, ratio, gradient, stages, the underflow of the released setting, errors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.heads import ProjectionHead, ReweightingHead
from core.losses import nt_xent


def rows(n=5, d=6, seed=0, dtype=torch.float64):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@given(dim=st.integers(2, 40), kappa=st.floats(1.0001, 3.0))
@settings(max_examples=30, deadline=None)
def test_feature_i_is_divided_by_kappa_to_the_i(dim, kappa):
    head, x = ReweightingHead(dim, kappa=kappa), rows(3, dim)
    expected = x / kappa ** torch.arange(dim).double()
    torch.testing.assert_close(head(x), expected)
    torch.testing.assert_close(head.weights, kappa ** -torch.arange(dim).double())
    assert head.ratio == pytest.approx(kappa ** (dim - 1))


def test_ratio_of_first_and_last_weight():
    head = ReweightingHead(2048, ratio=1e3)
    weights = head.weights
    assert float(weights[0] / weights[-1]) == pytest.approx(1e3)
    assert head.kappa == pytest.approx(1e3 ** (1 / 2047))
    assert ReweightingHead(2048).ratio == pytest.approx(1e3)
    single = ReweightingHead(2048)(torch.ones(1, 2048))
    assert float(single[0, 0] / single[0, -1]) == pytest.approx(1e3, rel=1e-5)
    assert ReweightingHead(1).weights.tolist() == [1.0]


def test_nothing_is_learned_or_saved():
    head = ReweightingHead(6)
    assert not list(head.parameters())
    assert head.state_dict() == {}
    assert repr(ReweightingHead(4, ratio=8.0)) == "ReweightingHead(dim=4, kappa=2, ratio=8)"


def test_it_is_linear_and_near_kappa_one_the_identity():
    head, a, b = ReweightingHead(6, kappa=1.5), rows(), rows(seed=1)
    torch.testing.assert_close(head(2 * a - b), 2 * head(a) - head(b))
    torch.testing.assert_close(ReweightingHead(6, kappa=1 + 1e-12)(a), a)


def test_gradient_of_feature_i_is_scaled_too():
    x = rows().requires_grad_()
    ReweightingHead(6, kappa=2.0)(x).sum().backward()
    torch.testing.assert_close(x.grad, (2.0 ** -torch.arange(6).double()).expand(5, -1))
    assert torch.autograd.gradcheck(ReweightingHead(6), rows().requires_grad_())


def test_before_a_cosine_only_ratios_matter():
    a, b, head = rows(), rows(seed=1), ReweightingHead(6, kappa=1.5)
    value = nt_xent(head(a), head(b))
    torch.testing.assert_close(nt_xent(1000 * head(a), 1000 * head(b)), value)
    assert not torch.allclose(nt_xent(a, b), value)


def test_the_released_setting_spans_more_than_float32_holds():
    """1.05^-2047 is 4e-44: the weight is exact, what float32 makes of it is finite, and the ratio says so."""
    head = ReweightingHead(2048, kappa=1.05)
    assert float(head.weights[-1]) == pytest.approx(1.05**-2047, rel=1e-9)
    assert head.ratio == pytest.approx(1.05**2047, rel=1e-9)
    x = torch.ones(2, 2048, requires_grad=True)
    head(x).sum().backward()
    assert x.grad.isfinite().all()
    assert x.grad[0, -1] < 1e-38  # next to no gradient
    safe = torch.ones(2, 2048, requires_grad=True)
    ReweightingHead(2048)(safe).sum().backward()
    assert safe.grad.min() > 9e-4
    assert ReweightingHead(4, kappa=1e200).ratio == math.inf


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_float32(dtype):
    head = ReweightingHead(512, ratio=1e9).to(dtype)  # 1e-9 is zero in float16
    found = head(torch.ones(1, 512, dtype=dtype))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found[0].double(), head.weights, rtol=1e-5, atol=0)


def test_stages_are_those_of_a_projection_head_without_hidden_layers():
    head, x = ReweightingHead(6), rows()
    assert head.stages == ProjectionHead(6, layers=0).stages == ("backbone", "projection")
    assert head.encode(x, "backbone") is x
    assert torch.equal(head.encode(x), head(x))
    with pytest.raises(ValueError, match="stage must be one of 'backbone', 'projection', got 'hidden:1'"):
        head.encode(x, "hidden:1")


def test_further_axes_pass():
    x = rows(6, 6).reshape(2, 3, 6)
    torch.testing.assert_close(ReweightingHead(6)(x).reshape(6, 6), ReweightingHead(6)(x.reshape(6, 6)))


@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named():
    with pytest.raises(ValueError, match="give kappa or ratio, not both"):
        ReweightingHead(6, kappa=1.1, ratio=10.0)
    for value in (1.0, 0.5, -2.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="kappa must be finite and > 1"):
            ReweightingHead(6, kappa=value)
        with pytest.raises(ValueError, match="ratio must be finite and > 1"):
            ReweightingHead(6, ratio=value)
    with pytest.raises(ValueError, match="dim must be at least 1"):
        ReweightingHead(0)
    with pytest.raises(ValueError, match=r"x must have dim=6 features, got shape \(5, 1\)"):
        ReweightingHead(6)(rows(5, 1))
    with pytest.raises(TypeError, match="x must be a floating tensor"):
        ReweightingHead(6)(rows().long())
