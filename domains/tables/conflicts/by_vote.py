"""Rules that take one of the candidates by counting or by order: majority, longest, newest, a ranking of sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import UserError, unknown_name
from domains.tables.conflicts.candidates import Candidates
from domains.tables.conflicts.dates import Order, days
from domains.tables.conflicts.problem import Problem
from domains.tables.conflicts.rule import Choice, margin_of, unscored

__all__ = ["Longest", "Majority", "Newest", "SourcePriority"]


@dataclass(frozen=True)
class Majority:
    """The value of most sources; ties: most rows, then the longest text, then the smallest text.

    Sources count before rows because a source that holds a thing twice is still one witness. The score is the share of
    sources among all claims of a source, in [0, 1].

    Attributes:
        least_margin: conflicts whose best two shares are closer than this are left open, in [0, 1].
    """

    least_margin: float = 0.0
    name: str = "majority"

    def choose(self, problem: Problem, attributes: Sequence[str]) -> dict[str, Choice]:
        """See `Rule.choose`."""
        return {attribute: self._one(problem.candidates[attribute]) for attribute in attributes}

    def _one(self, candidates: Candidates) -> Choice:
        claims = np.bincount(candidates.entity, candidates.sources, len(candidates.count))
        share = candidates.sources / claims[candidates.entity]
        winner, margin = candidates.first_by(), margin_of(candidates, share)
        abstained = margin < self.least_margin
        return Choice(np.where(abstained, -1, winner), share, margin, {}, {}, abstained)


@dataclass(frozen=True)
class Longest:
    """The longest text, in characters; ties by majority."""

    name: str = "longest"

    def choose(self, problem: Problem, attributes: Sequence[str]) -> dict[str, Choice]:
        """See `Rule.choose`."""
        found = [problem.candidates[attribute] for attribute in attributes]
        return {one.attribute: unscored(one, one.first_by(one.length)) for one in found}


@dataclass(frozen=True)
class Newest:
    """The value of the row with the latest date; ties by majority.

    A row without a date, or with one that cannot be read, is older than every dated row.

    Attributes:
        by: the column of dates.
        order: order of day, month and year where the dates are written with slashes, dots or dashes; None finds it, see
            `domains.tables.conflicts.dates.days`.
    """

    by: str
    order: Order | None = None

    @property
    def name(self) -> str:
        """As reports show it."""
        return f"newest by {self.by}"

    def choose(self, problem: Problem, attributes: Sequence[str]) -> dict[str, Choice]:
        """See `Rule.choose`."""
        if self.by not in problem.table.columns:
            raise unknown_name("date column", self.by, problem.table.columns)
        date = days(problem.table.frame[self.by], self.by, self.order, problem.whole.frame[self.by])
        return {attribute: self._one(problem.candidates[attribute], date) for attribute in attributes}

    def _one(self, candidates: Candidates, date: NDArray[np.float64]) -> Choice:
        filled = candidates.of_row >= 0
        latest = np.full(len(candidates), -np.inf)
        np.maximum.at(latest, candidates.of_row[filled], date[filled])
        return unscored(candidates, candidates.first_by(latest))


@dataclass(frozen=True)
class SourcePriority:
    """The value of the first source in a ranking that has one; ties (one source with several values) by majority.

    Attributes:
        order: names of sources, the most trusted first. Sources that are not named come after all that are, as equals.
    """

    order: tuple[str, ...]

    @property
    def name(self) -> str:
        """As reports show it."""
        return "source priority"

    def choose(self, problem: Problem, attributes: Sequence[str]) -> dict[str, Choice]:
        """See `Rule.choose`."""
        if not self.order:
            raise UserError("source_priority needs the names of sources, the most trusted first")
        if len(set(self.order)) < len(self.order):
            raise UserError(f"source_priority names a source twice: {', '.join(self.order)}")
        known = problem.whole.sources
        for source in self.order:
            if source not in known:
                raise unknown_name("source", source, known)
        place = {source: len(self.order) - rank for rank, source in enumerate(self.order)}
        trust = np.array([place.get(source, 0) for source in problem.table.source.tolist()], dtype=np.int64)
        return {attribute: self._one(problem.candidates[attribute], trust) for attribute in attributes}

    def _one(self, candidates: Candidates, trust: NDArray[np.int64]) -> Choice:
        filled = candidates.of_row >= 0
        best = np.zeros(len(candidates), dtype=np.int64)
        np.maximum.at(best, candidates.of_row[filled], trust[filled])
        return unscored(candidates, candidates.first_by(best))
