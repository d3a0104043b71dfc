"""Values said otherwise: the text part of the data generator of SSACL."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.checks import check_at_least
from domains.tables.augment import SemanticAugmenter, TypoAugmenter, ValueAugmenter, WordAugmenter

__all__ = ["ValuePerturbation"]


class ValuePerturbation(ValueAugmenter):
    """Semantic substitutions, changes of words, and typing errors, drawn evenly; several in a row for long texts.

    The paper (arXiv 2412.00324) draws one change. A title of twelve words with one word missing is nearly the same
    title, and real duplicates differ more, so a text of w words gets up to 1 + w / 2 changes, at most ``most`` (ours).

    Args:
        most: changes of one value, >= 1; 1 is the paper's.
        semantic: of the substitutions; None leaves them out.
        rate: share of the values of a row that are changed, in [0, 1); each row changes one at least.

    Raises:
        ValueError: a setting out of range.
    """

    def __init__(self, *, most: int = 4, semantic: SemanticAugmenter | None, rate: float = 0.3) -> None:
        super().__init__(rate)
        check_at_least("most", most, 1)
        self.most = most
        found = (semantic, WordAugmenter(), TypoAugmenter())
        self._levels: list[ValueAugmenter] = [level for level in found if level is not None]

    def values(self, texts: Sequence[str], rng: np.random.Generator) -> list[str]:
        """One changed version of each text.

        Args:
            texts: none blank.
            rng: of every draw.
        """
        changed = np.array([*texts, ""], dtype=object)[:-1]  # the extra one keeps numpy from guessing a string type
        words = np.fromiter((text.count(" ") + 1 for text in texts), dtype=np.int64, count=len(texts))
        rounds = 1 + rng.integers(0, np.minimum(self.most - 1, words // 2) + 1)
        for done in range(int(rounds.max(initial=0))):
            level = np.where(rounds > done, rng.integers(0, len(self._levels), len(texts)), -1)
            for number, augmenter in enumerate(self._levels):
                chosen = level == number
                changed[chosen] = augmenter.values(changed[chosen].tolist(), rng)
        return list(changed.tolist())
