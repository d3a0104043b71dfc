"""Noise for pair sets: cells said otherwise, and cells with typing errors, in the shares of the SSACL report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from domains.tables.augment import SemanticAugmenter, TypoAugmenter
from domains.tables.augment.base import is_number
from domains.tables.data.table import Table
from domains.tables.data.training_set import TrainingSet

__all__ = ["MIXES", "noisy"]

MIXES: Mapping[str, tuple[float, float]] = {
    "15 % said otherwise, 15 % typos": (0.15, 0.15),
    "20 % said otherwise, 10 % typos": (0.20, 0.10),
    "10 % said otherwise, 20 % typos": (0.10, 0.20),
}
"""Share of the cells that are said otherwise, and share with a typing error. The report names the last two "20/10" and
"10/20" against its own names; here the names say what is done."""


def noisy(data: TrainingSet, mix: str, seed: int) -> TrainingSet:
    """The same set with changed cells, 30 % of those that have a value; numbers are never said otherwise.

    The changes are those that SSACL trains on, as in the report: it knows what kind of noise comes.

    Args:
        data: clean.
        mix: one of `MIXES`.
        seed: of the noise.
    """
    otherwise, typos = MIXES[mix]
    rng = np.random.default_rng([seed, 7])
    cells = data.table.frame.to_numpy(dtype=object, na_value=None).copy()
    present = pd.notna(cells)
    draw = np.where(present, rng.random(cells.shape), np.inf)
    said = draw < otherwise
    said[said] = [not is_number(text) for text in cells[said]]
    slip = (draw >= otherwise) & (draw < otherwise + typos)
    cells[said] = SemanticAugmenter().values(cells[said].tolist(), rng)
    cells[slip] = TypoAugmenter().values(cells[slip].tolist(), rng)
    frame = pd.DataFrame(cells, columns=data.table.frame.columns, dtype="string")
    table = Table(frame, data.table.source, data.table.row, data.table.name)
    return replace(data, name=f"{data.name}, {mix}", table=table)
