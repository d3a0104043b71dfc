"""Checks of pairs of rows and of labels that a caller gives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.errors import UserError

__all__ = ["Labels", "check_pairs", "checked_labels"]

Labels = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.floating]]
"""Two rows of each pair, and 1 for the same thing, 0 for different ones."""


def check_pairs(left: NDArray[np.integer], right: NDArray[np.integer], count: int) -> None:
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


def checked_labels(labels: Labels, count: int) -> Labels:
    """Labels with float32 values.

    Args:
        labels: rows, rows, 1 or 0.
        count: rows of the table.

    Raises:
        UserError: as `check_pairs`, values other than 0 and 1, or a row paired with itself.
    """
    left, right, value = np.asarray(labels[0]), np.asarray(labels[1]), np.asarray(labels[2])
    check_pairs(left, right, count)
    if value.shape != left.shape or not np.isin(value, (0, 1)).all():
        raise UserError(f"labels must be 1 (the same thing) or 0 for each of {len(left)} pairs, got {value[:5]} ...")
    alone = np.flatnonzero(left == right)
    if len(alone):
        raise UserError(f"the label of pair {alone[0]} is about row {left[alone[0]]} and itself; give two rows")
    return left.astype(np.int64), right.astype(np.int64), value.astype(np.float32)
