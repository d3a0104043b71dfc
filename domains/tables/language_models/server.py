"""A language model behind an address that speaks the OpenAI protocol."""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Literal, TypeVar

from core.errors import OperationError, UserError
from domains.tables.language_models.answers import (
    MalformedAnswerError,
    NotOfferedError,
    chosen_value,
    echoed_prompt,
)
from domains.tables.language_models.base import check_request

if TYPE_CHECKING:
    from openai import OpenAI

__all__ = ["Server"]

_log = logging.getLogger(__name__)

T = TypeVar("T")
_TASK = "Complete the last sentence. Answer with one of the allowed values and nothing else."
_NO_ECHO = (400, 404, 405, 422, 501)
"""Answers of servers without completions, or without the log-probabilities of a prompt."""


@dataclass(frozen=True, eq=False)
class Server:
    """Any OpenAI-compatible server: vLLM, llama.cpp, Ollama, a hosted service.

    Log-probabilities of the candidates are taken from the completions endpoint, which echoes the prompt with them. A
    server without that chooses one candidate under a JSON schema instead; the choice is checked, and counts as the
    probability ``confidence`` for the chosen one, the rest shared by the others.

    What fails for the moment (500, 502, 503, 504, 408, 409, 429, time-outs, dropped connections) is tried again after
    0.5, 1, 2, ... seconds, at most 8, or after what ``Retry-After`` asks for, at most a minute. Answers that are no
    JSON or have the wrong form are asked for again as often.

    Attributes:
        url: base address, such as ``http://127.0.0.1:8000/v1``. There is no default: nothing is sent unless asked for.
        model: name of the model on the server.
        key_variable: environment variable that holds the key; None sends none.
        mode: "logprobs" or "choice" insist on one way; "auto" tries the first and falls back.
        timeout: seconds for one request, > 0.
        retries: further attempts after the first, at least 0.
        context: tokens that prompt and candidate may have, or None if nobody knows.
        confidence: probability of the chosen candidate in choice mode, in (0.5, 1).
    """

    url: str
    model: str
    key_variable: str | None = None
    mode: Literal["auto", "logprobs", "choice"] = "auto"
    timeout: float = 60.0
    retries: int = 4
    context: int | None = None
    confidence: float = 0.9
    _fallen_back: list[bool] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise UserError(f"the address of a server begins with http:// or https://, got {self.url!r}")
        if self.timeout <= 0 or self.retries < 0:
            raise UserError(f"timeout must be > 0 and retries at least 0, got {self.timeout} and {self.retries}")
        if not 0.5 < self.confidence < 1:
            raise UserError(f"confidence must be in (0.5, 1), got {self.confidence}")
        if self.mode not in ("auto", "logprobs", "choice"):
            raise UserError(f"mode must be auto, logprobs or choice, got {self.mode!r}")

    @property
    def name(self) -> str:
        """See `LanguageModel`."""
        return f"{self.model} at {self.url}, {self.mode}, {self.confidence}"

    def tokens(self, text: str) -> int:
        """An estimate for scripts with spaces: a token for three bytes, rounded up; more than most tokenizers make."""
        return -(-len(text.encode("utf-8", "replace")) // 3)

    def score(self, prompt: str, candidates: Sequence[str]) -> list[float]:
        """See `LanguageModel.score`."""
        check_request(prompt, candidates)
        if self.mode == "choice" or self._fallen_back:
            return self._choose(prompt, candidates)
        try:
            return [self._patient(partial(self._echo, prompt, text)) for text in candidates]
        except NotOfferedError as error:
            if self.mode == "logprobs":
                raise OperationError(
                    f"{self.url} gives no log-probabilities of a prompt ({error}); try mode='choice'"
                ) from error
            _log.warning(
                "%s gives no log-probabilities of a prompt (%s): it chooses under a schema instead", self.url, error
            )
            self._fallen_back.append(True)
            return self._choose(prompt, candidates)

    @cached_property
    def _client(self) -> OpenAI:
        try:
            from openai import OpenAI
        except ModuleNotFoundError as error:
            raise UserError(
                "a model on a server needs the openai package: pip install 'counterpoint[tables]'"
            ) from error
        key = "none"
        if self.key_variable is not None:
            key = os.environ.get(self.key_variable, "")
            if not key:
                raise UserError(f"the environment variable {self.key_variable} with the key of {self.url} is not set")
        # the client itself waits as the class says, and honours Retry-After
        return OpenAI(base_url=self.url, api_key=key, timeout=self.timeout, max_retries=self.retries)

    def _patient(self, ask: Callable[[], T]) -> T:
        """Ask again while the answer has the wrong form, and say plainly what is wrong with the server otherwise."""
        import openai

        last = ""
        for attempt in range(self.retries + 1):
            try:
                return ask()
            except (MalformedAnswerError, json.JSONDecodeError, openai.APIResponseValidationError) as error:
                last = str(error)
            except openai.APITimeoutError as error:
                raise OperationError(
                    f"{self.url} did not answer within {self.timeout:g} s, {self.retries + 1} times; raise timeout, or "
                    "check the server"
                ) from error
            except openai.APIConnectionError as error:
                cause = error.__cause__ or error
                raise OperationError(f"no connection to {self.url} ({cause}); is the server running?") from error
            except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
                raise UserError(
                    f"{self.url} refuses the key; set key_variable to the variable that holds it"
                ) from error
            except openai.APIStatusError as error:
                raise OperationError(
                    f"{self.url} answered {error.status_code} after {self.retries + 1} attempts: {error.message}"
                ) from error
            if attempt < self.retries:
                time.sleep(min(0.5 * 2**attempt, 8.0))
        raise OperationError(f"{self.url} answered {self.retries + 1} times in a form that cannot be used: {last}")

    def _echo(self, prompt: str, candidate: str) -> float:
        """Mean log-probability of the tokens that reach into the candidate."""
        import openai

        text = f"{prompt} {candidate}"
        try:
            answer = self._client.completions.create(
                model=self.model, prompt=text, echo=True, logprobs=1, max_tokens=1, temperature=0, seed=0
            )
        except openai.APIStatusError as error:
            if error.status_code in _NO_ECHO:
                raise NotOfferedError(f"status {error.status_code}") from error
            raise
        found = echoed_prompt(answer)
        end = 0
        kept = []
        for token, logprob in zip(found.tokens, found.token_logprobs, strict=True):
            begin, end = end, end + len(token)
            if end > len(prompt) and begin < len(text):
                kept.append(logprob)
        if "".join(found.tokens)[: len(text)] != text:
            raise NotOfferedError("the prompt is not echoed")
        if not kept or any(one is None or not math.isfinite(one) or one > 1e-6 for one in kept):
            raise MalformedAnswerError("log-probabilities are missing or no numbers below 0")
        return math.fsum(one for one in kept if one is not None) / len(kept)

    def _choose(self, prompt: str, candidates: Sequence[str]) -> list[float]:
        unique = sorted(set(candidates))
        if len(unique) == 1:
            return [0.0] * len(candidates)
        chosen = self._patient(partial(self._choice, prompt, unique))
        rest = math.log((1 - self.confidence) / (len(unique) - 1))
        return [math.log(self.confidence) if one == chosen else rest for one in candidates]

    def _choice(self, prompt: str, values: list[str]) -> str:
        schema = {
            "type": "object",
            "properties": {"value": {"type": "string", "enum": values}},
            "required": ["value"],
            "additionalProperties": False,
        }
        answer = self._client.chat.completions.create(
            model=self.model,
            messages=[
                {"role": "system", "content": f"{_TASK} Allowed: {json.dumps(values, ensure_ascii=False)}"},
                {"role": "user", "content": prompt},
            ],
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "choice", "strict": True, "schema": schema},
            },
            temperature=0,
            seed=0,
        )
        return chosen_value(answer, values)
