"""The hallucinator: the extrapolation in closed form, the network, the draw."""

import math
from itertools import pairwise

import pytest
import torch

from core.samplers import Hallucinator, hallucinator_statistics


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def unit(x):
    return torch.nn.functional.normalize(x, dim=1)


def pair_at(c):
    """Two unit rows with cosine c."""
    x = torch.tensor([[c, math.sqrt(1 - c * c)]], dtype=torch.float64)
    return x, torch.tensor([[1.0, 0.0]], dtype=torch.float64)


def cosine_after(c, r):
    x, k = pair_at(c)
    return float(torch.cosine_similarity(Hallucinator.extrapolate(x, k, r), k))


def test_extrapolation_in_closed_form():
    assert cosine_after(0.8, 0.1) == pytest.approx(0.763386, abs=1e-6)
    assert cosine_after(0.8, 0.5) == pytest.approx(0.613941, abs=1e-6)
    for c in (-0.9, -0.2, 0.0, 0.5, 0.99):
        found = [cosine_after(c, r) for r in (0.0, 0.05, 0.1, 0.5, 2.0)]
        closed = [
            ((1 + r) * c - r) / math.sqrt((1 + r) ** 2 + r * r - 2 * r * (1 + r) * c)
            for r in (0.0, 0.05, 0.1, 0.5, 2.0)
        ]
        assert found == pytest.approx(closed, abs=1e-12)
        assert all(a > b for a, b in pairwise(found))  # strictly falling in r
    assert cosine_after(0.5, 1.1) < 0 < cosine_after(0.5, 0.9)  # past the right angle above c / (1 - c) = 1


def test_extrapolation_of_nothing_and_of_equal_rows_and_of_rotated_ones():
    x, k = draw(5, 4), draw(5, 4, seed=1)
    assert torch.equal(Hallucinator.extrapolate(x, k, 0.0), x)
    for r in (0.1, 3.0):
        torch.testing.assert_close(Hallucinator.extrapolate(x, x, r), x)
    rotation = torch.linalg.qr(draw(4, 4, seed=2)).Q
    turned = Hallucinator.extrapolate(x @ rotation, k @ rotation, 0.3)
    torch.testing.assert_close(turned, Hallucinator.extrapolate(x, k, 0.3) @ rotation)


def test_a_ratio_for_each_row():
    x, k = draw(3, 4), draw(3, 4, seed=1)
    ratios = torch.tensor([0.0, 0.1, 0.7])
    found = Hallucinator.extrapolate(x, k, ratios)
    for i, r in enumerate(ratios.double()):
        torch.testing.assert_close(found[i], Hallucinator.extrapolate(x, k, r)[i])


@pytest.mark.parametrize("dim", [4, 128])
def test_parameters_and_layers(dim):
    assert sum(p.numel() for p in Hallucinator(dim).parameters()) == 10 * dim**2 + 5 * dim
    layers = [type(layer).__name__ for layer in Hallucinator(dim).smoothing]
    assert layers == ["Linear", "ReLU", "Linear", "ReLU", "Linear"]
    assert [tuple(p.shape) for p in Hallucinator(3, 5, num_layers=2).parameters()] == [(5, 6), (5,), (3, 5), (3,)]
    assert [tuple(p.shape) for p in Hallucinator(3, num_layers=1).parameters()] == [(3, 6), (3,)]


def test_output_is_the_network_of_both_halves():
    hallucinator = Hallucinator(4).double()
    x, k = draw(5, 4), draw(5, 4, seed=1)
    expected = hallucinator.smoothing(torch.cat([x, 1.2 * x - 0.2 * k], dim=1))
    torch.testing.assert_close(hallucinator(x, k, 0.2), expected)
    torch.testing.assert_close(hallucinator(x, k, torch.tensor(0.2).double()), expected)


def test_one_ratio_a_call_or_one_a_row():
    def draws(**settings):
        hallucinator = Hallucinator(2, generator=torch.Generator().manual_seed(0), **settings)
        return [hallucinator.draw(4) for _ in range(2000)]

    shared = draws()
    assert all(isinstance(r, float) for r in shared)
    assert max(shared) <= 0.1
    assert sum(shared) / 2000 == pytest.approx(0.05, abs=0.003)
    assert len(set(shared)) > 1900
    assert shared == draws()
    rows = torch.stack(draws(per_sample=True, max_ratio=0.5))
    assert rows.shape == (2000, 4)
    assert float(rows.max()) <= 0.5
    assert float(rows.mean()) == pytest.approx(0.25, abs=0.01)


def test_gradient_reaches_everything_unless_detached():
    hallucinator = Hallucinator(4).double()
    x, k = draw(5, 4).requires_grad_(), draw(5, 4, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: hallucinator(a, b, 0.3), (x, k), fast_mode=True)
    hallucinator(x, k.detach(), 0.3).sum().backward()
    assert k.grad is None
    assert all(p.grad.any() for p in hallucinator.parameters())


def test_statistics():
    x, k = unit(draw(50, 8)), unit(draw(50, 8, seed=1))
    found = hallucinator_statistics(x, k, 3 * x)
    assert float(found.copied) == pytest.approx(1.0)
    assert float(found.real) == pytest.approx(float(found.hallucinated)) == pytest.approx(float((x * k).sum(1).mean()))
    assert float(found.spread) == pytest.approx(1 / math.sqrt(8), rel=0.05)
    moved = hallucinator_statistics(x, k, Hallucinator.extrapolate(x, k, 0.5))
    assert float(moved.hallucinated) < float(moved.real)
    assert float(hallucinator_statistics(x, k, torch.ones(50, 8).double()).spread) == 0.0


@pytest.mark.usefixtures("unchecked")
def test_bad_arguments_are_named():
    for name in ("dim", "hidden_dim", "num_layers"):
        with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
            Hallucinator(**({"dim": 4} | {name: 0}))
    with pytest.raises(ValueError, match=r"max_ratio must be finite and >= 0, got -0\.1"):
        Hallucinator(4, max_ratio=-0.1)
    x = torch.zeros(3, 4)
    with pytest.raises(ValueError, match="move and keep must have the same shape"):
        Hallucinator(4)(x, torch.zeros(2, 4))
    with pytest.raises(ValueError, match=r"ratio must be one number or \(3,\), got shape \(2,\)"):
        Hallucinator(4)(x, x, torch.zeros(2))
    with pytest.raises(ValueError, match="move and hallucinated must have the same shape"):
        hallucinator_statistics(x, x, torch.zeros(3, 5))
    assert "max_ratio=0.1, per_sample=False" in repr(Hallucinator(4))


def test_state_round_trip():
    one, other = Hallucinator(4), Hallucinator(4)
    other.load_state_dict(one.state_dict())
    x, k = draw(3, 4).float(), draw(3, 4, seed=1).float()
    assert torch.equal(one(x, k, 0.1), other(x, k, 0.1))
