"""Similarity of two partitions by matching their sets one to one, as the paper on table integration scores sets."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching

from domains.tables.sets.overlap import Overlap

__all__ = ["set_similarity"]


def set_similarity(true: NDArray[Any], found: NDArray[Any]) -> float:
    """Best one-to-one matching of true and found sets by their Jaccard similarity, as a share of the larger number.

    Ji et al. 2024, arXiv 2412.00324, with R the true sets and S the found ones::

        similarity = max over matchings M of  sum_{(r, s) in M} |r & s| / |r | s|   /   max(|R|, |S|)

    The text of the report leaves the sum as it is; its released code divides, and so do we. 1 if and only if the
    partitions are equal, symmetric. The matching is exact: only sets that overlap can gain, so each component of the
    graph of overlaps is solved on its own, and all those with one set on a side need no solver.

    Args:
        true: ``(n,)`` label of each row, of any type.
        found: ``(n,)`` label of each row.

    Returns:
        In [0, 1]; 1 for no rows.

    Raises:
        ValueError: lengths that differ.

    >>> round(set_similarity(np.array([1, 1, 1, 2, 2]), np.array([1, 1, 2, 2, 2])), 4)  # (2/3 + 2/3) / 2
    0.6667
    """
    overlap = Overlap.of(true, found)
    if overlap.rows == 0:
        return 1.0
    r, s = overlap.true_size.size, overlap.found_size.size
    union = overlap.true_size[overlap.true] + overlap.found_size[overlap.found] - overlap.count
    jaccard = overlap.count / union
    shape = (r + s, r + s)
    graph = coo_array((np.ones(jaccard.size), (overlap.true, r + overlap.found)), shape=shape)
    component = connected_components(graph.tocsr(), directed=False)[1].astype(np.int64)
    of_true, of_cell = component[:r], component[overlap.true]
    true_sets = np.bincount(of_true, minlength=int(component.max()) + 1)
    found_sets = np.bincount(component[r:], minlength=true_sets.size)
    star = (true_sets == 1) | (found_sets == 1)
    best = np.zeros(true_sets.size)
    np.maximum.at(best, of_cell, jaccard)
    total = float(best[star].sum())
    rest = np.flatnonzero(~star[of_cell])
    rest = rest[np.argsort(of_cell[rest], kind="stable")]
    for cells in np.split(rest, np.flatnonzero(np.diff(of_cell[rest])) + 1):
        if cells.size:
            total += _matching(overlap.true[cells], overlap.found[cells], jaccard[cells])
    return total / max(r, s)


def _matching(left: NDArray[np.int64], right: NDArray[np.int64], gain: NDArray[np.float64]) -> float:
    rows, i = np.unique(left, return_inverse=True)
    columns, j = np.unique(right, return_inverse=True)
    # A column of its own for each row, at no gain, makes a full matching possible; costs must not be 0 in a sparse
    # matrix, so a gain g costs 2 - g.
    own = np.arange(rows.size)
    cost = np.concatenate([2 - gain, np.full(rows.size, 2.0)])
    cells = (np.concatenate([i, own]), np.concatenate([j, columns.size + own]))
    matrix = csr_array(coo_array((cost, cells), shape=(rows.size, columns.size + rows.size)))
    chosen_rows, chosen_columns = min_weight_full_bipartite_matching(matrix)
    # Added up from the gains themselves, so that nothing is lost to rounding in 2 - g.
    real = chosen_columns < columns.size
    gains = csr_array(coo_array((gain, (i, j)), shape=(rows.size, columns.size)))
    return float(gains[chosen_rows[real], chosen_columns[real]].sum())
