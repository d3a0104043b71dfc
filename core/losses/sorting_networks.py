"""Differentiable sorting networks: each comparator swaps in part, so that ranks have gradients."""

import functools
import math
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from core.checks import check_at_least, check_choice, check_embeddings, check_positive
from core.losses.normalisation import full_precision

__all__ = ["Distribution", "Network", "network_layers", "relaxed_sort", "top_group_probability"]

Network = Literal["odd_even", "bitonic"]
Distribution = Literal["cauchy", "logistic"]
Layer = tuple[tuple[int, ...], tuple[float, ...]]


@functools.cache
def network_layers(network: Network, size: int) -> tuple[Layer, ...]:
    """The comparators of a network, layer by layer.

    Args:
        network: "odd_even" (n layers of neighbours) or "bitonic" (about log2(n)^2 / 2 layers of distant wires).
        size: number of wires, n >= 1. The bitonic network of the next power of two loses its first wires and their
            comparators, as in diffsort; it still sorts.

    Returns:
        For each layer the partner of each wire (itself where it has none) and its side: +1 for the wire that takes the
        smaller value, -1 for the other, 0 for none.

    Raises:
        ValueError: an unknown network, or no wire.

    >>> network_layers("odd_even", 3)
    (((1, 0, 2), (1.0, -1.0, 0.0)), ((0, 2, 1), (0.0, 1.0, -1.0)), ((1, 0, 2), (1.0, -1.0, 0.0)))
    """
    check_choice("network", network, get_args(Network))
    check_at_least("the number of values", size, 1)
    comparators = _odd_even(size) if network == "odd_even" else _bitonic(size)
    layers = []
    for pairs in comparators:
        partner, side = list(range(size)), [0.0] * size
        for low, high in pairs:
            partner[low], partner[high] = high, low
            side[low], side[high] = 1.0, -1.0
        layers.append((tuple(partner), tuple(side)))
    return tuple(layers)


def _odd_even(size: int) -> list[list[tuple[int, int]]]:
    return [[(i, i + 1) for i in range(layer % 2, size - 1, 2)] for layer in range(size)]


def _bitonic(size: int) -> list[list[tuple[int, int]]]:
    blocks = (size - 1).bit_length()
    absent = 2**blocks - size
    layers = []
    for block in range(blocks):
        for step in range(block, -1, -1):
            pairs = []
            for low in range(absent, 2**blocks):
                high = low ^ (1 << step)
                if high < low or low < absent:
                    continue
                pair = (low - absent, high - absent)
                pairs.append(pair[::-1] if (low >> (block + 1)) % 2 else pair)  # every other block descends
            layers.append(pairs)
    return layers


def relaxed_sort(
    x: Float[Tensor, "b n"],
    *,
    network: Network = "odd_even",
    distribution: Distribution = "cauchy",
    steepness: float = 1.0,
) -> tuple[Float[Tensor, "b n"], Float[Tensor, "b n n"]]:
    """Sort each row in ascending order by a relaxed network, and say how likely each input is at each rank.

    Petersen et al. 2021 and 2022, arXiv 2105.04019 and 2203.09630. A comparator of values a, b mixes them::

        alpha = F(steepness (b - a));  min = alpha a + (1 - alpha) b;  max = (1 - alpha) a + alpha b

    F is the Cauchy distribution function 1/2 + atan(v)/pi, or the logistic one. The permutation follows diffsort's
    code, the transpose of the papers' convention: row i, column r is the probability that input i ends at rank r.

    Args:
        x: rows of n >= 1 values; computed in float32 or better.
        network: "odd_even" or "bitonic".
        distribution: "cauchy" or "logistic".
        steepness: > 0; hard sorting as it grows.

    Returns:
        The relaxed values ``(b, n)``, and doubly stochastic matrices ``(b, n, n)`` with ``sorted = x @ permutation``.

    Raises:
        TypeError: integer values.
        ValueError: shapes or settings.

    >>> values, permutation = relaxed_sort(torch.tensor([[1.0, 0.0]]), steepness=1.0)
    >>> values[0].tolist(), permutation[0, 0].tolist()  # F(-1) = 1/4, and the second layer has no comparator
    ([0.25, 0.75], [0.25, 0.75])
    """
    values, stays = _run(x, network, distribution, steepness)
    permutation = torch.eye(x.shape[1], dtype=values.dtype, device=x.device).expand(len(x), -1, -1)
    for partner, stay, swap in stays:
        permutation = stay[:, None, :] * permutation + swap[:, None, :] * permutation[:, :, partner]
    return values, permutation


def top_group_probability(
    x: Float[Tensor, "b n"],
    top: int,
    *,
    network: Network = "odd_even",
    distribution: Distribution = "cauchy",
    steepness: float = 1.0,
) -> tuple[Float[Tensor, "b n"], Float[Tensor, "b n"]]:
    """Probability of each input to end among the ``top`` highest ranks, and to end below them.

    The sums of columns of `relaxed_sort`'s permutation, which need only vectors: layers are symmetric matrices, so the
    indicator of the group runs through them from the last to the first. Both probabilities are sums of products of
    positive numbers and keep their digits where they are tiny.

    Args:
        x: as in `relaxed_sort`, like the settings.
        top: size of the upper group, 0 to n.
        network: "odd_even" or "bitonic".
        distribution: "cauchy" or "logistic".
        steepness: > 0.

    Raises:
        TypeError: integer values.
        ValueError: shapes or settings.

    >>> above, below = top_group_probability(torch.tensor([[1.0, 0.0]]), 1)
    >>> above.tolist(), below.tolist()
    ([[0.75, 0.25]], [[0.25, 0.75]])
    """
    if not 0 <= top <= x.shape[-1]:
        raise ValueError(f"top must be from 0 to the {x.shape[-1]} values of a row, got {top}")
    values, stays = _run(x, network, distribution, steepness)
    above = torch.zeros_like(values)
    above[:, x.shape[1] - top :] = 1
    below = 1 - above
    for partner, stay, swap in reversed(stays):
        above = stay * above + swap * above[:, partner]
        below = stay * below + swap * below[:, partner]
    return above, below


def _run(
    x: Tensor, network: Network, distribution: Distribution, steepness: float
) -> tuple[Tensor, list[tuple[Tensor, Tensor, Tensor]]]:
    """The relaxed values, and for each layer the partners and the shares that stay and swap."""
    check_embeddings("x", x)
    check_choice("distribution", distribution, get_args(Distribution))
    check_positive("steepness", steepness, usual="1 to 10")
    values = full_precision(x)
    stays = []
    for wires, sides in network_layers(network, x.shape[1]):
        partner = torch.tensor(wires, device=x.device)
        step = steepness * torch.tensor(sides, dtype=values.dtype, device=x.device) * (values[:, partner] - values)
        stay, swap = _share(step, distribution), _share(-step, distribution)
        values = stay * values + swap * values[:, partner]
        stays.append((partner, stay, swap))
    return values, stays


def _share(v: Tensor, distribution: Distribution) -> Tensor:
    """The distribution function; the Cauchy one as an angle, which keeps the digits of its lower tail."""
    if distribution == "logistic":
        return torch.sigmoid(v)
    return torch.atan2(torch.ones_like(v), -v) / math.pi
