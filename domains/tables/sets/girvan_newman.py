"""Girvan-Newman: cut the links that most shortest paths run over, and keep the best of all partitions on the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from core.errors import UserError
from domains.tables.sets.problem import Problem

__all__ = ["MOST_WORK", "betweenness", "girvan_newman"]

MOST_WORK = 3e11
"""Most rows cubed times links of a component: a minute or two."""


def girvan_newman(problem: Problem) -> NDArray[np.int64]:
    """Divisive clustering by edge betweenness, the partition of best modularity on the whole way down.

    Newman and Girvan 2004, arXiv cond-mat/0308217; with weights the betweenness of the plain graph is divided by the
    weight (Newman 2004, arXiv cond-mat/0407503). Links that tie are cut together, so that the result does not depend
    on the order of rows. Inside each component, as `louvain`.

    Args:
        problem: the graph.

    Returns:
        ``(m,)`` int64, set of each group.

    Raises:
        UserError: a component is too large.
    """
    labels = problem.strong().components()
    split = problem.count
    for groups, matrix in problem.parts():
        links = matrix.nnz // 2
        if float(groups.size) ** 3 * links > MOST_WORK:
            raise UserError(
                f"girvan_newman would take too long: {problem.size[groups].sum()} rows hang together by {links} links; "
                "raise the threshold, or choose average_linkage or louvain"
            )
        for members in _best(matrix.toarray()):
            labels[groups[members]] = split
            split += 1
    return labels


@dataclass(frozen=True, eq=False)
class _Piece:
    """A connected part: its nodes, the links that are left, and the highest ratio of betweenness to weight."""

    nodes: NDArray[np.int64]
    links: NDArray[np.bool_]
    score: NDArray[np.float64]
    highest: float

    @classmethod
    def of(cls, nodes: NDArray[np.int64], links: NDArray[np.bool_], weight: NDArray[np.float64]) -> _Piece:
        local = weight[np.ix_(nodes, nodes)]
        score = np.zeros_like(local)
        np.divide(betweenness(links), local, out=score, where=links)
        return cls(nodes, links, score, float(score.max(initial=0.0)))


def _best(weight: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    degree, total = weight.sum(axis=1), float(weight.sum())

    def quality(piece: _Piece) -> float:
        inside = float(weight[np.ix_(piece.nodes, piece.nodes)].sum())
        return inside / total - (float(degree[piece.nodes].sum()) / total) ** 2

    pieces = [_Piece.of(np.arange(len(weight)), weight > 0, weight)]
    best, best_pieces = sum(map(quality, pieces)), pieces
    while highest := max(piece.highest for piece in pieces):
        # Sums over paths differ in their last bits from row order to row order.
        limit = highest * (1 - 1e-9)
        after: list[_Piece] = []
        for piece in pieces:
            if piece.highest < limit:
                after.append(piece)
                continue
            links = piece.links & (piece.score < limit)
            count, part = connected_components(links, directed=False)
            for number in range(count):
                inside = np.flatnonzero(part == number)
                after.append(_Piece.of(piece.nodes[inside], links[np.ix_(inside, inside)], weight))
        split, pieces = len(after) > len(pieces), after
        if split and (value := sum(map(quality, pieces))) > best + 1e-12:
            best, best_pieces = value, pieces
    return [piece.nodes for piece in best_pieces]


def betweenness(links: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Edge betweenness of a plain graph (Brandes 2001), from all sources at once: a few matrix products for each level.

    Args:
        links: ``(k, k)`` symmetric.

    Returns:
        ``(k, k)`` float64: for each link the number of shortest paths over it, from all sources to all targets, a
        path shared equally where there are several; each pair of rows counts in both directions. 0 without a link.
    """
    k = len(links)
    adjacency = links.astype(np.float64)
    paths = np.eye(k)
    level_paths = [paths.copy()]
    seen = np.eye(k, dtype=np.bool_)
    while True:
        reached = level_paths[-1] @ adjacency
        reached[seen] = 0
        if not reached.any():
            break
        seen |= reached > 0
        level_paths.append(reached)
    result = np.zeros((k, k))
    ahead = np.zeros((k, k))
    for before, here in zip(level_paths[-2::-1], level_paths[:0:-1], strict=True):
        share = np.divide(1 + ahead, here, out=np.zeros((k, k)), where=here > 0)
        flow = before.T @ share
        result += flow + flow.T
        ahead = before * (share @ adjacency)
    return np.where(links, result, 0.0)
