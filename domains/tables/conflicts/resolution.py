"""The golden table, and how every cell of it came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import UserError, unknown_name
from domains.tables.conflicts.candidates import Candidates
from domains.tables.data.table import Table

__all__ = ["Resolution"]


@dataclass(frozen=True, eq=False)
class Resolution:
    """g things out of n rows with m attributes.

    Attributes:
        golden: g rows of text columns; the index is called "entity" and holds the labels, ascending. A cell is missing
            where no row has a value, or where the rule left a conflict open.
        conflicts: one row for each thing and attribute with several values: ``entity``, ``attribute``, ``candidates``
            (how many), ``chosen`` (missing where left open), ``support`` (rows that have it), ``rule``, ``margin`` (in
            the unit of the rule's score, missing without one), ``why``, ``open``.
        rules: name of the rule of each attribute.
    """

    golden: pd.DataFrame
    conflicts: pd.DataFrame
    rules: Mapping[str, str]
    _table: Table
    _entity: NDArray[np.int64]
    _candidates: Mapping[str, Candidates]
    _winner: Mapping[str, NDArray[np.int64]]
    _score: Mapping[str, NDArray[np.float64]]

    def candidates(self) -> pd.DataFrame:
        """One row for each value of each conflict.

        Returns:
            Columns ``entity``, ``attribute``, ``value`` (as most rows spell it), ``rows``, ``sources`` (counts),
            ``score`` (of the rule, missing without one), ``chosen``.
        """
        parts = []
        for attribute, candidates in self._candidates.items():
            kept = np.flatnonzero(candidates.count[candidates.entity] > 1)
            owner = candidates.entity[kept]
            parts.append(
                pd.DataFrame(
                    {
                        "entity": self.golden.index.to_numpy()[owner],
                        "attribute": attribute,
                        "value": pd.array(candidates.text[kept], dtype="string"),
                        "rows": candidates.rows[kept],
                        "sources": candidates.sources[kept],
                        "score": self._score[attribute][kept],
                        "chosen": self._winner[attribute][owner] == kept,
                    }
                )
            )
        return pd.concat(parts, ignore_index=True)

    def provenance(self) -> pd.DataFrame:
        """Where each golden value comes from: one row for each row of the table that supports it.

        A value that is one of the candidates is supported by the rows that have it in any spelling; one that a rule
        computed is supported by every row with a value. A value that only a person gave has no row here.

        Returns:
            Columns ``entity``, ``attribute``, ``rule``, ``source``, ``row`` (within the source), ``position`` (in the
            table), ordered by entity, attribute as in the table, position.
        """
        parts = []
        for number, (attribute, candidates) in enumerate(self._candidates.items()):
            winner = self._winner[attribute][self._entity]
            has = (candidates.of_row >= 0) & self.golden[attribute].notna().to_numpy()[self._entity]
            rows = np.flatnonzero(has & ((candidates.of_row == winner) | (winner == _COMPUTED)))
            parts.append(pd.DataFrame({"entity": self._entity[rows], "number": number, "position": rows}))
        found = pd.concat(parts, ignore_index=True).sort_values(["entity", "number", "position"], ignore_index=True)
        names = list(self._candidates)
        rules = [self.rules[name] for name in names]
        position = found["position"].to_numpy()
        return pd.DataFrame(
            {
                "entity": self.golden.index.to_numpy()[found["entity"].to_numpy()],
                "attribute": pd.Categorical.from_codes(
                    found["number"].to_numpy(dtype=np.int64), categories=pd.Index(names)
                ),
                "rule": np.array(rules, dtype=object)[found["number"].to_numpy()],
                "source": self._table.source[position],
                "row": self._table.row[position],
                "position": position,
            }
        )

    def rows_of(self, entity: int, attribute: str) -> list[tuple[str, int, str]]:
        """Source, row within it, and value of each row of one thing that has a value there.

        Raises:
            UserError: no such thing or attribute.
        """
        if attribute not in self._candidates:
            raise unknown_name("attribute", attribute, self._candidates)
        place = np.flatnonzero(self.golden.index.to_numpy() == entity)
        if not place.size:
            raise UserError(f"there is no entity {entity}; entities are the labels, see the index of `golden`")
        rows = np.flatnonzero((self._entity == place[0]) & (self._candidates[attribute].of_row >= 0))
        values = self._table.frame[attribute].to_numpy(dtype=object)
        return [(str(self._table.source[row]), int(self._table.row[row]), str(values[row])) for row in rows]


_COMPUTED = -2
"""In the place of a winner: the value is a function of all candidates. -1 is a value without rows, or none."""
