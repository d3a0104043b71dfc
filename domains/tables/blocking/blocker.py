"""What a blocker is: it chooses the pairs of rows that are worth comparing, and says beforehand how many at most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from core.errors import UserError
from domains.tables.blocking.pairs import Candidates
from domains.tables.data.table import Table
from domains.tables.engine import LOCAL, Engine

__all__ = ["Blocker", "UnionOf"]


@runtime_checkable
class Blocker(Protocol):
    """Chooses pairs."""

    def candidates(self, table: Table, engine: Engine = LOCAL) -> Candidates:
        """Pairs worth comparing.

        Args:
            table: the rows.
            engine: where blocks of rows are looked at, by blockers that do so.
        """

    def most_pairs(self, table: Table) -> int:
        """As many pairs at most; far cheaper than finding them.

        Args:
            table: the rows.
        """


@dataclass(frozen=True)
class UnionOf:
    """The pairs that any of several blockers finds.

    Attributes:
        parts: one blocker or more.
    """

    parts: Sequence[Blocker]

    def __post_init__(self) -> None:
        if not self.parts:
            raise UserError("a union of blockers needs at least one")

    def candidates(self, table: Table, engine: Engine = LOCAL) -> Candidates:
        """See `Blocker`."""
        return Candidates.union(len(table), (part.candidates(table, engine) for part in self.parts))

    def most_pairs(self, table: Table) -> int:
        """See `Blocker`."""
        return sum(part.most_pairs(table) for part in self.parts)
