"""Tuples as one vector for each attribute, through an encoder of values that sees each distinct value once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from domains.tables.data.table import Table

__all__ = ["EncodedTable", "TupleEncoder", "ValueEncoder"]


@runtime_checkable
class ValueEncoder(Protocol):
    """From texts to vectors."""

    width: int

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``(k, width)`` unit vectors of k texts."""


@dataclass(frozen=True, eq=False)
class EncodedTable:
    """A table by the vectors of its distinct values: n rows and m attributes in O(n m + k d) memory.

    Attributes:
        columns: names of the m attributes.
        code: ``(n, m)`` int64, row of each cell's value in ``vectors``; -1 where it is missing.
        texts: ``(k,)`` object array, the distinct values, also those of tables that were encoded before.
        vectors: ``(k, d)`` float32 unit vectors, shared with the encoder.
    """

    columns: tuple[str, ...]
    code: NDArray[np.int64]
    texts: NDArray[np.object_]
    vectors: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.code)

    def take(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Vectors ``(r, m, d)`` of some rows, zero where the value is missing, and ``(r, m)`` where there is one.

        Args:
            rows: ``(r,)`` positions.
        """
        code = self.code[rows]
        mask = code >= 0
        if not len(self.vectors):
            return np.zeros((*code.shape, self.vectors.shape[1]), dtype=np.float32), mask
        found = self.vectors[np.maximum(code, 0)]
        found[~mask] = 0
        return found, mask


class TupleEncoder:
    """Encodes every attribute of every tuple on its own (arXiv 2412.00324); each distinct value is encoded once.

    The paper gives a missing value the embedding of a [NULL] token and masks it; what is masked has no influence, so
    missing values are zero here and there is no such token.

    Args:
        values: the encoder of values. Vectors are kept, so values that come again, also in another table, cost nothing.
    """

    def __init__(self, values: ValueEncoder) -> None:
        self.values = values
        self._place: dict[str, int] = {}
        self._vectors = np.empty((0, values.width), dtype=np.float32)

    def __len__(self) -> int:
        """Number of values whose vectors are kept."""
        return len(self._place)

    def encode(self, table: Table) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The whole table at once: vectors ``(n, m, d)`` and ``(n, m)`` where there is a value.

        `encode_values` needs far less memory for large tables.

        Args:
            table: any table.
        """
        return self.encode_values(table).take(np.arange(len(table)))

    def encode_values(self, table: Table, columns: Sequence[str] | None = None) -> EncodedTable:
        """The table by its distinct values.

        Args:
            table: any table.
            columns: attributes to encode; one that the table lacks is missing in every row. None takes all.
        """
        names = tuple(table.columns if columns is None else columns)
        empty = pd.Series(pd.NA, index=table.frame.index, dtype="string")
        cells = [table.frame.get(name, empty) for name in names]
        code = np.full((len(table), len(names)), -1, dtype=np.int64)
        if names:
            found, distinct = pd.factorize(pd.concat(cells, ignore_index=True))
            place = self._places_of(distinct.tolist())
            there = found >= 0
            flat = np.full(len(found), -1, dtype=np.int64)
            flat[there] = place[found[there]]
            code = np.ascontiguousarray(flat.reshape(len(names), len(table)).T)
        texts = np.array([*self._place, ""], dtype=object)[:-1]  # the extra one keeps numpy from guessing a string type
        return EncodedTable(names, code, texts, self._vectors)

    def _places_of(self, texts: list[str]) -> NDArray[np.int64]:
        new = [text for text in texts if text not in self._place]
        if new:
            start = len(self._place)
            vectors = self.values.encode(new)
            self._vectors = np.concatenate([self._vectors, vectors]) if start else vectors
            self._place.update(zip(new, range(start, start + len(new)), strict=True))
        return np.fromiter((self._place[text] for text in texts), dtype=np.int64, count=len(texts))
