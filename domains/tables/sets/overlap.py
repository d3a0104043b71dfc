"""The overlaps of two partitions of the same rows: the sparse contingency table that all set measures need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Overlap"]


@dataclass(frozen=True, eq=False)
class Overlap:
    """Cells of the contingency table that are not empty.

    Attributes:
        rows: number of rows n.
        true: ``(c,)`` int64, the true set of each cell, sorted.
        found: ``(c,)`` int64, its found set.
        count: ``(c,)`` int64, rows in both.
        true_size: ``(r,)`` int64, rows of each true set.
        found_size: ``(s,)`` int64, rows of each found set.
    """

    rows: int
    true: NDArray[np.int64]
    found: NDArray[np.int64]
    count: NDArray[np.int64]
    true_size: NDArray[np.int64]
    found_size: NDArray[np.int64]

    @classmethod
    def of(cls, true: NDArray[Any], found: NDArray[Any]) -> Overlap:
        """Count the overlaps.

        Args:
            true: ``(n,)`` label of each row, of any type.
            found: ``(n,)`` label of each row.

        Raises:
            ValueError: lengths that differ.
        """
        true, found = np.asarray(true), np.asarray(found)
        if true.ndim != 1 or true.shape != found.shape:
            raise ValueError(f"one label for each row in both, got the shapes {true.shape} and {found.shape}")
        r, true_size = _codes(true)
        s, found_size = _codes(found)
        width = max(found_size.size, 1)
        cell, count = np.unique(r * width + s, return_counts=True)
        return cls(true.size, cell // width, cell % width, count.astype(np.int64), true_size, found_size)


def _codes(labels: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    _, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    return codes.astype(np.int64).reshape(-1), sizes.astype(np.int64)
