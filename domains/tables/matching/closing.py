"""Pairs that blocking left out although a chain of likely matches joins their rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from domains.tables.blocking.pairs import Candidates, within_blocks

__all__ = ["chained_pairs"]


_MORE = 2_000_000


def chained_pairs(candidates: Candidates, likely: NDArray[np.bool_], largest: int = 200) -> Candidates:
    """Pairs within the components of likely matches that are no candidates yet.

    Average linkage counts a pair that nobody compared as unlike, which splits large sets; so they are compared too.
    Components of more than ``largest`` rows follow, the smallest first, as long as all of those have no more than two
    million pairs: one thing of two thousand rows stays whole, and a chain through half of a large table is left.

    Args:
        candidates: the pairs so far.
        likely: ``(p,)`` those that join rows.
        largest: rows of a component that is closed however many there are.
    """
    n = candidates.count
    ones = np.ones(int(likely.sum()), dtype=np.int8)
    joined = coo_array((ones, (candidates.left[likely], candidates.right[likely])), shape=(n, n))
    _, component = connected_components(joined, directed=False)
    size, several = np.unique(np.bincount(component), return_counts=True)
    pairs = np.where(size > largest, size * (size - 1) // 2 * several, 0)
    closed = int(size[np.cumsum(pairs) <= _MORE].max(initial=0))
    left, right = within_blocks(np.arange(n), component, closed)
    found = Candidates.of(n, left, right)
    fresh = np.setdiff1d(found.key, candidates.key, assume_unique=True)
    return Candidates(n, *np.divmod(fresh, max(1, n)))
