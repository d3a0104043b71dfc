"""A stand-in without a model: characters predicted from the prompt itself."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from domains.tables.language_models.base import check_request

__all__ = ["NGramScorer"]


@dataclass(frozen=True)
class NGramScorer:
    """Likelihood of characters by interpolated Witten-Bell n-grams counted in the prompt.

    It needs no file, knows nothing of the world, and finds the values that look like what the prompt repeats: for
    tests, and for work without a model. A character is a token.

    Attributes:
        order: longest context in characters plus one, at least 1.
        alphabet: number of characters over which the floor is uniform.
    """

    order: int = 6
    alphabet: int = 256

    def __post_init__(self) -> None:
        if self.order < 1 or self.alphabet < 2:
            raise ValueError(f"order must be at least 1 and alphabet at least 2, got {self.order} and {self.alphabet}")

    @property
    def name(self) -> str:
        """See `LanguageModel`."""
        return f"characters, order {self.order}, alphabet {self.alphabet}"

    @property
    def context(self) -> int | None:
        """No limit."""
        return None

    def tokens(self, text: str) -> int:
        """Characters."""
        return len(text)

    def score(self, prompt: str, candidates: Sequence[str]) -> list[float]:
        """See `LanguageModel.score`; the space before the candidate is not scored.

        >>> near, far = NGramScorer().score("The city is Ulm. The city is Ulm. The city is", ["Ulm", "Rio"])
        >>> near > far
        True
        """
        check_request(prompt, candidates)
        counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for position, character in enumerate(prompt):
            for length in range(min(self.order - 1, position) + 1):
                counts[prompt[position - length : position]][character] += 1
        return [self._mean(prompt + " ", candidate, counts) for candidate in candidates]

    def _mean(self, before: str, candidate: str, counts: dict[str, dict[str, int]]) -> float:
        text, total = before + candidate, 0.0
        for position in range(len(before), len(text)):
            probability = 1 / self.alphabet
            for length in range(self.order):
                seen = counts.get(text[position - length : position]) if length <= position else None
                if not seen:
                    break
                # Witten-Bell: as much mass for the new as there were kinds of continuations
                weight = sum(seen.values())
                probability = (seen.get(text[position], 0) + len(seen) * probability) / (weight + len(seen))
            total += math.log(probability)
        return total / len(candidate)
