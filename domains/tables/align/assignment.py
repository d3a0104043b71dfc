"""From scores between columns to groups with at most one column of each source."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

__all__ = ["constrained_groups", "hungarian_pairs"]


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


def constrained_groups(
    score: NDArray[np.float64], source: NDArray[np.int64], threshold: float, forbidden: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Average-linkage clustering of columns in which no group holds two columns of a source, or a forbidden pair.

    The two groups with the highest mean score are joined while that is at least ``threshold``; of equal ones the first
    in the order of the columns. Each join costs O(c).

    Args:
        score: ``(c, c)`` symmetric.
        source: ``(c,)`` number of the source of each column.
        threshold: the least mean score of a join.
        forbidden: ``(c, c)`` symmetric, pairs that must not share a group.

    Returns:
        ``(c,)`` group of each column, numbered by first column.
    """
    count = len(score)
    apart = forbidden | (source[:, None] == source[None, :])
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
