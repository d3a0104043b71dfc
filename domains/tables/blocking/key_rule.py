"""Pairs of rows that are equal in chosen columns, or in the beginnings of their values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.checks import check_at_least
from core.errors import UserError, unknown_name
from domains.tables.blocking.pairs import Candidates, within_blocks
from domains.tables.blocking.words import block_pairs
from domains.tables.data.table import Table
from domains.tables.engine import LOCAL, Engine
from domains.tables.matching.attributes import comparable

__all__ = ["KeyRule"]


@dataclass(frozen=True)
class KeyRule:
    """Rows that agree in every column of a key, as a blocking rule of splink; rows without one of them are left out.

    Attributes:
        columns: of the key, each with the number of characters that have to agree, 0 for all of them.
        largest: rows of the largest block that is used, >= 2.
    """

    columns: Mapping[str, int]
    largest: int = 100

    def __post_init__(self) -> None:
        check_at_least("largest", self.largest, 2)
        if not self.columns:
            raise UserError("a key needs at least one column")
        for name, length in self.columns.items():
            check_at_least(f"characters of {name!r}", length, 0)

    def candidates(self, table: Table, engine: Engine = LOCAL) -> Candidates:
        """See `domains.tables.blocking.blocker.Blocker`; raises `core.errors.UserError` for an unknown column."""
        rows, key = self._keys(table)
        return Candidates.of(len(table), *within_blocks(rows, key, self.largest))

    def most_pairs(self, table: Table) -> int:
        """See `domains.tables.blocking.blocker.Blocker`."""
        return block_pairs(self._keys(table)[1], self.largest)

    def _keys(self, table: Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        parts = []
        for name, length in self.columns.items():
            if name not in table.columns:
                raise unknown_name("column in the key", name, table.columns)
            text = comparable(table.frame[name])
            parts.append(text.str[:length] if length else text)
        frame = pd.concat(parts, axis=1)
        rows: NDArray[np.int64] = np.flatnonzero(frame.notna().all(axis=1).to_numpy()).astype(np.int64)
        key: NDArray[np.int64] = np.asarray(
            frame.iloc[rows].groupby(list(frame.columns), sort=False).ngroup(), dtype=np.int64
        )
        return rows, key
