"""Rules whose value is a declared function of the candidates: mean, median, all joined, a function of one's own."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, Inexact, localcontext
from itertools import accumulate
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.errors import UserError
from domains.tables.conflicts.candidates import Candidates
from domains.tables.conflicts.comparable import number
from domains.tables.conflicts.problem import Problem
from domains.tables.conflicts.rule import Choice, unscored

__all__ = ["Concatenation", "NumberRule", "OwnFunction"]

_DIGITS = 15
"""Of a mean that does not end, at least."""


@dataclass(frozen=True)
class NumberRule:
    """Mean or median over the rows of a conflict, in decimal digits and never as a power of ten.

    A mean that ends has all of its digits. One that does not has 15, or more where the values have: all those before
    the point, and two after it more than the longest value. A median that is one of the values is written as it stands
    there.

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
        winner = candidates.first_by()
        computed: dict[int, str] = {}
        why: dict[int, str] = {}
        for entity in candidates.conflicts.tolist():
            first, end = candidates.start[entity], candidates.start[entity + 1]
            values = [value for text in candidates.text[first:end] if (value := number(text)) is not None]
            if len(values) < end - first:
                why[entity] = f"not all values are numbers, so no {self.name}: majority"
                continue
            function = _mean if self.function == "mean" else _median
            found = function(values, candidates.rows[first:end].tolist())
            winner[entity] = -1 if isinstance(found, str) else first + found
            if isinstance(found, str):
                computed[entity] = found
        return replace(unscored(candidates, winner), computed=computed, why=why)


def _mean(values: Sequence[Decimal], rows: Sequence[int]) -> str:
    """The mean of values that each stand in some rows."""
    whole, after = (max(digits) for digits in zip(*map(_digits, values), strict=True))
    total = sum(rows)
    # A quotient that ends does so within as many digits more as the divisor has bits.
    with localcontext(prec=whole + after + 2 * total.bit_length()) as context:
        context.clear_flags()
        summed = sum((value * count for value, count in zip(values, rows, strict=True)), Decimal(0))
        mean = summed / total
    if context.flags[Inexact]:
        with localcontext(prec=max(_DIGITS, whole + after + 2)):
            mean = summed / total
    return _plain(mean)


def _median(values: Sequence[Decimal], rows: Sequence[int]) -> str | int:
    """The position of the middle value, or the mean of the two middle ones."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ends = list(accumulate(rows[place] for place in order))
    low, high = (order[bisect_right(ends, middle)] for middle in ((ends[-1] - 1) // 2, ends[-1] // 2))
    return low if low == high else _mean([values[low], values[high]], [1, 1])


def _digits(value: Decimal) -> tuple[int, int]:
    """Digits before and after the point."""
    return max(1, value.adjusted() + 1), max(0, -int(value.as_tuple().exponent))


def _plain(value: Decimal) -> str:
    """Without an exponent, and without zeros that say nothing.

    >>> _plain(Decimal("2.50")), _plain(Decimal("3E+2")), _plain(Decimal("-0.0"))
    ('2.5', '300', '0')
    """
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


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
