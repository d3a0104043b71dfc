"""Values through a frozen transformer from a local folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from core.checks import check_at_least, check_choice
from core.errors import UserError
from core.progress import watched

__all__ = ["Pooling", "SentenceEncoder"]

Pooling = Literal["mean", "cls"]


class SentenceEncoder:
    """Unit vectors of texts by a frozen encoder such as MiniLM, read from a folder; nothing is ever downloaded.

    The paper (arXiv 2412.00324) takes the [CLS] vector of a base-size encoder of width 768; small sentence encoders are
    trained for the mean over tokens, the default. Texts are sorted by length before they are batched.

    Args:
        folder: of a model with its tokenizer, in the Hugging Face layout.
        pooling: "mean" over tokens, or "cls", the first token.
        tokens: a longer text is cut to so many, >= 2.
        batch: texts at a time.

    Raises:
        UserError: no such folder, no model in it, or transformers is not installed.
    """

    def __init__(self, folder: str | Path, *, pooling: Pooling = "mean", tokens: int = 128, batch: int = 64) -> None:
        check_choice("pooling", pooling, ("mean", "cls"))
        check_at_least("tokens", tokens, 2)
        check_at_least("batch", batch, 1)
        self.folder = Path(folder)
        self.pooling, self.tokens, self.batch = pooling, tokens, batch
        self._tokenizer, self._model = _load(self.folder)
        self.width = int(self._model.config.hidden_size)

    def config(self) -> dict[str, Any]:
        """What rebuilds the encoder: arguments of the class."""
        return {"folder": str(self.folder.resolve()), "pooling": self.pooling, "tokens": self.tokens}

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``(k, d)`` unit vectors.

        Args:
            texts: not blank.
        """
        found = np.empty((len(texts), self.width), dtype=np.float32)
        order = np.argsort([len(text) for text in texts], kind="stable")
        blocks = range(0, len(texts), self.batch)
        for start in watched(blocks, "encoding values", len(blocks)):
            rows = order[start : start + self.batch]
            words = self._tokenizer(
                [texts[row] for row in rows],
                padding=True,
                truncation=True,
                max_length=self.tokens,
                return_tensors="pt",
            )
            states = self._model(**words).last_hidden_state  # (b, l, d)
            if self.pooling == "cls":
                pooled = states[:, 0]
            else:
                mask = words["attention_mask"][..., None].to(states.dtype)
                pooled = (states * mask).sum(1) / mask.sum(1)
            found[rows] = functional.normalize(pooled, dim=1).numpy()
        return found


def _load(folder: Path) -> tuple[Any, Any]:
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder} is not the folder of a transformer: it has no config.json")
    try:
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise UserError('a sentence encoder needs transformers: pip install "counterpoint[backbones]"') from error
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        model = AutoModel.from_pretrained(str(folder), local_files_only=True, use_safetensors=True)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{folder} holds no encoder that transformers can read: {error}") from error
    return tokenizer, model.eval().requires_grad_(False)
