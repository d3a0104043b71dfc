"""Rules whose value is a declared function of the candidates: mean, median, all joined, a function of one's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import UserError
from domains.tables.conflicts.candidates import Candidates
from domains.tables.conflicts.comparable import number
from domains.tables.conflicts.problem import Problem
from domains.tables.conflicts.rule import Choice, unscored

__all__ = ["Concatenation", "NumberRule", "OwnFunction"]


@dataclass(frozen=True)
class NumberRule:
    """Mean or median over the rows of a conflict, written with at most 12 digits.

    A conflict in which not every value is a plain decimal number falls to the majority, and its reason says so.

    Attributes:
        function: "mean" or "median".
    """

    function: Literal["mean", "median"] = "mean"

    @property
    def name(self) -> str:
        """As reports show it."""
        return self.function

    def choose(self, problem: Problem, attributes: Sequence[str]) -> dict[str, Choice]:
        """See `Rule.choose`."""
        return {attribute: self._one(problem.candidates[attribute]) for attribute in attributes}

    def _one(self, candidates: Candidates) -> Choice:
        value = np.array([number(text) for text in candidates.text], dtype=np.float64)
        winner = candidates.first_by()
        numeric = np.ones(len(candidates.count), dtype=np.bool_)
        np.logical_and.at(numeric, candidates.entity, np.isfinite(value))
        conflicts = candidates.conflicts
        joined = conflicts[numeric[conflicts]]
        repeated = np.repeat(np.arange(len(candidates)), candidates.rows)
        series = pd.Series(value[repeated]).groupby(candidates.entity[repeated])
        result: pd.Series = series.mean() if self.function == "mean" else series.median()
        computed = {int(e): f"{result[e]:.12g}" for e in joined}
        why = {
            int(e): f"not all values are numbers, so no {self.name}: majority" for e in conflicts[~numeric[conflicts]]
        }
        winner[joined] = -1
        return replace(unscored(candidates, winner), computed=computed, why=why)


@dataclass(frozen=True)
class Concatenation:
    """All distinct values in one text: most sources first, then most rows, then by text.

    Attributes:
        separator: between two values.
    """

    separator: str = "; "
    name: str = "union"

    def choose(self, problem: Problem, attributes: Sequence[str]) -> dict[str, Choice]:
        """See `Rule.choose`."""
        return {attribute: self._one(problem.candidates[attribute]) for attribute in attributes}

    def _one(self, candidates: Candidates) -> Choice:
        order = np.lexsort((np.arange(len(candidates)), -candidates.rows, -candidates.sources, candidates.entity))
        ordered, start = candidates.text[order], candidates.start
        computed = {
            int(e): self.separator.join(ordered[start[e] : start[e + 1]].tolist()) for e in candidates.conflicts
        }
        return replace(unscored(candidates, _without_conflicts(candidates)), computed=computed)


@dataclass(frozen=True)
class OwnFunction:
    """Any function of the values of a conflict, called once for each conflict.

    Attributes:
        function: takes the values of all rows as they stand, sorted, repeated ones included; gives the value, or None
            to leave the conflict open. A value that is no candidate counts as computed from all of them.
    """

    function: Callable[[list[str]], str | None]

    @property
    def name(self) -> str:
        """As reports show it."""
        return f"function {getattr(self.function, '__name__', 'without a name')}"

    def choose(self, problem: Problem, attributes: Sequence[str]) -> dict[str, Choice]:
        """See `Rule.choose`."""
        return {a: self._one(problem, problem.candidates[a]) for a in attributes}

    def _one(self, problem: Problem, candidates: Candidates) -> Choice:
        rows = np.flatnonzero((candidates.of_row >= 0) & (candidates.count[problem.entity] > 1))
        rows = rows[np.argsort(problem.entity[rows], kind="stable")]
        entities, start = np.unique(problem.entity[rows], return_index=True)
        texts = problem.table.frame[candidates.attribute].to_numpy(dtype=object)[rows]
        winner = _without_conflicts(candidates)
        computed: dict[int, str] = {}
        abstained = np.zeros(len(candidates.count), dtype=np.bool_)
        for entity, values in zip(entities.tolist(), np.split(texts, start[1:]), strict=True):
            value = self.function(sorted(values.tolist()))
            if value is None:
                abstained[entity] = True
            elif isinstance(value, str):
                at, end = candidates.start[entity], candidates.start[entity + 1]
                same = np.flatnonzero(candidates.text[at:end] == value)
                if same.size:
                    winner[entity] = at + same[0]
                else:
                    computed[entity] = value
            else:
                raise UserError(
                    f"{self.name} gave {value!r} for {candidates.attribute!r}; a rule must return text, or "
                    "None to leave the conflict open"
                )
        return replace(unscored(candidates, winner), computed=computed, abstained=abstained)


def _without_conflicts(candidates: Candidates) -> NDArray[np.int64]:
    winner = candidates.first_by()
    winner[candidates.conflicts] = -1
    return winner
