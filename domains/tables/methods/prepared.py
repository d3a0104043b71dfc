"""What has to be ready before a matcher can learn: vectors of values, and which tuples may be negatives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.training.fit import fit
from core.training.settings import FitSettings
from domains.tables.augment import ValueAugmenter
from domains.tables.blocking.pairs import Candidates
from domains.tables.data.table import Table
from domains.tables.matching.otsu import otsu
from domains.tables.methods.pairs import gather_pairs
from domains.tables.methods.value_contrast import ValueContrast
from domains.tables.models.tuple_encoder import EncodedTable

__all__ = ["BOUND", "candidate_cosines", "distinct_values", "mate_bound", "train_values"]

BOUND = 0.8
"""Mean cosine from which another tuple is no negative, where no candidates tell a better one."""
_BLOCK = 4096
_TEXTS = 200_000
"""Distinct values from which the rarity of n-grams is learned, at most."""


def distinct_values(table: Table) -> list[str]:
    """The distinct values of all columns, by first appearance, column after column.

    Args:
        table: any table.
    """
    cells = [table.frame[name] for name in table.columns]
    texts: list[str] = pd.concat(cells, ignore_index=True).dropna().unique().tolist() if cells else []
    return texts


def train_values(
    encoder: ValueContrast,
    texts: list[str],
    augmenter: ValueAugmenter,
    folder: Path,
    settings: FitSettings,
    *,
    resume: bool = False,
) -> None:
    """Train the embedded encoder on the values of a table, in place.

    Args:
        encoder: untrained.
        texts: distinct values.
        augmenter: changes them.
        folder: of logs and checkpoints.
        settings: seed and whether bars are shown.
        resume: continue from the checkpoints in ``folder``.
    """
    encoder.network.learn_rarity(texts[:: -(-len(texts) // _TEXTS)])
    if len(texts) > 1:
        fit(encoder, encoder.loader(texts, augmenter, settings.seed), folder=folder, settings=settings, resume=resume)
    encoder.eval()


def candidate_cosines(encoded: EncodedTable, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float32]:
    """``(p,)`` mean cosine over the attributes that both tuples have; 0 where there is none.

    Args:
        encoded: the table.
        left: ``(p,)`` rows.
        right: ``(p,)`` rows.
    """
    found = np.empty(len(left), dtype=np.float32)
    for start in range(0, len(left), _BLOCK):
        block = slice(start, start + _BLOCK)
        found[block] = gather_pairs(encoded.vectors, encoded.code[left[block]], encoded.code[right[block]]).cosine
    return found


def mate_bound(encoded: EncodedTable, candidates: Candidates | None) -> float:
    """Mean cosine from which another tuple may be a true mate: Otsu's split of the candidates' cosines.

    Args:
        encoded: the table.
        candidates: of blocking; without two of them the bound is `BOUND`.
    """
    if candidates is None or len(candidates) < 2:
        return BOUND
    return otsu(candidate_cosines(encoded, candidates.left, candidates.right))
