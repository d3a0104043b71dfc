"""Names of rows that outlive a new reading of the files: source, number and a digest of the content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from domains.tables.data.table import Table

__all__ = ["RowIndex", "RowRef", "row_digests"]

_MISSING = np.uint64(1)
_PRIME = np.uint64(1_099_511_628_211)
"""The factor of the FNV hash: it makes the digest depend on the order of the columns."""


@dataclass(frozen=True, order=True)
class RowRef:
    """One row of one source.

    Attributes:
        source: name of the source.
        row: its number there, from 0.
        digest: 16 hexadecimal digits of its cells, see `row_digests`.
    """

    source: str
    row: int
    digest: str

    def __str__(self) -> str:
        return f"{self.source}:{self.row}"


def row_digests(frame: pd.DataFrame) -> NDArray[np.object_]:
    """``(n,)`` 16 hexadecimal digits for each row; rows with the same cells in the same order have the same digits.

    64 bits: among a million rows two different ones share a digest with a chance of 3e-8. The names of the columns do
    not count.

    Args:
        frame: n rows of text columns.

    >>> row_digests(pd.DataFrame({"a": ["x", "x"], "b": ["y", pd.NA]}, dtype="string")).tolist()[0]
    '76ca714e3de10dcd'
    """
    total = np.zeros(len(frame), dtype=np.uint64)
    for position in range(frame.shape[1]):
        code, values = pd.factorize(frame.iloc[:, position])  # a missing cell has the code -1, the last digest
        digests = np.array([*(_digest(value) for value in values), _MISSING], dtype=np.uint64)
        total = total * _PRIME + digests[code]
    return np.array([f"{value:016x}" for value in total.tolist()], dtype=object)


def _digest(value: str) -> int:
    raw = value.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "little")


@dataclass(frozen=True, eq=False)
class RowIndex:
    """Where each row of a table came from, and where a named row stands now.

    Attributes:
        source: ``(n,)`` object array of strings.
        row: ``(n,)`` int64, number within the source.
        digest: ``(n,)`` object array of strings.
    """

    source: NDArray[np.object_]
    row: NDArray[np.int64]
    digest: NDArray[np.object_]
    _places: dict[str, NDArray[np.int64]] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(cls, table: Table, digest: NDArray[np.object_]) -> RowIndex:
        """The index of a table.

        Args:
            table: n rows.
            digest: ``(n,)`` of each row as it was read.
        """
        return cls(table.source, table.row, digest)

    def __len__(self) -> int:
        return len(self.row)

    def refs(self, positions: Iterable[int]) -> tuple[RowRef, ...]:
        """Names of rows.

        Args:
            positions: in the table.
        """
        return tuple(RowRef(str(self.source[p]), int(self.row[p]), str(self.digest[p])) for p in positions)

    def position(self, ref: RowRef) -> int | None:
        """Where a row stands, or None if it is gone.

        A row that moved within its source (a line was put in above it) is found by its content; of several equal rows
        the one that is nearest to the old number is taken. A row whose content changed is gone.

        Args:
            ref: the row.
        """
        at = self._rows_of(ref.source)
        if ref.row < len(at) and at[ref.row] >= 0 and self.digest[at[ref.row]] == ref.digest:
            return int(at[ref.row])
        there = at[at >= 0]
        same = there[self.digest[there] == ref.digest]
        if not len(same):
            return None
        return int(same[np.abs(self.row[same] - ref.row).argmin()])

    def _rows_of(self, source: str) -> NDArray[np.int64]:
        """Position of each row number of a source, -1 where the table has no such row."""
        if source not in self._places:
            positions = np.flatnonzero(self.source == source)
            numbers = self.row[positions]
            places = np.full(int(numbers.max(initial=-1)) + 1, -1, dtype=np.int64)
            places[numbers] = positions
            self._places[source] = places
        return self._places[source]
