"""What a rule of survivorship is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from domains.tables.conflicts.candidates import Candidates
from domains.tables.conflicts.problem import Problem

__all__ = ["Choice", "Rule", "margin_of", "scored", "unscored"]


@dataclass(frozen=True, eq=False)
class Choice:
    """What a rule chose for one attribute.

    Attributes:
        winner: ``(g,)`` int64, chosen candidate; -1 where the rule abstains or computes a value, or where there is no
            value at all.
        score: ``(c,)`` float64, the rule's own score of each candidate, NaN where it has none.
        margin: ``(g,)`` float64, best minus second score of a conflict, NaN without scores or without a conflict.
        computed: by entity, a value that is a function of the candidates and not one of them.
        why: by entity, a reason that differs from the rule's usual one.
        abstained: ``(g,)`` bool, conflicts that the rule leaves open.
    """

    winner: NDArray[np.int64]
    score: NDArray[np.float64]
    margin: NDArray[np.float64]
    computed: dict[int, str]
    why: dict[int, str]
    abstained: NDArray[np.bool_]


@runtime_checkable
class Rule(Protocol):
    """Chooses a value for every conflict of some attributes."""

    @property
    def name(self) -> str:
        """As reports show it."""

    def choose(self, problem: Problem, attributes: Sequence[str]) -> dict[str, Choice]:
        """Choose for each attribute; a rule that learns about sources sees all of its attributes at once.

        Args:
            problem: everything that is claimed.
            attributes: columns that follow this rule.
        """


def margin_of(candidates: Candidates, score: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(g,)`` best minus second score of each conflict, NaN elsewhere."""
    margin = np.full(len(candidates.count), np.nan)
    order = np.lexsort((-score, candidates.entity))
    at = candidates.start[candidates.conflicts]
    margin[candidates.conflicts] = score[order[at]] - score[order[at + 1]]
    return margin


def scored(candidates: Candidates, score: NDArray[np.float64], least_margin: float = 0.0) -> Choice:
    """The candidate with the largest score wins, ties by majority; a conflict below the margin is left open.

    Args:
        candidates: of one attribute.
        score: ``(c,)`` finite.
        least_margin: a conflict with a smaller margin has no winner.
    """
    winner, margin = candidates.first_by(score), margin_of(candidates, score)
    abstained = margin < least_margin  # NaN compares false
    return Choice(np.where(abstained, -1, winner), score, margin, {}, {}, abstained)


def unscored(candidates: Candidates, winner: NDArray[np.int64]) -> Choice:
    """A choice by order alone."""
    nothing = np.full(len(candidates.count), np.nan)
    return Choice(
        winner, np.full(len(candidates), np.nan), nothing, {}, {}, np.zeros(len(candidates.count), dtype=np.bool_)
    )
