"""Disjoint cliques: sets in which every row is linked to every other."""

from __future__ import annotations

import heapq
import logging
from itertools import combinations, islice

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from domains.tables.sets.linkage import complete_linkage
from domains.tables.sets.problem import Problem

__all__ = ["MOST_CLIQUES", "cliques"]

_log = logging.getLogger(__name__)

MOST_CLIQUES = 100_000
"""Maximal cliques of a component that are listed; their number can grow exponentially with its rows."""


def cliques(problem: Problem) -> NDArray[np.int64]:
    """The largest set in which all are linked, of equal ones that of the highest mean weight; then the next.

    Maximal cliques (Bron and Kerbosch 1973, with pivots) overlap; a row belongs to the first one that is taken, and the
    rest of a clique is a clique still. A component of more than 100,000 maximal cliques takes complete linkage, which
    makes cliques too but not the largest ones, and a warning says so.

    Args:
        problem: the graph.

    Returns:
        ``(m,)`` int64, set of each group.
    """
    labels = problem.strong().components()
    split = problem.count
    fallback: NDArray[np.int64] | None = None
    for groups, weight in problem.parts():
        found = list(islice(nx.find_cliques(nx.from_scipy_sparse_array(weight)), MOST_CLIQUES + 1))
        if len(found) > MOST_CLIQUES:
            _log.warning(
                "a component of %d linked rows has more than %d maximal cliques; it takes complete linkage instead",
                problem.size[groups].sum(),
                MOST_CLIQUES,
            )
            fallback = complete_linkage(problem.strong()) if fallback is None else fallback
            labels[groups] = fallback[groups] + 2 * problem.count
            continue
        part = np.empty(groups.size, dtype=np.int64)
        for members in _disjoint(found, weight, problem.size[groups].tolist()):
            part[members] = split
            split += 1
        labels[groups] = part
    return labels


def _disjoint(found: list[list[int]], weight: csr_array, size: list[int]) -> list[list[int]]:
    """Cliques taken greedily; those that lost rows go back into the queue with what is left."""
    rows = [dict(zip(row.indices.tolist(), row.data.tolist(), strict=True)) for row in _rows(weight)]

    def rank(clique: list[int]) -> tuple[int, float, list[int]]:
        pairs = [rows[a][b] for a, b in combinations(clique, 2)]
        return -sum(size[a] for a in clique), -sum(pairs) / max(len(pairs), 1), clique

    queue = [rank(sorted(clique)) for clique in found]
    heapq.heapify(queue)
    used: set[int] = set()
    taken: list[list[int]] = []
    while queue:
        clique = heapq.heappop(queue)[2]
        left = [row for row in clique if row not in used]
        if len(left) < len(clique):
            if left:
                heapq.heappush(queue, rank(left))
            continue
        taken.append(clique)
        used.update(clique)
    return taken


def _rows(matrix: csr_array) -> list[csr_array]:
    return [matrix[[i]] for i in range(matrix.shape[0])]
