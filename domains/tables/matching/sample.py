"""The pairs that a matcher learns from where there are more than it needs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from domains.tables.blocking.pairs import Candidates

__all__ = ["learning_pairs"]


def learning_pairs(candidates: Candidates, most: int, draw: np.random.Generator) -> tuple[NDArray[np.int64], float]:
    """Positions of about ``most`` candidates: all pairs whose smaller row is in an even sample of rows.

    All pairs of a row stay together, so that sets can be formed among them.

    Args:
        candidates: all pairs.
        most: pairs wanted.
        draw: random numbers.

    Returns:
        The positions, and the share of rows that was drawn.
    """
    if len(candidates) <= most:
        return np.arange(len(candidates)), 1.0
    share = most / len(candidates)
    drawn = draw.random(candidates.count) < share
    return np.flatnonzero(drawn[candidates.left]), share
