"""What a language model has to do here: tell how likely each of some texts is after a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from core.errors import UserError

__all__ = ["LanguageModel", "check_request"]


@runtime_checkable
class LanguageModel(Protocol):
    """Scores candidates; it never writes a value of its own."""

    @property
    def name(self) -> str:
        """Tells models and their settings apart; part of the key of the cache."""

    @property
    def context(self) -> int | None:
        """Tokens that prompt and candidate may have together, None without a limit."""

    def tokens(self, text: str) -> int:
        """Number of tokens of a text: exact for a local model, an estimate for a server."""

    def score(self, prompt: str, candidates: Sequence[str]) -> list[float]:
        """Mean log-likelihood of the tokens of each candidate, in nats, given the prompt.

        Args:
            prompt: ends without white space; a candidate follows it after one space.
            candidates: at least one, none empty. Their order changes nothing.

        Raises:
            UserError: prompt and candidate are longer than the context.
            OperationError: a server does not answer as it should.
        """


def check_request(prompt: str, candidates: Sequence[str]) -> None:
    """Refuse what no model can score.

    Raises:
        UserError: an empty prompt or candidate, or no candidates.
    """
    if not prompt.strip():
        raise UserError("the prompt is empty; a language model needs something to go on")
    if not candidates:
        raise UserError("there are no candidates to score")
    if any(not candidate.strip() for candidate in candidates):
        raise UserError("a candidate is empty; missing values cannot be scored")
