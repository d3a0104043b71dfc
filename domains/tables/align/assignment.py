"""From scores between columns to groups with at most one column of each source."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array

__all__ = ["clear_matches", "constrained_groups", "hungarian_pairs"]


def hungarian_pairs(score: NDArray[np.float64], threshold: float) -> list[tuple[int, int]]:
    """The one-to-one matching with the largest sum of what scores exceed the threshold by; no match below it.

    Args:
        score: ``(a, b)``; -inf where a match is forbidden.
        threshold: the least score of a match.

    Returns:
        Pairs (row, column), by row.

    >>> import numpy as np
    >>> hungarian_pairs(np.array([[0.9, 0.8], [0.8, 0.1]]), 0.5)
    [(0, 1), (1, 0)]
    """
    gain = np.maximum(score - threshold, 0.0)
    rows, columns = linear_sum_assignment(gain, maximize=True)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if score[i, j] >= threshold]


def constrained_groups(score: NDArray[np.float64], threshold: float, apart: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Average-linkage clustering of columns in which no group holds a pair that must be apart.

    The two groups with the highest mean score are joined while that is at least ``threshold``; of equal ones the first
    in the order of the columns. Each join costs O(c).

    Args:
        score: ``(c, c)`` symmetric.
        threshold: the least mean score of a join.
        apart: ``(c, c)`` symmetric, pairs that must not share a group.

    Returns:
        ``(c,)`` group of each column, numbered by first column.
    """
    count = len(score)
    mean = score.astype(np.float64).copy()
    mean[apart] = -np.inf
    size = np.ones(count)
    group = np.arange(count)
    best = mean.argmax(axis=1) if count else np.zeros(0, np.int64)
    while count:
        i = int(mean[np.arange(count), best].argmax())
        j = int(best[i])
        if not mean[i, j] >= threshold:
            break
        i, j = min(i, j), max(i, j)
        joined = (size[i] * mean[i] + size[j] * mean[j]) / (size[i] + size[j])  # -inf stays -inf
        joined[[i, j]] = -np.inf
        mean[i], mean[:, i] = joined, joined
        mean[j], mean[:, j] = -np.inf, -np.inf
        size[i] += size[j]
        group[group == j] = i
        stale = np.flatnonzero((best == i) | (best == j) | (np.arange(count) == i))
        best[stale] = mean[stale].argmax(axis=1)
        better = joined > mean[np.arange(count), best]
        best[better] = i
    return np.unique(group, return_inverse=True)[1].astype(np.int64)


def clear_matches(
    score: NDArray[np.float64],
    group: NDArray[np.int64],
    apart: NDArray[np.bool_],
    least: float,
    lead: float,
) -> NDArray[np.int64]:
    """Join groups that score low, but far above everything else that either of them could be joined with.

    Two groups are joined if each is the other's best, with a mean score of at least ``least`` and ``lead`` times the
    mean score of either with any third group that could not be joined with both: where two columns of a source are
    alike, nothing is clear, and a column of another source is no rival. Groups that were joined are looked at again.

    Args:
        score: ``(c, c)`` symmetric.
        group: ``(c,)`` numbers from 0 of the groups so far.
        apart: ``(c, c)`` symmetric, pairs that must not share a group.
        least: of a join.
        lead: over any other, >= 1.

    Returns:
        ``(c,)`` group of each column, numbered by first column.
    """
    while True:
        group = np.unique(group, return_inverse=True)[1].astype(np.int64)
        count = int(group.max(initial=-1)) + 1
        if count < 2:
            return group
        of = csr_array((np.ones(len(group)), (group, np.arange(len(group)))), shape=(count, len(group)))
        size = np.bincount(group)
        mean = np.asarray(of @ np.asarray(of @ score).T) / np.outer(size, size)
        np.fill_diagonal(mean, -np.inf)
        between = np.asarray(of @ np.asarray(of @ apart.astype(np.float64)).T) > 0
        allowed = np.where(between, -np.inf, mean)
        best = allowed.argmax(axis=1)
        one = np.arange(count)
        reached = allowed[one, best]
        rivals = between | between[best]
        rivals[one, best] = False
        other = np.where(rivals, mean, -np.inf).max(axis=1)
        clear = (best[best] == one) & (reached >= least) & (reached >= lead * np.maximum(other, other[best]))
        joined = one[clear & (one < best)]
        if not joined.size:
            return group
        target = one.copy()
        target[best[joined]] = joined
        group = target[group]
