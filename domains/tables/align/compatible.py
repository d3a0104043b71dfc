"""Rows as codes: which of them share a value, contradict each other or say no more than another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.errors import UserError
from domains.tables.data.table import Table

__all__ = ["CodedRows", "compatible_pairs", "encode", "subsumed"]

_NOTHING = -1
_BLOCK = 1 << 20  # pairs compared at a time


@dataclass(frozen=True, eq=False)
class CodedRows:
    """Distinct rows of a table as numbers.

    Attributes:
        codes: ``(r, a)`` int64, -1 for nothing; within a column equal values have equal codes, and codes from
            ``len(values)`` on are missing cells that equal no other.
        values: of each column, what its codes stand for.
        positions: of each distinct row, the rows of the table.
    """

    codes: NDArray[np.int64]
    values: list[NDArray[np.object_]]
    positions: list[tuple[int, ...]]

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.values)

    def contradict(self, a: int, b: int) -> bool:
        """Whether two rows differ in a column in which both have something."""
        return bool(self.contradicts(self.codes[a], np.array([b], dtype=np.int64))[0])

    def contradicts(self, joined: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the rows contradict a row of codes."""
        its = self.codes[rows]
        return np.asarray(((its != joined) & (its >= 0) & (joined >= 0)).any(axis=1))

    def join(self, rows: tuple[int, ...] | list[int]) -> NDArray[np.int64]:
        """What rows that do not contradict each other say together."""
        return np.asarray(self.codes[list(rows)].max(axis=0))

    def shown(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Codes with nothing in place of missing cells."""
        known = np.array([len(values) for values in self.values], dtype=np.int64)
        return np.where(codes < known, codes, _NOTHING)

    def decode(self, codes: NDArray[np.int64], columns: list[str]) -> pd.DataFrame:
        """Values of rows of codes, with missing cells where there is nothing."""
        decoded = {}
        for i, (column, values) in enumerate(zip(columns, self.values, strict=True)):
            with_missing = np.append(values, [None])  # code -1 is the last
            decoded[column] = pd.Series(with_missing[codes[:, i]], dtype="string")
        return pd.DataFrame(decoded, columns=columns, index=range(len(codes)))

    def most_shared(self) -> str:
        """The value that most distinct rows have, in words."""
        best = (0, 0, 0)
        for column, values in enumerate(self.values):
            known = self.codes[:, column]
            counts = np.bincount(known[(known >= 0) & (known < len(values))], minlength=1)
            best = max(best, (int(counts.max()), column, int(counts.argmax())))
        number, column, code = best
        shown = self.values[column][code] if number else ""
        return f"most rows, {number}, share {str(shown)[:60]!r} in column {column + 1}"


def encode(table: Table, fill_missing: bool) -> CodedRows:
    """Codes of the distinct rows.

    Args:
        table: the rows.
        fill_missing: whether missing cells in a column that the row's source has count as nothing; otherwise each
            counts as a value that equals no other.
    """
    n, columns = len(table), table.columns
    codes = np.full((n, len(columns)), _NOTHING, dtype=np.int64)
    values: list[NDArray[np.object_]] = []
    own = np.zeros((n, len(columns)), dtype=bool)
    source = pd.factorize(table.source)[0]
    for i, column in enumerate(columns):
        # sorted, so that codes do not depend on the order of the rows
        found, distinct = pd.factorize(table.frame[column], sort=True)
        codes[:, i] = found
        values.append(np.asarray(distinct, dtype=object))
        if n:
            has = np.zeros(int(source.max()) + 1, dtype=bool)
            has[source[found >= 0]] = True
            own[:, i] = has[source]
    blank = (codes < 0) & own if not fill_missing else np.zeros_like(own)
    # rows with equal values and equal blanks are one row
    distinct_rows, at = np.unique(np.where(blank, -2, codes), axis=0, return_inverse=True)
    at = at.ravel()
    order = np.argsort(at, kind="stable")
    positions = [tuple(part.tolist()) for part in np.split(order, np.cumsum(np.bincount(at, minlength=0))[:-1])]
    blank = distinct_rows == -2
    known = np.array([len(one) for one in values], dtype=np.int64)
    unique = known[None, :] + np.arange(len(distinct_rows))[:, None]
    return CodedRows(np.where(blank, unique, distinct_rows), values, positions if n else [])


def compatible_pairs(rows: CodedRows, max_pairs: int) -> list[NDArray[np.int64]]:
    """For each row the others that share a value with it and contradict it nowhere, ascending.

    Pairs are found through an inverted index from values to rows, so rows without a common value never meet.

    Raises:
        UserError: more than ``max_pairs`` pairs share a value.
    """
    count, width = rows.codes.shape
    left: list[NDArray[np.int64]] = []
    right: list[NDArray[np.int64]] = []
    spent = 0
    for column in range(width):
        code = rows.codes[:, column]
        holds = np.flatnonzero((code >= 0) & (code < len(rows.values[column])))
        order = holds[np.argsort(code[holds], kind="stable")]
        starts = np.flatnonzero(np.diff(code[order], prepend=-1))
        sizes = np.diff(np.append(starts, order.size))
        spent += int((sizes * (sizes - 1) // 2).sum())
        if spent > max_pairs:
            raise UserError(
                f"more than {max_pairs} pairs of rows share a value; {rows.most_shared()}. "
                "Leave such columns out of the mapping, or raise max_pairs"
            )
        for a, b in _pairs_within(order, starts, sizes):
            fits = ~((rows.codes[a] != rows.codes[b]) & (rows.codes[a] >= 0) & (rows.codes[b] >= 0)).any(axis=1)
            left.append(a[fits])
            right.append(b[fits])
    a = np.concatenate([*left, np.zeros(0, np.int64)])
    b = np.concatenate([*right, np.zeros(0, np.int64)])
    both = (np.concatenate([a, b]), np.concatenate([b, a]))
    graph = csr_array((np.ones(2 * a.size, dtype=np.int8), both), shape=(count, count))
    graph.sum_duplicates()
    return np.split(graph.indices.astype(np.int64), graph.indptr[1:-1]) if count else []


def _pairs_within(
    order: NDArray[np.int64], starts: NDArray[np.int64], sizes: NDArray[np.int64]
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """All pairs inside each run of ``order``, in blocks: each position with those after it in its run."""
    ends = np.repeat(starts + sizes, sizes)
    after = ends - np.arange(order.size) - 1  # partners of each position
    total = np.concatenate([[0], np.cumsum(after)])
    blocks = []
    begin = 0
    while begin < order.size:
        end = max(int(np.searchsorted(total, total[begin] + _BLOCK, side="right")) - 1, begin + 1)
        number = after[begin:end]
        first = np.repeat(np.arange(begin, end), number)
        step = np.arange(first.size) - np.repeat(total[begin:end] - total[begin], number)
        if first.size:
            blocks.append((order[first], order[first + 1 + step]))
        begin = end
    return blocks


def subsumed(codes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of distinct rows say nothing that another row does not say too.

    Args:
        codes: ``(r, a)`` distinct rows, -1 for nothing. A row of nothing is subsumed by whatever there is.
    """
    count, width = codes.shape
    holds = codes >= 0
    result = np.asarray(~holds.any(axis=1), dtype=np.bool_)
    base = np.concatenate([[0], np.cumsum(codes.max(axis=0, initial=0) + 1)])
    item = codes + base[:-1]
    frequency = np.bincount(item[holds], minlength=int(base[-1]))
    # whoever subsumes a row holds its rarest value too
    rarity = np.where(holds, frequency[np.where(holds, item, 0)], np.iinfo(np.int64).max)
    rarest = rarity.argmin(axis=1)
    row_of, column_of = np.nonzero(holds)
    index = csr_array((np.ones(row_of.size, np.int8), (item[row_of, column_of], row_of)), shape=(int(base[-1]), count))
    for row in np.flatnonzero(holds.any(axis=1) & (holds.sum(axis=1) < width)):
        key = item[row, rarest[row]]
        others = index.indices[index.indptr[key] : index.indptr[key + 1]]
        agrees = ((codes[others] == codes[row]) | ~holds[row]).all(axis=1)
        result[row] = bool(agrees.sum() > 1)  # itself and another
    return result
