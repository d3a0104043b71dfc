"""Who is a candidate of whom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Partners"]


@dataclass(frozen=True, eq=False)
class Partners:
    """The candidates of each row, as a compressed list.

    Attributes:
        start: ``(n + 1,)`` int64, where each row's partners begin.
        other: ``(2p,)`` int64, the partners.
    """

    start: NDArray[np.int64]
    other: NDArray[np.int64]

    @classmethod
    def of(cls, count: int, left: NDArray[np.int64], right: NDArray[np.int64]) -> Partners:
        """From pairs, each of which makes two partners.

        Args:
            count: number of rows.
            left: ``(p,)`` rows.
            right: ``(p,)`` rows.
        """
        row, other = np.concatenate([left, right]), np.concatenate([right, left])
        order = np.lexsort((other, row))
        return cls(np.searchsorted(row[order], np.arange(count + 1)).astype(np.int64), other[order])

    def draw(self, rows: NDArray[np.int64], k: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """``(r, k)`` partners of each row, drawn evenly and with repetition; the row itself where it has none.

        Args:
            rows: ``(r,)`` positions.
            k: partners of each.
            rng: of the draw.
        """
        size = (self.start[rows + 1] - self.start[rows])[:, None]
        place = self.start[rows][:, None] + (rng.random((len(rows), k)) * size).astype(np.int64)
        if not len(self.other):
            return np.repeat(rows[:, None], k, axis=1)
        return np.where(size > 0, self.other[np.minimum(place, len(self.other) - 1)], rows[:, None])
