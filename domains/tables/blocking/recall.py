"""How many duplicates a blocker would find: some rows are written again with errors, and looked for."""

from __future__ import annotations

import numpy as np
import pandas as pd

from domains.tables.augment import SemanticAugmenter
from domains.tables.blocking.blocker import Blocker
from domains.tables.data.table import Table
from domains.tables.methods.value_perturbation import ValuePerturbation

__all__ = ["expected_recall"]

_REMOVED, _CHANGED = 0.1, 0.5


def expected_recall(table: Table, blocker: Blocker, *, made: int = 500, most: int = 20_000, seed: int = 0) -> float:
    """Share of made duplicates that are candidates together with their original, in [0, 1].

    Each made duplicate loses a tenth of its values, and half of the others are said otherwise: typing errors, words
    left out or exchanged, other spellings. Real duplicates may differ more, or less. Of a table of more than ``most``
    rows a sample is looked at, in which blocks are smaller than in the whole, so that the figure is on the high side.

    Args:
        table: the rows.
        blocker: to be judged.
        made: duplicates, at most one for each row.
        most: rows that are looked at.
        seed: of the draws.
    """
    draw = np.random.default_rng(seed)
    if len(table) > most:
        table = table.select(np.sort(draw.permutation(len(table))[:most]))
    filled = np.flatnonzero(table.frame.notna().any(axis=1).to_numpy())
    rows = np.sort(draw.permutation(filled)[:made])
    if not len(rows):
        return 1.0
    changed = table.frame.iloc[rows].reset_index(drop=True)
    augmenter = ValuePerturbation(semantic=SemanticAugmenter())
    for name in table.columns:
        column = changed[name]
        there = np.flatnonzero(column.notna().to_numpy())
        again = there[draw.random(len(there)) < _CHANGED]
        if len(again):
            column.iloc[again] = pd.array(augmenter.values(column.iloc[again].tolist(), draw), dtype="string")
    lost = draw.random(changed.shape) < _REMOVED
    lost[lost.all(axis=1)] = False  # a row keeps something
    changed = changed.mask(lost)
    both = pd.concat([table.frame, changed], ignore_index=True)
    joined = Table.of(both, source=[*table.source.tolist(), *["made"] * len(rows)], name=table.name)
    found = blocker.candidates(joined)
    wanted = rows * len(joined) + np.arange(len(table), len(joined))
    return float(np.isin(wanted, found.left * len(joined) + found.right).mean())
