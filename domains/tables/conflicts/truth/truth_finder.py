"""TruthFinder: sources are trustworthy if their facts are, and facts are true if trustworthy sources claim them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domains.tables.conflicts.truth.claims import ClaimGraph, Truth, reliability_of, settle

__all__ = ["TruthFinder"]

_HIGHEST = 1 - 1e-12


@dataclass(frozen=True)
class TruthFinder:
    """Yin, Han, Yu: Truth Discovery with Multiple Conflicting Information Providers on the Web, KDD 2007.

    Trust of a source t(w) is the mean confidence of its facts; the score of a fact is the sum of -ln(1 - t(w)) over
    its sources, and its confidence the logistic function of ``damping`` times the score. The paper's implication
    between similar facts of one item is left out: it needs a similarity that fits the attribute. Confidences do not
    sum to 1 over an item; the paper has no such sum.

    Attributes:
        initial_trust: of every source, in (0, 1).
        damping: for sources that are not independent, > 0.
        tolerance: stop when 1 - cosine of the trust of two rounds is below it.
        max_iterations: at most this many rounds.
    """

    initial_trust: float = 0.9
    damping: float = 0.3
    tolerance: float = 1e-6
    max_iterations: int = 100
    name: str = "TruthFinder"

    def __post_init__(self) -> None:
        if not 0 < self.initial_trust < 1:
            raise ValueError(f"initial_trust must be in (0, 1), got {self.initial_trust}")
        if not self.damping > 0:
            raise ValueError(f"damping must be > 0, got {self.damping}")

    def fit(self, claims: ClaimGraph, known: Mapping[int, int] | None = None) -> Truth:
        """See `TruthMethod.fit`."""
        trust = np.full(len(claims.sources), self.initial_trust)
        count = np.maximum(np.bincount(claims.source, minlength=len(trust)), 1)
        score, confidence = self._facts(claims, trust, known)
        iterations = 0
        for iterations in range(1, self.max_iterations + 1):  # noqa: B007 (the last number is reported)
            before = trust
            trust = np.bincount(claims.source, confidence[claims.fact], len(trust)) / count
            score, confidence = self._facts(claims, trust, known)
            length = float(np.linalg.norm(before) * np.linalg.norm(trust))
            if length == 0 or 1 - float(before @ trust) / length < self.tolerance:
                break
        return Truth(confidence, score, reliability_of(claims, confidence), iterations)

    def _facts(
        self, claims: ClaimGraph, trust: NDArray[np.float64], known: Mapping[int, int] | None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        weight = -np.log1p(-np.minimum(trust, _HIGHEST))
        score = np.bincount(claims.fact, weight[claims.source], len(claims.item)).astype(np.float64)
        return score, settle(claims, 1 / (1 + np.exp(-self.damping * score)), known)
