"""Answers of a server, checked before anything believes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

__all__ = ["Choice", "EchoedPrompt", "MalformedAnswerError", "NotOfferedError", "chosen_value", "echoed_prompt"]


class MalformedAnswerError(ValueError):
    """The answer has the wrong form; the next one may be better."""


class NotOfferedError(ValueError):
    """The server cannot do what was asked for, and asking again does not help."""


class EchoedPrompt(BaseModel):
    """A prompt as the server cut it into tokens, and the log-probability of each but the first."""

    model_config = ConfigDict(extra="ignore")

    tokens: list[str]
    token_logprobs: list[float | None]


class Choice(BaseModel):
    """A value chosen under the schema."""

    model_config = ConfigDict(extra="forbid")

    value: str


def echoed_prompt(answer: Any) -> EchoedPrompt:
    """The echo in an answer of the completions endpoint.

    Raises:
        MalformedAnswerError: there is no first choice, or its lists do not fit.
        NotOfferedError: the choice has no log-probabilities.
    """
    choices = getattr(answer, "choices", None)
    if not choices:
        raise MalformedAnswerError("an answer without choices")
    logprobs = getattr(choices[0], "logprobs", None)
    if logprobs is None:
        raise NotOfferedError("no log-probabilities in the answer")
    try:
        found = EchoedPrompt.model_validate(logprobs, from_attributes=True)
    except ValidationError as error:
        raise MalformedAnswerError(f"log-probabilities of the wrong form ({error.error_count()} faults)") from error
    if len(found.tokens) != len(found.token_logprobs):
        raise MalformedAnswerError(f"{len(found.tokens)} tokens but {len(found.token_logprobs)} log-probabilities")
    return found


def chosen_value(answer: Any, allowed: Sequence[str]) -> str:
    """The value in an answer of the chat endpoint.

    Raises:
        MalformedAnswerError: no choice, no JSON of the schema, or a value that was not offered.
    """
    choices = getattr(answer, "choices", None)
    content = getattr(getattr(choices[0], "message", None), "content", None) if choices else None
    if not isinstance(content, str):
        raise MalformedAnswerError("an answer without a message")
    try:
        value = Choice.model_validate_json(content).value
    except ValidationError as error:
        raise MalformedAnswerError(f"the message is not of the schema ({error.error_count()} faults)") from error
    if value not in allowed:
        raise MalformedAnswerError(f"the value {value!r} was not offered")
    return value
