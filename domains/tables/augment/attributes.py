"""Attributes that lose their values or exchange them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.checks import check_rate
from domains.tables.augment.base import Augmenter

__all__ = ["AttributeDropout", "AttributeShuffle"]


class AttributeDropout(Augmenter):
    """Removal: values become missing, all others stay (attribute level of the data generator of arXiv 2412.00324).

    Args:
        rate: share of the values of a row that are removed, in [0, 1). One value of each row always stays.

    Raises:
        ValueError: a rate out of range.

    >>> AttributeDropout(0.9)({"name": "Ada", "born": None}, np.random.default_rng(0))
    {'name': 'Ada', 'born': None}
    """

    def __init__(self, rate: float = 0.3) -> None:
        check_rate("rate", rate)
        self.rate = rate

    def rows(self, cells: NDArray[np.object_], rng: np.random.Generator) -> NDArray[np.object_]:
        """Copies of many rows with fewer values.

        Args:
            cells: ``(n, m)`` text, None where missing.
            rng: of every draw.
        """
        if not cells.shape[1]:
            return cells.copy()
        draw = np.where(pd.notna(cells), rng.random(cells.shape), -1.0)
        gone = (draw < self.rate) & (draw < draw.max(axis=1, keepdims=True))
        changed = cells.copy()
        changed[gone] = None
        return changed


class AttributeShuffle(Augmenter):
    """Values in the wrong place: two attributes of a row exchange what they hold, one of which may be missing.

    That is how "dirty" sets are: a value under another attribute. Not in the paper's data generator.

    Args:
        rate: share of the rows in which two attributes exchange, in [0, 1).

    Raises:
        ValueError: a rate out of range.
    """

    def __init__(self, rate: float = 0.3) -> None:
        check_rate("rate", rate)
        self.rate = rate

    def rows(self, cells: NDArray[np.object_], rng: np.random.Generator) -> NDArray[np.object_]:
        """Copies of many rows with the same values, some at other places.

        Args:
            cells: ``(n, m)`` text, None where missing.
            rng: of every draw.
        """
        count, width = cells.shape
        changed = cells.copy()
        moved = np.flatnonzero(rng.random(count) < self.rate)
        if width < 2 or not len(moved):
            return changed
        # two different columns a row: one that holds a value, and any other
        there = pd.notna(cells[moved])
        one = np.where(there, rng.random((len(moved), width)), -1.0).argmax(axis=1)
        other = (one + rng.integers(1, width, len(moved))) % width
        changed[moved, one], changed[moved, other] = cells[moved, other], cells[moved, one]
        return changed
