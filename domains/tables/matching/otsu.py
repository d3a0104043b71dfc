"""Otsu's threshold: the split of scores into two groups that are apart the most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["otsu"]


def otsu(scores: NDArray[np.floating], bins: int = 256) -> float:
    """The bound between two groups of scores with the largest variance between the groups.

    Otsu 1979, A threshold selection method from gray-level histograms, on a histogram.

    Args:
        scores: ``(p,)`` finite.
        bins: of the histogram.

    Returns:
        The bound; above all scores where they are all the same.

    >>> round(otsu(np.array([0.1, 0.12, 0.8, 0.9])), 2) in (0.13, 0.12)
    True
    """
    if float(np.ptp(scores)) <= 1e-6 * float(np.abs(scores).max(initial=0)):
        return float(scores.max()) + 0.5
    counts, edges = np.histogram(scores, bins)
    centres = (edges[1:] + edges[:-1]) / 2
    low = np.cumsum(counts)
    high = low[-1] - low
    total = np.cumsum(counts * centres)
    inside = np.flatnonzero((low > 0) & (high > 0))
    if not len(inside):
        return float(edges[-1])
    gap = total[inside] / low[inside] - (total[-1] - total[inside]) / high[inside]
    return float(edges[1:][inside[np.argmax(low[inside] * high[inside] * gap**2)]])
