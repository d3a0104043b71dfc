"""What asking a model will cost, before it is asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from domains.tables.language_models.base import LanguageModel
from domains.tables.language_models.cached import CachedModel

__all__ = ["Cost", "Request", "cost_of"]


@dataclass(frozen=True)
class Request:
    """Exactly what a model is given.

    Attributes:
        prompt: in full.
        candidates: values to score after it.
    """

    prompt: str
    candidates: tuple[str, ...]


@dataclass(frozen=True)
class Cost:
    """Of some requests.

    Attributes:
        requests: prompts that have to be scored.
        cached: prompts whose answers are on disk.
        candidates: texts to score, without those of cached prompts.
        tokens: of prompts and candidates where each candidate is sent with its prompt, as a server gets them; without
            those of cached prompts. An estimate unless the model is local.
    """

    requests: int
    cached: int
    candidates: int
    tokens: int


def cost_of(model: LanguageModel, requests: Iterable[Request]) -> Cost:
    """Add up what a model would have to do, without asking it.

    Args:
        model: its tokenizer counts.
        requests: prompts with candidates; the same one again costs nothing if the model has a cache.
    """
    asked = cached = candidates = tokens = 0
    seen: set[Request] = set()
    for request in requests:
        if isinstance(model, CachedModel):
            if request in seen or model.has(request.prompt, request.candidates):
                cached += 1
                continue
            seen.add(request)
        asked += 1
        candidates += len(request.candidates)
        prompt = model.tokens(request.prompt)
        tokens += sum(prompt + model.tokens(f" {one}") for one in request.candidates)
    return Cost(asked, cached, candidates, tokens)
