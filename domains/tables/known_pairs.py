"""Checks of pairs of rows and of labels that a caller gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import UserError

__all__ = ["CheckedLabels", "Labels", "check_pairs", "checked_labels"]

Labels = Sequence[Sequence[Any] | NDArray[Any]]
"""Two rows of each pair, and 1 for the same thing, 0 for different ones, as a caller gives them."""
CheckedLabels = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]
"""The same, checked."""


def check_pairs(left: NDArray[Any], right: NDArray[Any], count: int) -> None:
    """Refuse pairs that are not two arrays of rows of one length.

    Args:
        left: ``(p,)`` rows.
        right: ``(p,)`` rows.
        count: rows of the table.

    Raises:
        UserError: lengths that differ, no whole numbers, or rows out of range.
    """
    for name, rows in (("left", left), ("right", right)):
        if rows.ndim != 1 or not np.issubdtype(rows.dtype, np.integer):
            raise UserError(f"{name} must be one axis of row numbers, got {rows.dtype} of shape {rows.shape}")
        wrong = np.flatnonzero((rows < 0) | (rows >= count))
        if len(wrong):
            raise UserError(f"{name} names row {rows[wrong[0]]} (pair {wrong[0]}); the table has rows 0 to {count - 1}")
    if len(left) != len(right):
        raise UserError(f"left and right are the two rows of each pair, got {len(left)} and {len(right)}")


def checked_labels(labels: Labels, count: int) -> CheckedLabels:
    """Labels as arrays, the smaller row of each pair first. A pair may stand there twice, even with both labels.

    Args:
        labels: rows, rows, 1 or 0; without any pair they may be of any type.
        count: rows of the table.

    Raises:
        UserError: as `check_pairs`, values other than 0 and 1, or a row paired with itself.

    >>> checked_labels(([3], [1], [1]), 4)
    (array([1]), array([3]), array([1.], dtype=float32))
    """
    if len(labels) != 3:
        raise UserError(f"labels are rows, rows, and 1 or 0 for each pair: three lists, got {len(labels)}")
    left, right, value = (np.asarray(part) for part in labels)
    if not left.size and not right.size and not value.size:
        none = np.empty(0, dtype=np.int64)
        return none, none, np.empty(0, dtype=np.float32)
    check_pairs(left, right, count)
    if value.shape != left.shape or value.dtype.kind not in "biuf" or not np.isin(value, (0, 1)).all():
        raise UserError(f"labels must be 1 (the same thing) or 0 for each of {len(left)} pairs, got {value[:5]} ...")
    alone = np.flatnonzero(left == right)
    if len(alone):
        raise UserError(f"the label of pair {alone[0]} is about row {left[alone[0]]} and itself; give two rows")
    low, high = np.minimum(left, right).astype(np.int64), np.maximum(left, right).astype(np.int64)
    return low, high, value.astype(np.float32)
