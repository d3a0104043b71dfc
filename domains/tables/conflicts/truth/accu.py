"""Accu: the Bayesian model of sources with an accuracy each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domains.tables.conflicts.truth.claims import ClaimGraph, Truth, posterior, settle
from domains.tables.conflicts.truth.copies import copy_weights, families

__all__ = ["Accu"]

_LOWEST, _HIGHEST = 0.02, 0.98
"""Bounds of an accuracy: one claim never outweighs everything else."""


@dataclass(frozen=True)
class Accu:
    """Dong, Berti-Equille, Srivastava: Integrating Conflicting Data, the Role of Source Dependence, PVLDB 2009.

    A source of accuracy A gives the true value of an item with probability A, and each of n false values with
    probability (1 - A) / n. So a claim adds ln(n A / (1 - A)) to its fact, the probability of a fact is the softmax of
    these sums over its item, and A is the mean probability of the claims of the source; both are repeated from the
    shares of the votes until nothing changes.

    Where this differs from the paper:

    - n is by default the number of other values that the item has, not a constant (``false_values=10`` gives one).
    - Accuracies are shrunk to the mean of all sources by ``strength`` claims, so that a source with three claims is not
      perfect; those by attribute are shrunk to the accuracy of the source, and only begin when these have settled.
    - Copying is not the paper's posterior over pairs, which takes good sources for copies of each other where a few
      values are popular and wrong; only sources that agree in every one of ``least_shared`` conflicts share a vote.

    Attributes:
        false_values: n, or None.
        by_attribute: whether a source has an accuracy for each attribute, as the paper has not; it needs many claims of
            each source in each attribute.
        strength: weight of the prior mean, in claims, > 0.
        least_shared: see `families`; 0 takes every source as a witness of its own.
        max_iterations: of each of the two stages.
        tolerance: stop when no accuracy changes by more.
    """

    false_values: int | None = None
    by_attribute: bool = False
    strength: float = 5.0
    least_shared: int = 10
    max_iterations: int = 100
    tolerance: float = 1e-6
    name: str = "Accu"

    def __post_init__(self) -> None:
        if self.false_values is not None and self.false_values < 1:
            raise ValueError(f"false_values must be at least 1, or None, got {self.false_values}")
        if not self.strength > 0:
            raise ValueError(f"strength must be > 0, got {self.strength}")
        if self.least_shared < 0:
            raise ValueError(f"least_shared must be at least 0, got {self.least_shared}")

    def fit(self, claims: ClaimGraph, known: Mapping[int, int] | None = None) -> Truth:
        """See `TruthMethod.fit`; known items hold their facts at 1 and 0 in every round."""
        if self.least_shared:
            weight = copy_weights(claims, families(claims, self.least_shared))
        else:
            weight = np.ones(len(claims.source))
        share = np.bincount(claims.fact, weight, len(claims.item))
        total = np.bincount(claims.item, share, len(claims.attribute))
        state = _State(claims, weight, settle(claims, share / total[claims.item], known), self)
        iterations = state.run(known, by_attribute=False)
        if self.by_attribute and len(claims.attributes) > 1:
            iterations += state.run(known, by_attribute=True)
        return Truth(state.probability, state.score, state.reliability, iterations)


class _State:
    """Probabilities of facts and accuracies of sources between two rounds."""

    def __init__(
        self, claims: ClaimGraph, weight: NDArray[np.float64], probability: NDArray[np.float64], settings: Accu
    ) -> None:
        self.claims, self.weight, self.probability, self.settings = claims, weight, probability, settings
        self.score = probability
        n = settings.false_values
        others = np.maximum(claims.facts_of_item - 1, 1) if n is None else np.full(len(claims.attribute), n)
        self.log_n = np.log(others)[claims.item[claims.fact]]
        self.shape = (len(claims.sources), len(claims.attributes))
        self.cell = claims.source * self.shape[1] + claims.attribute[claims.item[claims.fact]]
        self.reliability = np.full(self.shape, np.nan)
        self.cell_weight = np.bincount(self.cell, weight, self.shape[0] * self.shape[1]).reshape(self.shape)

    def run(self, known: Mapping[int, int] | None, *, by_attribute: bool) -> int:
        """Repeat both steps until the accuracies stand still; returns the number of rounds."""
        before = np.zeros(self.shape)
        for round_ in range(1, self.settings.max_iterations + 1):
            accuracy = self._accuracy(by_attribute)
            odds = self.log_n + (np.log(accuracy) - np.log1p(-accuracy)).ravel()[self.cell]
            self.score = np.bincount(self.claims.fact, self.weight * odds, len(self.claims.item)).astype(np.float64)
            self.probability = settle(self.claims, posterior(self.claims, self.score), known)
            self.reliability = np.where(self.cell_weight > 0, accuracy, np.nan)
            if np.abs(accuracy - before).max(initial=0.0) < self.settings.tolerance:
                return round_
            before = accuracy
        return self.settings.max_iterations

    def _accuracy(self, by_attribute: bool) -> NDArray[np.float64]:
        """``(s, a)``."""
        strength = self.settings.strength
        right = self.weight * self.probability[self.claims.fact]
        by_cell = np.bincount(self.cell, right, self.cell_weight.size).reshape(self.shape)
        mean = (right.sum() + 1) / (self.weight.sum() + 2)
        source = (by_cell.sum(1) + strength * mean) / (self.cell_weight.sum(1) + strength)
        if not by_attribute:
            accuracy: NDArray[np.float64] = np.broadcast_to(source[:, None], self.shape)
        else:
            accuracy = (by_cell + strength * source[:, None]) / (self.cell_weight + strength)
        return np.clip(accuracy, _LOWEST, _HIGHEST)
