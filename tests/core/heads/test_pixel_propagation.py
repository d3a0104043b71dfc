"""Pixel propagation: the equation, its limits, permutations of pixels, precision, errors."""

import pytest
import torch
from torch import nn

from core.heads import PixelPropagation
from tests.core.losses import dense_oracles


def maps(n=3, c=4, h=2, w=3, seed=0):
    return torch.randn(n, c, h, w, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pixels(x):
    return x.flatten(2).mT


@pytest.mark.parametrize("gamma", [1.0, 2.0, 4.0, 1.5])
def test_it_is_the_equation(gamma):
    head, x = PixelPropagation(4, gamma=gamma).double(), maps()
    kernel, bias = head.transform.weight[:, :, 0, 0], head.transform.bias
    for n in range(len(x)):
        expected = dense_oracles.propagation(x[n], lambda rows: rows @ kernel.T + bias, gamma)
        torch.testing.assert_close(pixels(head(x))[n], expected)


def test_structure_of_the_transform():
    assert not list(PixelPropagation(4, num_layers=0).parameters())
    one = PixelPropagation(4).transform
    assert isinstance(one, nn.Conv2d)
    assert one.bias is not None
    assert one.kernel_size == (1, 1)
    two = PixelPropagation(4, num_layers=2).transform
    assert [type(m) for m in two] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.Conv2d]


def test_small_gamma_averages():
    """All similarities above 0: with gamma near 0 every pixel becomes the sum of all h of length 1."""
    x = maps().abs() + 1
    found = pixels(PixelPropagation(4, gamma=1e-7, num_layers=0)(x))
    total = nn.functional.normalize(pixels(x), dim=2).sum(dim=1, keepdim=True)
    torch.testing.assert_close(found, total.expand_as(found), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("gamma", [0.1, 0.5, 1.0, 2.0, 7.0])
def test_orthogonal_pixels_stay_apart(gamma):
    head = PixelPropagation(6, gamma=gamma).double()
    x = (torch.eye(6) * torch.arange(1.0, 7.0)).reshape(1, 6, 2, 3).double()
    expected = nn.functional.normalize(pixels(head.transform(x)), dim=2)
    torch.testing.assert_close(pixels(head(x)), expected, rtol=2e-6, atol=1e-9)  # 1e-6 is added for gamma < 1


def test_opposite_pixels_do_not_count_and_clamp_lets_them():
    x = torch.tensor([[1.0, -1.0], [0.0, 0.0]]).reshape(1, 2, 1, 2)
    assert torch.equal(PixelPropagation(2, num_layers=0)(x), x)
    found = PixelPropagation(2, num_layers=0, clamp=0.5)(x)
    torch.testing.assert_close(found, 0.75 * x)  # 1 - 0.5^2


@pytest.mark.parametrize("num_layers", [0, 1, 2])
def test_it_commutes_with_permutations_of_pixels(num_layers):
    head, x = PixelPropagation(4, num_layers=num_layers).double(), maps()
    order = torch.randperm(6, generator=torch.Generator().manual_seed(1))

    def permuted(m):
        return m.flatten(2)[:, :, order].reshape(m.shape)

    torch.testing.assert_close(head(permuted(x)), permuted(head(x)))


def test_direction_does_not_depend_on_lengths_without_bias():
    head, x = PixelPropagation(4).double(), maps()
    lengths = 0.1 + maps(c=1, seed=2).abs()
    nn.init.zeros_(head.transform.bias)
    torch.testing.assert_close(head(x * lengths), head(x))
    nn.init.ones_(head.transform.bias)
    assert not torch.allclose(head(x * lengths), head(x))


@pytest.mark.parametrize("gamma", [0.3, 1.0, 2.0])
def test_gradcheck(gamma):
    head = PixelPropagation(4, gamma=gamma).double()
    assert torch.autograd.gradcheck(head, maps(1).requires_grad_())


@pytest.mark.parametrize("gamma", [0.3, 2.0])
@pytest.mark.parametrize("scale", [0.0, 1e-9, 1e15])
def test_finite_for_equal_opposite_zero_and_huge_pixels(gamma, scale):
    x = torch.tensor([1.0, 1.0, -1.0, 0.0]).repeat(4, 1).reshape(1, 4, 2, 2) * scale
    x.requires_grad_()
    head = PixelPropagation(4, gamma=gamma)
    value = head(x)
    value.sum().backward()
    assert value.isfinite().all()
    assert x.grad.isfinite().all()
    assert not value[0, :, 1, 1].any()  # a zero pixel resembles nothing


def test_half_precision():
    """Similarities are those of float32; the result has the type of the input."""
    x = maps().bfloat16()
    found = PixelPropagation(4, num_layers=0).bfloat16()(x)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, PixelPropagation(4, num_layers=0)(x.float()).bfloat16())
    with torch.autocast("cpu", torch.bfloat16):
        assert PixelPropagation(4)(x.float()).dtype == torch.float32


def test_settings_show_and_state_returns():
    head, other = PixelPropagation(4, num_layers=2), PixelPropagation(4, num_layers=2)
    assert "dim=4, gamma=2.0, clamp=0.0" in repr(head)
    head(maps().float())
    other.load_state_dict(head.state_dict())
    assert torch.equal(head.eval()(maps().float()), other.eval()(maps().float()))


@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named():
    for gamma in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="gamma must be finite and > 0"):
            PixelPropagation(4, gamma=gamma)
    for layers in (-1, 3):
        with pytest.raises(ValueError, match=f"num_layers must be 0, 1 or 2, got {layers}"):
            PixelPropagation(4, num_layers=layers)
    with pytest.raises(ValueError, match=r"clamp must be in \[0, 1\), got 1.0"):
        PixelPropagation(4, clamp=1.0)
    with pytest.raises(ValueError, match="dim must be at least 1"):
        PixelPropagation(0)
    with pytest.raises(ValueError, match=r"maps must have dim=4 channels, got shape \(3, 5, 2, 3\)"):
        PixelPropagation(4)(maps(c=5))
    with pytest.raises(ValueError, match="maps must have 4 axes"):
        PixelPropagation(4)(maps()[0])
    with pytest.raises(TypeError, match="maps must be a floating tensor"):
        PixelPropagation(4)(maps().long())
