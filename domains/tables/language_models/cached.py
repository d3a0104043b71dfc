"""Scores on disk, so that nothing is asked twice and a run that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.atomic import atomic_write
from domains.tables.language_models.base import LanguageModel, check_request

__all__ = ["CachedModel"]


@dataclass(frozen=True)
class CachedModel:
    """A model whose answers are kept, one small file for each prompt and set of candidates.

    A file appears whole or not at all. One that cannot be read, or holds something else, is asked again and replaced.
    Files hold scores and a hash, neither prompt nor candidates, so a cache gives away nothing of a table.

    Attributes:
        model: is asked for what is not there.
        folder: of the files; made when first written to.
    """

    model: LanguageModel
    folder: Path

    @property
    def name(self) -> str:
        """Of the model behind."""
        return self.model.name

    @property
    def context(self) -> int | None:
        """Of the model behind."""
        return self.model.context

    def tokens(self, text: str) -> int:
        """Of the model behind."""
        return self.model.tokens(text)

    def has(self, prompt: str, candidates: Sequence[str]) -> bool:
        """Whether an answer is there already."""
        return self._read(self._path(prompt, candidates), len(set(candidates))) is not None

    def score(self, prompt: str, candidates: Sequence[str]) -> list[float]:
        """See `LanguageModel.score`."""
        check_request(prompt, candidates)
        unique = sorted(set(candidates))
        path = self._path(prompt, unique)
        scores = self._read(path, len(unique))
        if scores is None:
            scores = self.model.score(prompt, unique)
            with atomic_write(path) as file:
                json.dump({"scores": scores}, file)
        by_candidate = dict(zip(unique, scores, strict=True))
        return [by_candidate[candidate] for candidate in candidates]

    def _path(self, prompt: str, candidates: Sequence[str]) -> Path:
        text = json.dumps([self.model.name, prompt, sorted(set(candidates))])
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return self.folder / digest[:2] / f"{digest}.json"

    def _read(self, path: Path, count: int) -> list[float] | None:
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
            return None
        scores = found.get("scores") if isinstance(found, dict) else None
        if not isinstance(scores, list) or len(scores) != count:
            return None
        if not all(isinstance(one, float) and math.isfinite(one) for one in scores):
            return None
        return scores
