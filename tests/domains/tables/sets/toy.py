"""Small graphs and partitions that the tests of sets share."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from domains.tables.sets.graph import PairGraph

Edge = tuple[int, int, float]


def clique(rows: list[int], weight: float) -> list[Edge]:
    """All pairs of some rows."""
    return [(a, b, weight) for a, b in combinations(rows, 2)]


def graph_of(count: int, edges: list[Edge]) -> PairGraph:
    """A graph from pairs with weights."""
    a, b, weight = zip(*edges, strict=True) if edges else ((), (), ())
    return PairGraph.of(count, np.array(a, dtype=np.int64), np.array(b, dtype=np.int64), np.array(weight, dtype=float))


def planted(seed: int, *, things: int = 12, largest: int = 6, false: int = 20) -> tuple[PairGraph, NDArray[np.int64]]:
    """Rows of some things, most true pairs with high weights and some false ones with low, and the truth."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(things), rng.integers(1, largest + 1, things))
    n = truth.size
    a, b = np.triu_indices(n, 1)
    kept = (truth[a] == truth[b]) & (rng.random(a.size) < 0.9)
    drawn = rng.integers(0, n, (2, false))
    weight = np.concatenate([rng.uniform(0.55, 1, int(kept.sum())), rng.uniform(0.2, 0.7, false)])
    graph = PairGraph.of(n, np.r_[a[kept], drawn[0]], np.r_[b[kept], drawn[1]], weight)
    return graph, truth


def renamed(graph: PairGraph, place: NDArray[np.int64]) -> PairGraph:
    """The same graph with row i called ``place[i]``."""
    return PairGraph.of(graph.count, place[graph.left], place[graph.right], graph.weight)


def same_partition(first: NDArray[np.int64], second: NDArray[np.int64]) -> bool:
    """Whether two labellings name the same sets."""
    pairs = set(zip(first.tolist(), second.tolist(), strict=True))
    return len(pairs) == len(set(first.tolist())) == len(set(second.tolist()))
