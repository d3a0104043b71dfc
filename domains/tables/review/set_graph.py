"""The graph of a set: which rows are linked how surely, where it is weakest, and what stands beside it."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

__all__ = ["Cut", "Edge", "Neighbour", "circle", "edges_among", "neighbours", "weakest_cut"]

LEAST = 0.1
"""Sets whose surest pair is less probable are not offered for a merge."""


@dataclass(frozen=True)
class Edge:
    """A compared pair.

    Attributes:
        left: the smaller row.
        right: the larger row.
        probability: that both are the same thing.
    """

    left: int
    right: int
    probability: float


@dataclass(frozen=True)
class Cut:
    """A way to take a set apart.

    Attributes:
        edge: the weakest link that holds both parts together; None where the parts are not linked at all.
        parts: rows of both parts, the part with the smallest row first.
    """

    edge: Edge | None
    parts: tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Neighbour:
    """A set that might belong to this one.

    Attributes:
        name: its smallest row.
        probability: of the surest pair between both sets.
        pairs: number of compared pairs between them.
    """

    name: int
    probability: float
    pairs: int


def edges_among(adjacency: csr_array, rows: NDArray[np.int64]) -> list[Edge]:
    """Compared pairs of a set, the weakest first.

    Args:
        adjacency: ``(n, n)`` probabilities.
        rows: of the set, ascending.
    """
    part = adjacency[rows][:, rows].tocoo()
    upper = part.row < part.col
    found = zip(rows[part.row[upper]].tolist(), rows[part.col[upper]].tolist(), part.data[upper].tolist(), strict=True)
    return sorted((Edge(a, b, p) for a, b, p in found), key=lambda e: (e.probability, e.left, e.right))


def weakest_cut(adjacency: csr_array, rows: NDArray[np.int64]) -> Cut | None:
    """Cut a set in two where it holds least: at the weakest edge of a maximum spanning tree.

    No other cut in two has a weaker strongest link. Parts that no pair links are cut apart without an edge.

    Args:
        adjacency: ``(n, n)`` probabilities.
        rows: of the set, ascending.

    Returns:
        The cut; None for a single row.
    """
    if len(rows) < 2:
        return None
    part = csr_array(adjacency[rows][:, rows])
    count, label = connected_components(part, directed=False)
    edge = None
    if count == 1:
        # The tree is of 2 - p: a shortest tree of positive lengths is a tree of the surest links.
        length = part.copy()
        length.data = 2 - length.data.astype(np.float64)
        tree = minimum_spanning_tree(length).tocoo()
        order = np.lexsort((np.maximum(tree.row, tree.col), np.minimum(tree.row, tree.col), -tree.data))
        weakest = order[0]
        a, b = sorted((int(tree.row[weakest]), int(tree.col[weakest])))
        edge = Edge(int(rows[a]), int(rows[b]), float(part[a, b]))
        kept = np.arange(len(tree.data)) != weakest
        rest = csr_array((tree.data[kept], (tree.row[kept], tree.col[kept])), shape=part.shape)
        _, label = connected_components(rest, directed=False)
    first = label == label[0]
    return Cut(edge, (tuple(rows[first].tolist()), tuple(rows[~first].tolist())))


def neighbours(
    adjacency: csr_array, labels: NDArray[np.int64], rows: NDArray[np.int64], most: int = 5
) -> list[Neighbour]:
    """Other sets with a pair to this one of a probability of `LEAST` or more, the surest first.

    Args:
        adjacency: ``(n, n)`` probabilities.
        labels: ``(n,)`` the smallest row of each row's set.
        rows: of this set.
        most: how many.
    """
    part = adjacency[rows].tocoo()
    other = labels[part.col]
    outside = (other != labels[rows[0]]) & (part.data >= LEAST)
    names, inverse, pairs = np.unique(other[outside], return_inverse=True, return_counts=True)
    best = np.zeros(len(names))
    np.maximum.at(best, inverse.reshape(-1), part.data[outside])
    order = np.lexsort((names, -best))[:most]
    return [Neighbour(int(names[i]), float(best[i]), int(pairs[i])) for i in order]


def circle(count: int, radius: float, centre: float) -> list[tuple[float, float]]:
    """Places for nodes on a circle, the first at the top, clockwise.

    >>> circle(2, 10, 50)
    [(50.0, 40.0), (50.0, 60.0)]
    """
    turns = [2 * pi * i / max(count, 1) for i in range(count)]
    return [(round(centre + radius * sin(turn), 1), round(centre - radius * cos(turn), 1)) for turn in turns]
