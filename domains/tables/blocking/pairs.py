"""Candidate pairs: which pairs of rows are worth comparing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Candidates", "within_blocks"]


@dataclass(frozen=True, eq=False)
class Candidates:
    """Unique pairs of rows.

    Attributes:
        count: rows of the table.
        left: ``(p,)`` int64, the smaller row of each pair; pairs are sorted.
        right: ``(p,)`` int64, the larger one.
    """

    count: int
    left: NDArray[np.int64]
    right: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.left)

    @property
    def key(self) -> NDArray[np.int64]:
        """``(p,)`` one number for each pair, in ascending order."""
        found: NDArray[np.int64] = self.left * self.count + self.right
        return found

    @property
    def reduction(self) -> float:
        """Share of all pairs of rows that need not be compared, in [0, 1]."""
        total = self.count * (self.count - 1) / 2
        return 1 - len(self) / total if total else 1.0

    @classmethod
    def of(cls, count: int, a: NDArray[np.integer], b: NDArray[np.integer]) -> Candidates:
        """From pairs in any order, also twice and of a row with itself.

        Args:
            count: rows of the table.
            a: ``(p,)`` one row of each pair.
            b: ``(p,)`` the other one.
        """
        low = np.minimum(a, b).astype(np.int64)
        key = low * count + np.maximum(a, b)
        key = np.unique(key[a != b])
        return cls(count, *np.divmod(key, max(1, count)))

    @classmethod
    def union(cls, count: int, parts: Iterable[Candidates]) -> Candidates:
        """The pairs that any of the parts has; at most two of them are in memory beside the result.

        Args:
            count: rows of the table.
            parts: candidates of the same table.
        """
        key = np.empty(0, dtype=np.int64)
        for part in parts:
            key = np.union1d(key, part.key)
        return cls(count, *np.divmod(key, max(1, count)))


def within_blocks(
    rows: NDArray[np.integer], block: NDArray[np.integer], largest: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All pairs of rows of the same block, but for blocks of more than ``largest`` rows.

    Args:
        rows: ``(k,)`` rows, in several blocks as often as they are listed.
        block: ``(k,)`` the block of each.
        largest: most rows in a block that is used.
    """
    order = np.lexsort((rows, block))
    rows, block = rows[order], block[order]
    starts = np.flatnonzero(np.r_[True, block[1:] != block[:-1]]) if len(rows) else np.empty(0, dtype=np.int64)
    size = np.diff(np.r_[starts, len(rows)])
    left, right = [], []
    for gap in range(1, int(size[size <= largest].max(initial=1))):  # every pair stands `gap` places apart in its block
        used = (size > gap) & (size <= largest)
        first = np.repeat(starts[used], size[used] - gap) + _counting(size[used] - gap)
        left.append(rows[first])
        right.append(rows[first + gap])
    empty = np.empty(0, dtype=np.int64)
    return np.concatenate([empty, *left]), np.concatenate([empty, *right])


def _counting(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """0, 1, ... for each length in turn.

    >>> _counting(np.array([2, 3])).tolist()
    [0, 1, 0, 1, 2]
    """
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths)
