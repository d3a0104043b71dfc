"""Sources that say the same wherever both speak are one witness."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from domains.tables.conflicts.truth.claims import ClaimGraph

__all__ = ["copy_weights", "families"]


def families(claims: ClaimGraph, least_shared: int = 10) -> NDArray[np.int64]:
    """Group sources that agree in every conflict on which both have a claim.

    Only items with several values count: agreement where everybody agrees says nothing. Two good sources may agree
    nearly always, so one difference is enough to keep them apart.

    Args:
        claims: of all sources.
        least_shared: conflicts on which both must have a claim, at least 1. With fewer, agreement may be chance.

    Returns:
        ``(s,)`` number of the family of each source.
    """
    several = claims.facts_of_item > 1
    kept = several[claims.item[claims.fact]]
    source, fact = claims.source[kept], claims.fact[kept]
    ones, count = np.ones(len(source), dtype=np.int64), len(claims.sources)
    by_fact = csr_array((ones, (source, fact)), shape=(count, len(claims.item)))
    by_item = csr_array((ones, (source, claims.item[fact])), shape=(count, len(several)))
    by_item.data[:] = 1  # a source with two values of one item speaks once
    same, shared = (by_fact @ by_fact.T).tocoo(), (by_item @ by_item.T).tocoo()
    pair = shared.row.astype(np.int64) * count + shared.col
    order = np.argsort(pair)
    both = shared.data[order][np.searchsorted(pair[order], same.row.astype(np.int64) * count + same.col)]
    identical = (same.data == both) & (both >= least_shared)
    edges = csr_array((identical[identical], (same.row[identical], same.col[identical])), shape=(count, count))
    return connected_components(edges, directed=False)[1].astype(np.int64)


def copy_weights(claims: ClaimGraph, family: NDArray[np.int64]) -> NDArray[np.float64]:
    """``(k,)`` weight of each claim: members of a family that claim the same fact share one vote.

    Args:
        claims: of all sources.
        family: ``(s,)`` number of the family of each source.
    """
    voice = family[claims.source] * max(len(claims.item), 1) + claims.fact
    _, inverse, count = np.unique(voice, return_inverse=True, return_counts=True)
    size: NDArray[np.int64] = count[inverse]
    return 1.0 / size
