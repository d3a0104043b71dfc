"""The outer union of several sources: rows of text with where each came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["Table"]


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of one or several sources under common columns; every value is text or missing.

    Values are never changed: whoever compares them normalises a copy.

    Attributes:
        frame: n rows of string columns (dtype "string"), missing cells are ``pd.NA``, the index is 0 to n - 1.
        source: ``(n,)`` object array of strings, the name of the source of each row.
        row: ``(n,)`` int64, number of the row within its source, from 0.
        name: shown to people.

    Raises:
        ValueError: lengths that differ, a column that is not text, a column name twice.
    """

    frame: pd.DataFrame
    source: NDArray[np.object_]
    row: NDArray[np.int64]
    name: str = "table"

    def __post_init__(self) -> None:
        n = len(self.frame)
        if self.source.shape != (n,) or self.row.shape != (n,):
            raise ValueError(f"{n} rows need {n} sources and row numbers, got {self.source.shape} and {self.row.shape}")
        if not self.frame.columns.is_unique:
            twice = self.frame.columns[self.frame.columns.duplicated()][0]
            raise ValueError(f"column {twice!r} stands twice; rename one of them")
        for column in self.frame.columns:
            if not isinstance(self.frame[column].dtype, pd.StringDtype):
                raise ValueError(f"column {column!r} has the type {self.frame[column].dtype}, not string")

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def columns(self) -> list[str]:
        """Names of the attributes."""
        return [str(column) for column in self.frame.columns]

    @property
    def sources(self) -> list[str]:
        """Names of the sources, in the order of their first rows."""
        return list(dict.fromkeys(self.source.tolist()))

    @classmethod
    def of(cls, frame: pd.DataFrame, *, source: str | Sequence[str] = "table", name: str = "table") -> Table:
        """A table from any data frame: values become text, empty text and missing values become ``pd.NA``.

        Args:
            frame: any columns; the index is dropped.
            source: one name for all rows, or one per row.
            name: shown to people.

        >>> table = Table.of(pd.DataFrame({"name": ["Ada", ""], "born": [1815, None]}, dtype=object))
        >>> table.frame["born"].tolist(), table.frame["name"].isna().tolist()
        (['1815', <NA>], [False, True])
        """
        text = pd.DataFrame({str(c): _as_text(frame[c]) for c in frame.columns}).reset_index(drop=True)
        n = len(frame)
        sources = [source] * n if isinstance(source, str) else list(source)
        numbers = np.zeros(n, dtype=np.int64)
        seen: dict[str, int] = {}
        for position, one in enumerate(sources):
            numbers[position] = seen.get(one, 0)
            seen[one] = seen.get(one, 0) + 1
        return cls(text, np.array(sources, dtype=object), numbers, name)

    def select(self, rows: NDArray[np.int64]) -> Table:
        """The table of some rows, in the given order.

        Args:
            rows: positions.
        """
        return Table(self.frame.iloc[rows].reset_index(drop=True), self.source[rows], self.row[rows], self.name)


def _as_text(column: pd.Series) -> pd.Series:
    text = column.astype("string")
    return text.mask(text.str.strip() == "", pd.NA)
