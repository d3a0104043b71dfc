"""Typing errors in texts and numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.checks import check_at_least, check_choice
from domains.tables.augment.base import ValueAugmenter, is_number
from domains.tables.augment.edits import NUMBER_EDITS, TEXT_EDITS, Edit

__all__ = ["TypoAugmenter"]


class TypoAugmenter(ValueAugmenter):
    """Typing errors: the character level of the data generator of arXiv 2412.00324.

    Of texts: swap of two neighbouring characters, missing, extra (a keyboard neighbour), nearby, visually similar,
    skipped space, random space, repeated, collapse of a repeated one. Of numbers (digits and no letters) the same on
    digits alone, without spaces; what is not a digit stays. The kind is drawn evenly; one that a value does not allow
    gives way to the next. Every value that is not blank changes, and none becomes empty.

    Args:
        rate: share of the values of a row that are changed, in [0, 1); each row changes one at least.
        count: errors in each changed value, >= 1. A released implementation draws for each character with 0.3, which
            leaves little of a name.
        kinds: the kinds to draw from; by default all.

    Raises:
        ValueError: a setting out of range, an unknown kind.

    >>> TypoAugmenter(kinds=["missing"]).values(["a1", "77"], np.random.default_rng(0))
    ['1', '7']
    """

    def __init__(self, rate: float = 0.3, *, count: int = 1, kinds: Sequence[str] = tuple(TEXT_EDITS)) -> None:
        super().__init__(rate)
        check_at_least("count", count, 1)
        check_at_least("len(kinds)", len(kinds), 1)
        for kind in kinds:
            check_choice("kind", kind, tuple(TEXT_EDITS))
        self.count = count
        self._text = [TEXT_EDITS[kind] for kind in kinds]
        self._number = [NUMBER_EDITS[kind] for kind in kinds if kind in NUMBER_EDITS]

    def values(self, texts: Sequence[str], rng: np.random.Generator) -> list[str]:
        """One changed version of each text: Levenshtein distance 1 an error, 2 a swap.

        Args:
            texts: none blank.
            rng: of every draw.
        """
        edits = [self._number if is_number(text) else self._text for text in texts]
        changed = list(texts)
        for _ in range(self.count):
            draws = rng.random((len(changed), 3)).tolist()
            changed = [_edited(text, some, *draw) for text, some, draw in zip(changed, edits, draws, strict=True)]
        return changed


def _edited(text: str, edits: list[Edit], kind: float, where: float, which: float) -> str:
    first = int(kind * len(edits))
    for edit in (*edits[first:], *edits[:first]):
        changed = edit(text, where, which)
        if changed is not None:
            return changed
    return text
