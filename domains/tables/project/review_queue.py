"""Which pairs a person should look at first, and how much is left."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domains.tables.sets.graph import PairGraph

__all__ = ["Question", "queue", "uncertainty"]

WORTH = 0.2
"""Pairs of at least this uncertainty (probabilities of 0.1 to 0.9) are counted as open questions."""


@dataclass(frozen=True)
class Question:
    """A pair to be judged.

    Attributes:
        left: the smaller row.
        right: the larger row.
        probability: that both are the same thing.
        gain: uncertainty times the rows whose sets depend on it.
    """

    left: int
    right: int
    probability: float
    gain: float


def uncertainty(weight: NDArray[np.floating]) -> NDArray[np.float64]:
    """1 at a probability of a half, 0 at 0 and 1, linear between.

    >>> uncertainty(np.array([0.0, 0.25, 0.5])).tolist()
    [0.0, 0.5, 1.0]
    """
    result: NDArray[np.float64] = 1 - np.abs(2 * weight.astype(np.float64) - 1)
    return result


def queue(
    graph: PairGraph,
    labels: NDArray[np.int64],
    decided: Collection[tuple[int, int]],
    locked: NDArray[np.int64],
    limit: int = 200,
) -> tuple[list[Question], int]:
    """Open pairs by expected gain: uncertainty times the number of rows in the one or two sets of its rows.

    Left out are pairs that were answered and those of locked rows.

    Args:
        graph: pairs of the n rows.
        labels: ``(n,)`` present set of each row, the smallest row of the set.
        decided: answered pairs, the smaller row first.
        locked: rows of locked sets.
        limit: most questions.

    Returns:
        The first questions, and the number of open pairs of an uncertainty of at least `WORTH`.

    >>> graph = PairGraph.of(4, np.array([0, 2]), np.array([1, 3]), np.array([0.5, 0.9]))
    >>> [(q.left, q.right) for q in queue(graph, np.array([0, 0, 2, 3]), [], np.array([], dtype=int))[0]]
    [(0, 1), (2, 3)]
    """
    size = np.bincount(labels, minlength=graph.count)
    one, two = labels[graph.left], labels[graph.right]
    doubt = uncertainty(graph.weight)
    gain = doubt * np.where(one == two, size[one], size[one] + size[two])
    if len(decided):
        pairs = np.array(sorted(decided), dtype=np.int64)
        gain[np.isin(graph.left * graph.count + graph.right, pairs[:, 0] * graph.count + pairs[:, 1])] = -1.0
    if len(locked):
        shut = np.zeros(graph.count, dtype=np.bool_)
        shut[locked] = True
        gain[shut[graph.left] | shut[graph.right]] = -1.0
    open_ = np.flatnonzero(gain > 0)
    count = int((doubt[open_] >= WORTH).sum())
    if len(open_) > limit:
        least = np.partition(gain[open_], len(open_) - limit)[len(open_) - limit]
        open_ = open_[gain[open_] >= least]
    order = open_[np.lexsort((graph.right[open_], graph.left[open_], -gain[open_]))][:limit]
    questions = [
        Question(int(graph.left[i]), int(graph.right[i]), float(graph.weight[i]), float(gain[i])) for i in order
    ]
    return questions, count
