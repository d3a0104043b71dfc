"""The order of rows: one permutation for all numberings of a graph."""

import numpy as np
import pytest

from domains.tables.sets.order import canonical_order
from tests.domains.tables.sets.toy import graph_of, planted, renamed


@pytest.mark.parametrize("seed", range(5))
def test_the_same_rows_come_in_the_same_order(seed: int) -> None:
    graph, _ = planted(seed, false=200)
    colour = np.zeros(graph.count, dtype=np.int64)
    order = canonical_order(graph, colour)
    assert sorted(order.tolist()) == list(range(graph.count))
    place = np.random.default_rng(seed).permutation(graph.count)
    again = canonical_order(renamed(graph, place), colour)
    degree = np.diff(graph.adjacency().indptr)
    told_apart = degree[order] > 1
    assert np.array_equal(again[told_apart], place[order][told_apart])
    assert told_apart.sum() > 10


def test_rows_that_only_far_away_rows_tell_apart() -> None:
    # A path of nine equal links, marked at one end: no row is the mirror image of another.
    path = [(i, i + 1, 0.9) for i in range(9)]
    graph = graph_of(11, [*path, (9, 10, 0.8)])
    order = canonical_order(graph, np.zeros(11, dtype=np.int64))
    place = np.arange(11)[::-1].copy()
    assert np.array_equal(canonical_order(renamed(graph, place), np.zeros(11, dtype=np.int64)), place[order])


def test_colours_tell_rows_apart() -> None:
    graph = graph_of(3, [(0, 1, 0.5), (1, 2, 0.5)])
    first = canonical_order(graph, np.array([7, 0, 8])).tolist()
    second = canonical_order(graph, np.array([8, 0, 7])).tolist()
    assert first == [{0: 2, 1: 1, 2: 0}[row] for row in second]
