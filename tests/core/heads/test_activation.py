"""The symmetric ReLU and the activations by name."""

import pytest
import torch

from core.heads import SymmetricReLU, make_activation


def test_symmetric_relu_is_odd_zero_inside_and_the_identity_without_threshold():
    x = torch.linspace(-3, 3, 25)
    found = SymmetricReLU(0.7)(x)
    torch.testing.assert_close(found, -SymmetricReLU(0.7)(-x))
    assert not found[x.abs() <= 0.7].any()
    torch.testing.assert_close(found[x > 0.7], x[x > 0.7] - 0.7)
    assert torch.equal(SymmetricReLU()(x), x)


def test_symmetric_relu_learns_its_threshold_down_to_zero():
    fixed, learnt = SymmetricReLU(0.5, learnable=False), SymmetricReLU(0.5)
    assert not fixed.threshold.requires_grad
    learnt(torch.tensor([2.0, -2.0, 0.1])).abs().sum().backward()
    assert learnt.threshold.grad.item() == -2
    with torch.no_grad():
        learnt.threshold.fill_(-1.0)
    x = torch.linspace(-3, 3, 7)
    assert torch.equal(learnt(x), x)
    with pytest.raises(ValueError, match=r"threshold must be >= 0, got -0\.5"):
        SymmetricReLU(-0.5)


@pytest.mark.parametrize("name", ["relu", "elu", "gelu", "prelu", "tanh"])
def test_names_give_torch_s_functions(name):
    x = torch.linspace(-2, 2, 9)
    expected = {
        "relu": torch.relu,
        "elu": torch.nn.functional.elu,
        "gelu": torch.nn.functional.gelu,
        "prelu": lambda v: torch.where(v < 0, 0.25 * v, v),
        "tanh": torch.tanh,
    }[name](x)
    torch.testing.assert_close(make_activation(name)(x), expected)
    assert make_activation(name) is not make_activation(name)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=r"activation must be one of 'relu', 'elu'.*got 'swish'"):
        make_activation("swish")


def test_a_learned_threshold_comes_back_from_zero():
    """It was clamped inside the graph: once training had pushed it below 0 it got no gradient any more."""
    module = SymmetricReLU()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    x = torch.linspace(0.5, 2, 8)
    for sign in (1, 1, -1, -1, -1):  # first the output shall be large, then small
        optimizer.zero_grad()
        (-sign * module(x).mean()).backward()
        optimizer.step()
    assert float(module.threshold.detach()) > 0.1
