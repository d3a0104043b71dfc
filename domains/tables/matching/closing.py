"""Pairs that blocking left out although a chain of likely matches joins their rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from domains.tables.blocking.pairs import Candidates, within_blocks

__all__ = ["chained_pairs"]


def chained_pairs(candidates: Candidates, likely: NDArray[np.bool_], largest: int = 200) -> Candidates:
    """Pairs within the components of likely matches that are no candidates yet.

    Average linkage counts a pair that nobody compared as unlike, which splits large sets; so they are compared too.

    Args:
        candidates: the pairs so far.
        likely: ``(p,)`` those that join rows.
        largest: rows of a component that is closed; in larger ones the pairs would be too many.
    """
    n = candidates.count
    ones = np.ones(int(likely.sum()), dtype=np.int8)
    joined = coo_array((ones, (candidates.left[likely], candidates.right[likely])), shape=(n, n))
    _, component = connected_components(joined, directed=False)
    left, right = within_blocks(np.arange(n), component, largest)
    found = Candidates.of(n, left, right)
    fresh = np.setdiff1d(found.key, candidates.key, assume_unique=True)
    return Candidates(n, *np.divmod(fresh, max(1, n)))
