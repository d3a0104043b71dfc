"""Relaxed sorting: against a loop over comparators, against diffsort's numbers, and hard in the limit."""

import itertools

import pytest
import torch

from core.losses.sorting_networks import network_layers, relaxed_sort, top_group_probability
from tests.core.losses import view_oracles

VALUES = torch.tensor([[0.3, -0.2, 0.9, 0.1, -0.7]], dtype=torch.float64)

# diffsort 0.2.0, steepness 3, on the first five or four of VALUES
DIFFSORT = {
    ("odd_even", "cauchy", 5): (
        [-0.31123452, -0.11190063, 0.0855572, 0.13915327, 0.59842469],
        [0.13179, 0.209563, 0.299806, 0.300199, 0.058641],
    ),
    ("odd_even", "cauchy", 4): (
        [-0.02535372, 0.18356141, 0.23906666, 0.70272565],
        [0.243331, 0.345199, 0.344756, 0.066715],
    ),
    ("odd_even", "logistic", 5): (
        [-0.46179296, -0.11241897, 0.0927475, 0.14071688, 0.74074754],
        [0.090311, 0.210167, 0.318315, 0.335616, 0.045591],
    ),
    ("bitonic", "cauchy", 5): (
        [-0.30551531, 0.00894429, 0.05479541, 0.23263115, 0.40914446],
        [0.140652, 0.114262, 0.205655, 0.407597, 0.131834],
    ),
    ("bitonic", "cauchy", 4): (
        [0.06235051, 0.13634411, 0.29685835, 0.60444704],
        [0.242122, 0.325889, 0.337333, 0.094656],
    ),
    ("bitonic", "logistic", 5): (
        [-0.46288234, -0.05458411, 0.01986826, 0.24951378, 0.6480844],
        [0.077254, 0.106971, 0.211372, 0.512485, 0.091918],
    ),
}


def draw(b, n, seed=0):
    return torch.randn(b, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def comparators(network, size):
    return [
        [(low, partner[low]) for low in range(size) if side[low] > 0] for partner, side in network_layers(network, size)
    ]


@pytest.mark.parametrize("case", DIFFSORT, ids=str)
def test_the_numbers_of_diffsort(case):
    network, distribution, size = case
    values, permutation = relaxed_sort(VALUES[:, :size], network=network, distribution=distribution, steepness=3.0)
    expected, first_row = DIFFSORT[case]
    torch.testing.assert_close(values[0], torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-7)
    torch.testing.assert_close(permutation[0, 0], torch.tensor(first_row, dtype=torch.float64), rtol=0, atol=1e-6)


@pytest.mark.parametrize("network", ["odd_even", "bitonic"])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 8, 11, 13])
def test_a_network_sorts_every_row_of_zeros_and_ones_and_so_everything(network, size):
    """The zero-one principle (Knuth, vol. 3, 5.3.4, theorem Z); 2^13 rows at once."""
    x = torch.tensor(list(itertools.product([0.0, 1.0], repeat=size)))
    for layer in comparators(network, size):
        for low, high in layer:
            a, b = x[:, low].clone(), x[:, high].clone()
            x[:, low], x[:, high] = torch.minimum(a, b), torch.maximum(a, b)
    assert (x[:, 1:] >= x[:, :-1]).all()


def test_the_odd_even_network_is_that_of_neighbours():
    for size in range(1, 17):
        assert comparators("odd_even", size) == view_oracles.comparators(size)


