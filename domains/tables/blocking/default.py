"""The blocker that is taken where nobody chose one."""

from __future__ import annotations

from dataclasses import dataclass

from core.checks import check_at_least
from domains.tables.blocking.blocker import Blocker, UnionOf
from domains.tables.blocking.identical import identical_pairs, most_identical_pairs
from domains.tables.blocking.minhash import MinHash
from domains.tables.blocking.neighbours import nearest_rows, row_vectors
from domains.tables.blocking.pairs import Candidates
from domains.tables.blocking.shared import SharedValues
from domains.tables.blocking.tokens import TokenIndex
from domains.tables.data.table import Table
from domains.tables.engine import LOCAL, Engine
from domains.tables.matching.attributes import attributes_of

__all__ = ["LARGE", "NearestRows", "blocker_of", "default_blocker"]

LARGE = 6000
"""Tables of more rows are blocked by shared values: the nearest rows of all of them take too long."""


@dataclass(frozen=True)
class NearestRows:
    """Each row with its nearest rows by the q-grams of all values, and with the rows that are the same as it.

    Attributes:
        neighbours: rows that each row is compared with, >= 1.
    """

    neighbours: int = 10

    def __post_init__(self) -> None:
        check_at_least("neighbours", self.neighbours, 1)

    def candidates(self, table: Table, engine: Engine = LOCAL) -> Candidates:
        """Pairs worth comparing; rows without values, and a table of equal rows, are no trouble."""
        attributes = attributes_of(table)
        near = [nearest_rows(row_vectors(attributes), self.neighbours, engine=engine)] if attributes else []
        return Candidates.union(len(table), [*near, identical_pairs(table)])

    def most_pairs(self, table: Table) -> int:
        """See `domains.tables.blocking.blocker.Blocker`."""
        return len(table) * self.neighbours + most_identical_pairs(table)


def blocker_of(name: str, table: Table, neighbours: int = 10) -> Blocker:
    """A blocker by name, as settings say it.

    Args:
        name: one of `domains.tables.blocking.BLOCKERS`. "auto" takes the nearest rows of a table of at most `LARGE`
            rows, shared values of a larger one; "all" the union of all but the nearest rows, and these too in a small
            table.
        table: the rows.
        neighbours: of "nearest_rows".
    """
    small = len(table) <= LARGE
    if name == "nearest_rows" or (name == "auto" and small):
        return NearestRows(neighbours)
    if name == "token_index":
        return TokenIndex()
    if name == "minhash":
        return MinHash()
    if name == "all":
        linear = (SharedValues(), TokenIndex(), MinHash())
        return UnionOf((NearestRows(neighbours), *linear) if small else linear)
    return SharedValues()


def default_blocker(table: Table) -> Blocker:
    """What suits the size of the table.

    Args:
        table: the rows.
    """
    return blocker_of("auto", table)
