"""SLiMFast: a log-linear model of reliability, learned from known items or without any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_array

from domains.tables.conflicts.truth.accu import Accu
from domains.tables.conflicts.truth.claims import ClaimGraph, Truth, posterior, reliability_of, settle
from domains.tables.conflicts.truth.copies import copy_weights, families
from domains.tables.conflicts.truth.features import design

__all__ = ["SlimFast"]


@dataclass(frozen=True)
class SlimFast:
    """Rekatsinas, Joglekar, Garcia-Molina, Parameswaran, Re: SLiMFast, SIGMOD 2017.

    The probability of a fact is the softmax over its item of a sum of weights: one for each claim, made of a weight of
    the source and one of the source in this attribute, and one for the form of the value. With known items the weights
    maximise their likelihood (the paper's ERM); without, expectation and maximisation take turns over all conflicts
    (EM), beginning with the posterior of `Accu`. Both have a Gaussian prior around one vote for each source.

    Where this differs from the paper: features of a source (its age, its rank) are left out, since tables have none;
    weights by attribute, the form of the value and the shared votes of identical sources are ours; the choice between
    ERM and EM is not the paper's optimiser but whether anything is known.

    Attributes:
        ridge: precision of the prior of a weight, > 0.
        form: whether the form of a value counts, see `log_form_share`.
        least_shared: see `families`; 0 takes every source as a witness of its own.
        rounds: of EM.
    """

    ridge: float = 1.0
    form: bool = True
    least_shared: int = 10
    rounds: int = 10
    name: str = "SlimFast"

    def __post_init__(self) -> None:
        if not self.ridge > 0:
            raise ValueError(f"ridge must be > 0, got {self.ridge}")
        if self.least_shared < 0:
            raise ValueError(f"least_shared must be at least 0, got {self.least_shared}")

    def fit(self, claims: ClaimGraph, known: Mapping[int, int] | None = None) -> Truth:
        """See `TruthMethod.fit`."""
        if self.least_shared:
            weight = copy_weights(claims, families(claims, self.least_shared))
        else:
            weight = np.ones(len(claims.source))
        features = design(claims, weight, form=self.form)
        if known:
            facts, rows = claims.answers(known)
            target = np.zeros(len(claims.item))
            target[facts] = 1.0
            score = features @ self._maximise(claims, features, target, rows)
            iterations = 1
        else:
            score, iterations = self._without_labels(claims, features)
        probability = settle(claims, posterior(claims, score), known)
        return Truth(probability, score, reliability_of(claims, probability), iterations)

    def _without_labels(self, claims: ClaimGraph, features: csr_array) -> tuple[NDArray[np.float64], int]:
        rows = (claims.facts_of_item > 1)[claims.item]
        start = Accu(least_shared=self.least_shared).fit(claims)
        score, target = start.score, start.probability
        for _ in range(self.rounds):
            score = features @ self._maximise(claims, features, target, rows)
            target = posterior(claims, score)
        return score, self.rounds

    def _maximise(
        self, claims: ClaimGraph, features: csr_array, target: NDArray[np.float64], rows: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """The weights with the largest posterior, given soft truth of some facts."""
        part, wanted = features[np.flatnonzero(rows)], target[rows]
        centre = np.zeros(features.shape[1])
        centre[0] = 1.0  # every source one vote
        if not rows.any():
            return centre
        start = np.flatnonzero(np.diff(claims.item[rows], prepend=-1))
        size = np.diff(np.append(start, len(wanted)))

        def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            score = part @ weights
            top = np.repeat(np.maximum.reduceat(score, start), size)
            mass = np.exp(score - top)
            total = np.repeat(np.add.reduceat(mass, start), size)
            away = weights - centre
            value = -float(wanted @ (score - top - np.log(total))) + 0.5 * self.ridge * float(away @ away)
            return value, part.T @ (mass / total - wanted) + self.ridge * away

        return np.asarray(minimize(loss, centre, jac=True, method="L-BFGS-B", options={"maxiter": 500}).x)
