"""What all augmenters of records share: one record or many rows, by the same code."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.checks import check_rate

__all__ = ["Augmenter", "Record", "ValueAugmenter", "is_number"]

Record = Mapping[str, str | None]
"""One tuple: attribute to value, None where it is missing."""

_NOT_IN_NUMBERS = re.compile(r"[^\W\d_]")


def is_number(text: str) -> bool:
    """Whether a value has digits and no letters: amounts, years, telephone numbers.

    >>> is_number("(773) 555-0100"), is_number("3rd"), is_number("--")
    (True, False, False)
    """
    return _NOT_IN_NUMBERS.search(text) is None and any(map(str.isdecimal, text))


class Augmenter(ABC):
    """Changes records a little, so that each stays the same thing. A row with a value never loses all of them."""

    @abstractmethod
    def rows(self, cells: NDArray[np.object_], rng: np.random.Generator) -> NDArray[np.object_]:
        """Changed copies of many rows.

        Args:
            cells: ``(n, m)`` text, None where missing.
            rng: of every draw.
        """

    def __call__(self, record: Record, rng: np.random.Generator) -> dict[str, str | None]:
        """A changed copy of one record.

        Args:
            record: attribute to value.
            rng: of every draw.
        """
        cells = np.empty((1, len(record)), dtype=object)
        cells[0, :] = list(record.values())
        return dict(zip(record, self.rows(cells, rng)[0].tolist(), strict=True))


class ValueAugmenter(Augmenter):
    """Changes single values, whatever attribute they stand in.

    Args:
        rate: share of the values of a row that are changed, in [0, 1); each row changes one at least.

    Raises:
        ValueError: a rate out of range.
    """

    def __init__(self, rate: float = 0.3) -> None:
        check_rate("rate", rate)
        self.rate = rate

    @abstractmethod
    def values(self, texts: Sequence[str], rng: np.random.Generator) -> list[str]:
        """One changed version of each text; a text that offers nothing to change comes back as it is.

        Args:
            texts: distinct or not, none blank.
            rng: of every draw.
        """

    def rows(self, cells: NDArray[np.object_], rng: np.random.Generator) -> NDArray[np.object_]:
        """Changed copies of many rows; missing values stay missing.

        Args:
            cells: ``(n, m)`` text, None where missing.
            rng: of every draw.
        """
        present = pd.notna(cells)
        draw = np.where(present, rng.random(cells.shape), np.inf)
        chosen = draw < self.rate
        if cells.shape[1]:
            first = draw.argmin(axis=1)
            chosen[np.arange(len(cells)), first] = present[np.arange(len(cells)), first]
        changed = cells.copy()
        changed[chosen] = self.values(cells[chosen].tolist(), rng)
        return changed
