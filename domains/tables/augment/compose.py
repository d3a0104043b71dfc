"""Several augmenters, one after the other or some drawn for each row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.checks import check_at_least
from domains.tables.augment.base import Augmenter

__all__ = ["Compose"]


class Compose(Augmenter):
    """Augmenters in their order: all of them, or some drawn anew for each row.

    Args:
        parts: at least one.
        choose: number of parts that each row goes through, in their order; 0 for all.

    Raises:
        ValueError: no parts, or more to choose than there are.
    """

    def __init__(self, parts: Sequence[Augmenter], *, choose: int = 0) -> None:
        check_at_least("len(parts)", len(parts), 1)
        if not 0 <= choose <= len(parts):
            raise ValueError(f"choose must be in 0..{len(parts)}, the number of parts, got {choose}")
        self.parts = tuple(parts)
        self.choose = choose or len(self.parts)

    def rows(self, cells: NDArray[np.object_], rng: np.random.Generator) -> NDArray[np.object_]:
        """Changed copies of many rows.

        Args:
            cells: ``(n, m)`` text, None where missing.
            rng: of every draw.
        """
        rank = rng.random((len(cells), len(self.parts))).argsort(axis=1).argsort(axis=1)
        changed = cells.copy()
        for place, part in enumerate(self.parts):
            chosen = rank[:, place] < self.choose
            changed[chosen] = part.rows(changed[chosen], rng)
        return changed