@pytest.mark.parametrize("size", [2, 4, 8, 16])
def test_a_bitonic_network_has_half_log_squared_layers_of_all_wires(size):
    layers = comparators("bitonic", size)
    depth = size.bit_length() - 1
    assert len(layers) == depth * (depth + 1) // 2
    assert all(len(layer) == size // 2 for layer in layers)


@pytest.mark.parametrize("distribution", ["cauchy", "logistic"])
@pytest.mark.parametrize("network", ["odd_even", "bitonic"])
@pytest.mark.parametrize("size", range(2, 17))
def test_doubly_stochastic_and_equal_to_a_loop_over_comparators(network, distribution, size):
    x = draw(3, size)
    values, permutation = relaxed_sort(x, network=network, distribution=distribution, steepness=2.0)
    share = view_oracles.cauchy if distribution == "cauchy" else torch.sigmoid
    for row in range(3):
        expected, matrix = view_oracles.relaxed_sort(x[row], comparators(network, size), 2.0, share)
        torch.testing.assert_close(values[row], expected)
        torch.testing.assert_close(permutation[row], matrix)
    ones = torch.ones(3, size, dtype=torch.float64)
    torch.testing.assert_close(permutation.sum(dim=1), ones)
    torch.testing.assert_close(permutation.sum(dim=2), ones)
    assert permutation.min() >= 0
    assert permutation.max() <= 1
    torch.testing.assert_close(torch.einsum("bi,bir->br", x, permutation), values)


@pytest.mark.parametrize("network", ["odd_even", "bitonic"])
def test_layers_keep_the_sum_and_every_comparator_its_order(network):
    x = draw(20, 7)[:, :, None]
    for layer in comparators(network, 7):
        before = x.sum(dim=1)
        for low, high in layer:
            pair = torch.cat([x[:, low], x[:, high]], dim=1)
            mixed, _ = relaxed_sort(pair, steepness=4.0)
            assert (mixed[:, 0] <= mixed[:, 1] + 1e-15).all()
            x[:, low, 0], x[:, high, 0] = mixed[:, 0], mixed[:, 1]
        torch.testing.assert_close(x.sum(dim=1), before)


@pytest.mark.parametrize("network", ["odd_even", "bitonic"])
def test_hard_sorting_in_the_limit(network):
    x = torch.linspace(-1, 1, 8)[None]
    _, permutation = relaxed_sort(x, network=network, steepness=1e6)
    assert float((permutation[0] - torch.eye(8)).abs().max()) < 8e-4
    mixed = x[:, torch.tensor([3, 0, 7, 2, 6, 1, 5, 4])]
    values, _ = relaxed_sort(mixed, network=network, steepness=1e6)
    torch.testing.assert_close(values, x, rtol=0, atol=1e-3)


@pytest.mark.parametrize("distribution", ["cauchy", "logistic"])
@pytest.mark.parametrize("network", ["odd_even", "bitonic"])
def test_group_probabilities_are_sums_of_columns(network, distribution):
    x = draw(4, 9)
    options = {"network": network, "distribution": distribution, "steepness": 3.0}
    _, permutation = relaxed_sort(x, **options)
    for top in (0, 1, 4, 9):
        above, below = top_group_probability(x, top, **options)
        torch.testing.assert_close(above, permutation[:, :, 9 - top :].sum(dim=2))
        torch.testing.assert_close(above + below, torch.ones(4, 9, dtype=torch.float64))


def test_tiny_probabilities_keep_their_digits():
    """1/2 + atan(v)/pi in float32 is 0 or a multiple of 3e-8 here."""
    _, below = top_group_probability(torch.tensor([[0.0, 1.0]]), 1, steepness=1e9)
    assert float(below[0, 1]) == pytest.approx(1 / (torch.pi * 1e9), rel=1e-5)


def test_gradients_and_precision():
    x = draw(2, 6).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: relaxed_sort(v, network="bitonic", steepness=2.0), (x,))
    assert torch.autograd.gradcheck(lambda v: top_group_probability(v, 2, steepness=2.0), (x,))
    values, permutation = relaxed_sort(x.detach().bfloat16())
    assert values.dtype == permutation.dtype == torch.float32


@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named():
    x = draw(2, 3)
    with pytest.raises(ValueError, match="network must be one of 'odd_even', 'bitonic', got 'quick'"):
        relaxed_sort(x, network="quick")
    with pytest.raises(ValueError, match="distribution must be one of 'cauchy', 'logistic', got 'gaussian'"):
        relaxed_sort(x, distribution="gaussian")
    with pytest.raises(ValueError, match="steepness must be finite and > 0, got 0"):
        relaxed_sort(x, steepness=0.0)
    with pytest.raises(ValueError, match="top must be from 0 to the 3 values of a row, got 4"):
        top_group_probability(x, 4)
    with pytest.raises(TypeError, match="x must be a floating tensor"):
        relaxed_sort(torch.ones(2, 3, dtype=torch.long))
    with pytest.raises(ValueError, match="the number of values must be at least 1"):
        network_layers("odd_even", 0)
