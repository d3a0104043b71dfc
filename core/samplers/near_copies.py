"""When two items are near-copies: what a measure offers to the search for exemplars."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bools", "Indices", "Measure", "PreparedItems"]

Indices = NDArray[np.int64]
Bools = NDArray[np.bool_]


class PreparedItems(ABC):
    """A collection in the form in which a measure compares it.

    Attributes:
        leaf: as many items are compared all with all; 1 where a comparison is dear.
        width: exemplars compared at once; the search stops at the first that is near, so few where it is dear.
        pairs: comparisons at once, which bounds the memory.
        farthest: no two items are farther apart; for distances without a bound of their own.
    """

    leaf: ClassVar[int] = 256
    width: ClassVar[int] = 2048
    pairs: ClassVar[int] = 1 << 19
    farthest: float = float("inf")

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def near(self, rows: Indices, columns: Indices, threshold: float) -> Bools:
        """Which of the items ``rows`` are near-copies of which of the items ``columns``, ``(r, c)``.

        The answer for a pair must not depend on the pairs around it.
        """

    def first(self, rows: Indices, columns: Indices, threshold: float) -> Indices:
        """For each item of ``rows`` the place in ``columns`` of the first that is near, or -1."""
        found = np.full(len(rows), -1)
        left = np.arange(len(rows))
        for start in range(0, len(columns), self.width):
            part = columns[start : start + self.width]
            step = max(1, self.pairs // len(part))
            for begin in range(0, len(left), step):
                block = left[begin : begin + step]
                near = self.near(rows[block], part, threshold)
                place = near.argmax(axis=1)
                found[block] = np.where(near[np.arange(len(block)), place], start + place, -1)
            left = left[found[left] < 0]
            if not len(left):
                break
        return found


class Measure(ABC):
    """How far apart or how alike two items are, with the range of thresholds that make sense.

    Attributes:
        similarity: near-copies are at or above the threshold; at or below it if false.
        lowest: least threshold.
        highest: greatest threshold.
        whole: thresholds are whole numbers.
        images: items are images, whose entropy can be taken.
    """

    similarity: ClassVar[bool] = False
    lowest: float
    highest: float
    whole: ClassVar[bool] = False
    images: ClassVar[bool] = False

    @abstractmethod
    def prepare(self, items: Any) -> PreparedItems:
        """Check the items and bring them into the form in which they are compared."""
