"""Which pairs a person should look at first, and how much is left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from domains.tables.project.decided import Decided
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
        gain: what is expected of an answer, see `queue`.
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
    graph: PairGraph, labels: NDArray[np.int64], decided: Decided, limit: int = 200
) -> tuple[list[Question], int]:
    """Open pairs by expected gain.

    Within a set: uncertainty of the pair times the rows of the set times, once more, its uncertainty. Between two sets,
    where an answer says whether they are one: uncertainty of the pair, times the pairs of rows between the sets, times
    the uncertainty of their mean probability, pairs without one counted as 0 (as average linkage does, which decided
    that they are two). The k-th question about the same sets gains 1/k of that: many pairs of two large sets ask the
    same thing.

    Left out are pairs that were answered or follow from answers, pairs of two sets of which any rows were told apart,
    and those of locked rows. Where there are enough, all questions have an uncertainty of at least `WORTH`.

    Args:
        graph: pairs of the n rows.
        labels: ``(n,)`` present set of each row, the smallest row of the set.
        decided: what is known of the rows.
        limit: most questions.

    Returns:
        The first questions, and the number of open pairs of an uncertainty of at least `WORTH`.

    >>> nothing = Decided(np.empty((0, 2), int), np.empty((0, 2), int), (), {}, (), ())
    >>> graph = PairGraph.of(5, np.array([0, 2, 2]), np.array([1, 3, 4]), np.array([0.9, 0.5, 0.4]))
    >>> [(q.left, q.right) for q in queue(graph, np.array([0, 0, 2, 2, 4]), nothing)[0]]
    [(2, 3), (2, 4), (0, 1)]
    """
    code = _sets_of(labels, graph.left, graph.right)
    doubt = uncertainty(graph.weight)
    chosen = np.flatnonzero(_open(graph, labels, code, decided) & (doubt > 0))
    worth = chosen[doubt[chosen] >= WORTH]
    if len(worth) >= limit:
        chosen = worth
    gain = doubt[chosen] * _stake(graph, labels, code, chosen)
    order = np.lexsort((graph.right[chosen], graph.left[chosen], -gain))
    chosen, gain = chosen[order], gain[order]
    gain = gain / _turn(code[chosen])
    order = np.argsort(-gain, kind="stable")[:limit]
    questions = [
        Question(int(graph.left[i]), int(graph.right[i]), float(graph.weight[i]), float(expected))
        for i, expected in zip(chosen[order].tolist(), gain[order].tolist(), strict=True)
    ]
    return questions, len(worth)


def _sets_of(labels: NDArray[np.int64], left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """``(p,)`` one number for the set, or the two sets, of each pair."""
    one, two = labels[left], labels[right]
    code: NDArray[np.int64] = np.minimum(one, two) * len(labels) + np.maximum(one, two)
    return code


def _open(graph: PairGraph, labels: NDArray[np.int64], code: NDArray[np.int64], decided: Decided) -> NDArray[np.bool_]:
    """``(p,)`` which pairs are not decided yet."""
    n = graph.count
    found = np.ones(len(code), dtype=np.bool_)
    if decided.answered:
        pairs = np.array(sorted(decided.answered), dtype=np.int64)
        found &= ~np.isin(graph.left * n + graph.right, pairs[:, 0] * n + pairs[:, 1])
    if len(decided.cannot):
        apart = _sets_of(labels, decided.cannot[:, 0], decided.cannot[:, 1])
        found &= ~np.isin(code, apart[apart // n != apart % n])
    if len(decided.must):
        ends = (decided.must[:, 0], decided.must[:, 1])
        one = connected_components(coo_array((np.ones(len(decided.must)), ends), shape=(n, n)), directed=False)[1]
        found &= one[graph.left] != one[graph.right]
    if decided.locked:
        shut = np.zeros(n, dtype=np.bool_)
        shut[np.concatenate(decided.locked)] = True
        found &= ~(shut[graph.left] | shut[graph.right])
    return found


def _stake(
    graph: PairGraph, labels: NDArray[np.int64], code: NDArray[np.int64], chosen: NDArray[np.int64]
) -> NDArray[np.float64]:
    """What depends on each of some pairs: rows of its set, or pairs of rows between its sets, times the doubt of it."""
    size = np.bincount(labels, minlength=graph.count)
    one, two = labels[graph.left[chosen]], labels[graph.right[chosen]]
    stake = uncertainty(graph.weight[chosen]) * size[one]
    across = one != two
    wanted, place = np.unique(code[chosen[across]], return_inverse=True)
    if len(wanted):
        at = np.minimum(np.searchsorted(wanted, code), len(wanted) - 1)
        hit = wanted[at] == code
        total = np.bincount(at[hit], graph.weight[hit], len(wanted))
        between = size[one[across]] * size[two[across]]
        stake[across] = uncertainty(np.minimum(1.0, total[place] / between)) * between
    return stake


def _turn(code: NDArray[np.int64]) -> NDArray[np.int64]:
    """1 for the first pair of each group, 2 for the second, and so on.

    >>> _turn(np.array([7, 3, 7, 7])).tolist()
    [1, 1, 2, 3]
    """
    order = np.argsort(code, kind="stable")
    _, start, size = np.unique(code[order], return_index=True, return_counts=True)
    turn = np.empty(len(code), dtype=np.int64)
    turn[order] = np.arange(len(code)) - np.repeat(start, size) + 1
    return turn
