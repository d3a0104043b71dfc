"""Words that are left out, change places, or are cut short."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from core.checks import check_at_least, check_choice
from domains.tables.augment.base import ValueAugmenter, is_number

__all__ = ["WordAugmenter"]


class WordAugmenter(ValueAugmenter):
    """Changes at the word level, of texts only, as in the data generator of arXiv 2412.00324; abbreviation is ours.

    "remove" takes one word away, never the only one; "swap" exchanges two neighbouring words that differ; "abbreviate"
    leaves the beginning of a word of three letters or more, in half of the cases its initial alone. Words are what
    blanks separate; a changed text has single blanks. Numbers, and texts that allow none of the kinds, stay.

    Args:
        rate: share of the values of a row that are changed, in [0, 1); each row changes one at least.
        kinds: the kinds to draw from, evenly; one that a value does not allow gives way to the next.

    Raises:
        ValueError: a rate out of range, an unknown kind.

    >>> WordAugmenter(kinds=["swap"]).values(["Ada Lovelace", "1815"], np.random.default_rng(0))
    ['Lovelace Ada', '1815']
    """

    def __init__(self, rate: float = 0.3, *, kinds: Sequence[str] = ("remove", "swap", "abbreviate")) -> None:
        super().__init__(rate)
        check_at_least("len(kinds)", len(kinds), 1)
        for kind in kinds:
            check_choice("kind", kind, tuple(_KINDS))
        self._kinds = [_KINDS[kind] for kind in kinds]

    def values(self, texts: Sequence[str], rng: np.random.Generator) -> list[str]:
        """One changed version of each text.

        Args:
            texts: none blank.
            rng: of every draw.
        """
        draws = rng.random((len(texts), 3)).tolist()
        return [self._changed(text, *draw) for text, draw in zip(texts, draws, strict=True)]

    def _changed(self, text: str, kind: float, where: float, how: float) -> str:
        if is_number(text):
            return text
        words = text.split()
        first = int(kind * len(self._kinds))
        for change in (*self._kinds[first:], *self._kinds[:first]):
            changed = change(words, where, how)
            if changed is not None:
                return " ".join(changed)
        return text


def _remove(words: list[str], where: float, how: float) -> list[str] | None:
    place = int(where * len(words))
    return words[:place] + words[place + 1 :] if len(words) > 1 else None


def _swap(words: list[str], where: float, how: float) -> list[str] | None:
    places = [p for p in range(1, len(words)) if words[p - 1] != words[p]]
    if not places:
        return None
    p = places[int(where * len(places))]
    return [*words[: p - 1], words[p], words[p - 1], *words[p + 1 :]]


def _abbreviate(words: list[str], where: float, how: float) -> list[str] | None:
    places = [p for p, word in enumerate(words) if len(word) >= 3 and word.isalpha()]
    if not places:
        return None
    p = places[int(where * len(places))]
    length = 1 if how < 0.5 else 2 + int((2 * how - 1) * (len(words[p]) - 2))
    return [*words[:p], words[p][:length], *words[p + 1 :]]


_KINDS: dict[str, Callable[[list[str], float, float], list[str] | None]] = {
    "remove": _remove,
    "swap": _swap,
    "abbreviate": _abbreviate,
}
