"""The blocker that is taken where nobody chose one."""

from __future__ import annotations

from dataclasses import dataclass

from domains.tables.blocking.identical import identical_pairs
from domains.tables.blocking.neighbours import nearest_rows, row_vectors
from domains.tables.blocking.pairs import Candidates
from domains.tables.data.table import Table
from domains.tables.matching.attributes import attributes_of

__all__ = ["NearestRows", "default_blocker"]


@dataclass(frozen=True)
class NearestRows:
    """Each row with its nearest rows by the q-grams of all values, and with the rows that are the same as it.

    Attributes:
        neighbours: rows that each row is compared with, >= 1.
    """

    neighbours: int = 10

    def candidates(self, table: Table) -> Candidates:
        """Pairs worth comparing; rows without values, and a table of equal rows, are no trouble."""
        attributes = attributes_of(table)
        near = [nearest_rows(row_vectors(attributes), self.neighbours)] if attributes else []
        return Candidates.union(len(table), [*near, identical_pairs(table)])


def default_blocker(table: Table) -> NearestRows:
    """What suits the size of the table."""
    return NearestRows()
