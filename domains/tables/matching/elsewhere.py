"""Values that stand in the wrong attribute: names that were swapped, a brand within the title."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from domains.tables.matching.attributes import Attribute
from domains.tables.matching.compare import BINS, ELSEWHERE, MISSING, Comparison
from domains.tables.matching.grams import count_grams, row_products

__all__ = ["mark_elsewhere"]

_CONTAINED = 0.75
_UNLIKE = (BINS.index(0.55) + 1) * 8
"""Levels below this one are of unlike values, similarity below 0.55."""
_BLOCK = 1 << 17


def mark_elsewhere(
    comparison: Comparison,
    attributes: Sequence[Attribute],
    left: NDArray[np.integer],
    right: NDArray[np.integer],
    where: NDArray[np.bool_] | None = None,
) -> None:
    """Set the level of unlike values that each stand elsewhere in the other row to `ELSEWHERE`, in place.

    A value stands in a row if three quarters of its q-grams are in the row's values, whatever the attribute. One value
    alone is no evidence: the other row must not have another value of its own in the place.

    Args:
        comparison: of the pairs.
        attributes: of the table.
        left: ``(p,)`` rows.
        right: ``(p,)`` rows.
        where: ``(p,)`` pairs to look at; None looks at all.
    """
    attributes = [attribute for attribute in attributes if not attribute.whole]  # the whole row is the last one
    known = comparison.level[:, : len(attributes)]
    unlike = ((known != MISSING) & (known < _UNLIKE)).any(axis=1)
    pairs = np.flatnonzero(unlike if where is None else unlike & where)
    for start in range(0, len(pairs), _BLOCK):
        block = pairs[start : start + _BLOCK]
        rows, position = np.unique(np.concatenate([left[block], right[block]]), return_inverse=True)
        _mark_block(
            comparison,
            block,
            [attribute.restrict(rows) for attribute in attributes],
            position[: len(block)],
            position[len(block) :],
        )


def _mark_block(
    comparison: Comparison,
    pairs: NDArray[np.int64],
    attributes: Sequence[Attribute],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
) -> None:
    grams = count_grams(np.concatenate([attribute.values for attribute in attributes]))
    grams.data[:] = 1
    bounds = np.cumsum([0, *(len(attribute.values) for attribute in attributes)])
    values: list[csr_array] = [grams[low:high] for low, high in pairwise(bounds)]
    n = len(attributes[0].code)
    rows: csr_array = (
        sum(_where(attribute, n) @ own for attribute, own in zip(attributes[1:], values[1:], strict=True))
        + _where(attributes[0], n) @ values[0]
    )
    rows.data[:] = 1
    for column, (attribute, own) in enumerate(zip(attributes, values, strict=True)):
        level = comparison.level[pairs, column]
        unlike = np.flatnonzero((level != MISSING) & (level < _UNLIKE))
        size = np.diff(own.indptr)
        for a, b in ((left, right), (right, left)):
            code = attribute.code[a[unlike]]
            unlike = unlike[row_products(own, rows, code, b[unlike]) > _CONTAINED * size[code]]
        comparison.level[pairs[unlike], column] = ELSEWHERE
        comparison.rarity[pairs[unlike], column] = 0


def _where(attribute: Attribute, n: int) -> csr_array:
    """``(n, k)`` 1 where a row has a value."""
    there = np.flatnonzero(attribute.present)
    ones = np.ones(len(there), dtype=np.float32)
    found: csr_array = csr_array((ones, (there, attribute.code[there])), shape=(n, len(attribute.values)))
    return found
