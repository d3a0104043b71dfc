"""One source, one vote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from domains.tables.conflicts.truth.claims import ClaimGraph, Truth, reliability_of, settle

__all__ = ["MajorityVote"]


@dataclass(frozen=True)
class MajorityVote:
    """The probability of a fact is its share of the votes on its item; nothing is learned about sources."""

    name: str = "majority vote"

    def fit(self, claims: ClaimGraph, known: Mapping[int, int] | None = None) -> Truth:
        """See `TruthMethod.fit`; known items are settled and change nothing else."""
        total = np.bincount(claims.item, claims.votes, len(claims.attribute))
        share = settle(claims, claims.votes / total[claims.item], known)
        return Truth(share, share, reliability_of(claims, share), 0)
