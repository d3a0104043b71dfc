"""The same said otherwise: a translation model there and back, or what can be done without one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from core.errors import UserError
from domains.tables.augment.base import ValueAugmenter, is_number
from domains.tables.augment.synonyms import SynonymAugmenter
from domains.tables.augment.words import WordAugmenter

__all__ = ["SemanticAugmenter"]


class SemanticAugmenter(ValueAugmenter):
    """Substitution of a text by another of the same meaning; numbers stay.

    The paper (arXiv 2412.00324) translates into another language and back. No translation model is shipped: without
    one, each text gets a synonym (`SynonymAugmenter`), an abbreviation, or its words in turned order ("Lovelace Ada" of
    "Ada Lovelace"), drawn evenly; one that a text does not allow gives way to the next. That is weaker than
    translation: it knows the words of its dictionary only.

    Args:
        rate: share of the values of a row that are changed, in [0, 1); each row changes one at least.
        translate: from texts to as many paraphrases, for example there and back through a translation model. Where it
            returns a blank text, the original stays.
        synonyms: used without ``translate``; by default the embedded dictionary.

    Raises:
        ValueError: a rate out of range.
    """

    def __init__(
        self,
        rate: float = 0.3,
        *,
        translate: Callable[[list[str]], list[str]] | None = None,
        synonyms: SynonymAugmenter | None = None,
    ) -> None:
        super().__init__(rate)
        self._translate = translate
        self._synonyms = synonyms or SynonymAugmenter()
        self._abbreviate = WordAugmenter(kinds=["abbreviate"])

    def values(self, texts: Sequence[str], rng: np.random.Generator) -> list[str]:
        """One changed version of each text.

        Args:
            texts: none blank.
            rng: of every draw.

        Raises:
            UserError: ``translate`` returned another number of texts.
        """
        if self._translate is not None:
            return self._translated(list(texts), self._translate)
        ways = (self._synonyms.values(texts, rng), self._abbreviate.values(texts, rng), _turned(texts, rng))
        first = rng.integers(0, len(ways), len(texts)).tolist()
        changed = list(texts)
        for i, text in enumerate(texts):
            options = (ways[(first[i] + step) % len(ways)][i] for step in range(len(ways)))
            changed[i] = next((option for option in options if option != text), text)
        return changed

    @staticmethod
    def _translated(texts: list[str], translate: Callable[[list[str]], list[str]]) -> list[str]:
        wanted = [i for i, text in enumerate(texts) if not is_number(text)]
        if not wanted:
            return texts
        found = translate([texts[i] for i in wanted])
        if len(found) != len(wanted):
            raise UserError(f"translate must return one text for each of {len(wanted)}, it returned {len(found)}")
        for i, text in zip(wanted, found, strict=True):
            if text.strip():
                texts[i] = text
        return texts


def _turned(texts: Sequence[str], rng: np.random.Generator) -> list[str]:
    """The words from a random one onwards, then those before it."""
    draws = rng.random(len(texts)).tolist()
    turned = []
    for text, draw in zip(texts, draws, strict=True):
        words = text.split()
        cut = 1 + int(draw * (len(words) - 1))
        fits = len(words) > 1 and not is_number(text)
        turned.append(" ".join([*words[cut:], *words[:cut]]) if fits else text)
    return turned
