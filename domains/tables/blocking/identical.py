"""Rows that are the same in every column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domains.tables.blocking.pairs import Candidates, within_blocks
from domains.tables.data.table import Table
from domains.tables.matching.attributes import Attribute

__all__ = ["WithoutCopies", "identical_pairs", "most_identical_pairs", "row_groups"]

_LARGEST = 1000
"""Rows of the largest group of which all pairs are taken."""
_KEPT = 200
"""Rows of a larger group of which all pairs are taken."""


def row_groups(table: Table) -> NDArray[np.int64]:
    """``(n,)`` the group of each row: those whose comparable values are equal in all columns, and missing in the same.

    Rows without any value are alone, whatever they are: -1.

    Args:
        table: the rows.

    >>> import pandas as pd
    >>> row_groups(Table.of(pd.DataFrame({"name": ["Ada", "ada ", "Bob", None]}))).tolist()
    [0, 0, 1, -1]
    """
    group = np.zeros(len(table), dtype=np.int64)
    filled = np.zeros(len(table), dtype=np.bool_)
    for name in table.columns:
        attribute = Attribute.of(name, table.frame[name])
        key = group * (len(attribute.values) + 1) + attribute.code + 1
        group = np.unique(key, return_inverse=True)[1].reshape(-1).astype(np.int64)
        filled |= attribute.present
    return np.where(filled, _by_first_row(group), -1)


def _by_first_row(group: NDArray[np.int64]) -> NDArray[np.int64]:
    _, first, code = np.unique(group, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[code.reshape(-1)]


def identical_pairs(table: Table) -> Candidates:
    """All pairs of identical rows, but for those of `surplus_copies`.

    Args:
        table: the rows.
    """
    group = row_groups(table)
    rows = np.flatnonzero(group >= 0)
    rows = np.setdiff1d(rows, surplus_copies(group)[:, 1], assume_unique=True)
    return Candidates.of(len(table), *within_blocks(rows, group[rows], _LARGEST))


def most_identical_pairs(table: Table) -> int:
    """How many pairs `identical_pairs` has, without making them.

    Args:
        table: the rows.
    """
    group = row_groups(table)
    size = np.bincount(group[group >= 0])
    size = np.where(size > _LARGEST, _KEPT, size)
    return int((size * (size - 1) // 2).sum())


def surplus_copies(group: NDArray[np.int64]) -> NDArray[np.int64]:
    """``(k, 2)`` of the groups of more than a thousand identical rows: the first row, and each row after the 200th.

    Pairs of all of them would be too many, and say nothing that those of the others do not.

    Args:
        group: ``(n,)`` of `row_groups`.
    """
    order = np.argsort(group, kind="stable")
    _, first, size = np.unique(group[order], return_index=True, return_counts=True)
    place = np.arange(len(group)) - np.repeat(first, size)
    surplus = (place >= _KEPT) & np.repeat(size > _LARGEST, size) & (group[order] >= 0)
    return np.column_stack([order[np.repeat(first, size)[surplus]], order[surplus]])


@dataclass(frozen=True, eq=False)
class WithoutCopies:
    """A table without the surplus copies of its rows, which would be most of what is seen.

    Attributes:
        table: m rows.
        rows: ``(m,)`` which rows of the whole table they are.
        place: ``(n,)`` position of each row of the whole table among the m; of a copy that of its row.
        copies: ``(k, 2)`` of `surplus_copies`, rows of the whole table.
    """

    table: Table
    rows: NDArray[np.int64]
    place: NDArray[np.int64]
    copies: NDArray[np.int64]

    @classmethod
    def of(cls, table: Table) -> WithoutCopies:
        """Leave surplus copies out.

        Args:
            table: n rows.
        """
        copies = surplus_copies(row_groups(table))
        kept = np.ones(len(table), dtype=np.bool_)
        kept[copies[:, 1]] = False
        rows = np.flatnonzero(kept)
        place = np.cumsum(kept) - 1
        place[copies[:, 1]] = place[copies[:, 0]]
        return cls(table.select(rows) if len(copies) else table, rows, place, copies)

    def pairs(self, candidates: Candidates) -> Candidates:
        """Pairs among the m rows; those with a copy are dropped.

        Args:
            candidates: of the whole table.
        """
        if not len(self.copies):
            return candidates
        kept = (self.rows[self.place[candidates.left]] == candidates.left) & (
            self.rows[self.place[candidates.right]] == candidates.right
        )
        left, right = (self.place[side[kept]] for side in (candidates.left, candidates.right))
        return Candidates(len(self.rows), left, right)
