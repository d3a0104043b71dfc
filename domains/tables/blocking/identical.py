"""Rows that are the same in every column."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from domains.tables.blocking.pairs import Candidates, within_blocks
from domains.tables.data.table import Table
from domains.tables.matching.attributes import Attribute

__all__ = ["identical_pairs", "row_groups"]

_LARGEST = 1000
"""Rows of the largest group of which all pairs are taken."""


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
    """All pairs of identical rows; of a group of more than a thousand, each row with the next hundred.

    Args:
        table: the rows.
    """
    group = row_groups(table)
    rows = np.flatnonzero(group >= 0)
    left, right = within_blocks(rows, group[rows], _LARGEST)
    size = np.bincount(group[rows], minlength=1)
    large = rows[size[group[rows]] > _LARGEST]
    large = large[np.argsort(group[large], kind="stable")]
    for gap in range(1, _LARGEST // 10 + 1):
        near = group[large[gap:]] == group[large[:-gap]]
        left, right = np.r_[left, large[:-gap][near]], np.r_[right, large[gap:][near]]
    return Candidates.of(len(table), left, right)
