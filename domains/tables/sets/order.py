"""An order of rows that depends on the graph and not on how its rows are numbered."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from domains.tables.sets.graph import PairGraph

__all__ = ["canonical_order"]

_ROUNDS = 16


def canonical_order(graph: PairGraph, colour: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows ordered by what the weighted graph around them looks like (colour refinement of Weisfeiler and Leman 1968).

    Methods settle ties by the order of rows. In this order ties fall the same way however the rows were numbered. Rows
    that refinement cannot tell apart stay in their own order: mirror images as a rule, and rows of regular graphs with
    equal weights.

    Args:
        graph: pairs of rows with weights.
        colour: ``(n,)`` int64, what rows differ in beside their links.

    Returns:
        ``(n,)`` int64, a permutation.
    """
    weight = graph.weight.view(np.uint32).astype(np.uint64)
    node = _mixed(colour.astype(np.uint64))
    distinct = np.unique(node).size
    for _ in range(_ROUNDS):
        # Sums of whole numbers modulo 2^64: the order of the links cannot matter.
        around = np.zeros(graph.count, dtype=np.uint64)
        np.add.at(around, graph.left, _mixed(node[graph.right] + _mixed(weight)))
        np.add.at(around, graph.right, _mixed(node[graph.left] + _mixed(weight)))
        node = _mixed(node + _mixed(around))
        before, distinct = distinct, np.unique(node).size
        if distinct == before:
            break
    return np.lexsort((np.arange(graph.count), node)).astype(np.int64)


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    # Finaliser of splitmix64 (Steele et al. 2014): one to one, and every bit depends on every bit.
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
