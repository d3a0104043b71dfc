"""Duplicates that are made: rows written again with errors, whose originals are known without any label."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from domains.tables.augment import SemanticAugmenter
from domains.tables.data.table import Table
from domains.tables.methods.value_perturbation import ValuePerturbation

__all__ = ["with_made_duplicates"]

_REMOVED, _CHANGED = 0.1, 0.5


def with_made_duplicates(table: Table, made: int, draw: np.random.Generator) -> tuple[Table, NDArray[np.int64]]:
    """The table with changed copies of some rows after it, and the original of each.

    Each copy loses a tenth of its values, and half of the others are said otherwise: typing errors, words left out or
    exchanged, other spellings. Real duplicates may differ more, or less.

    Args:
        table: the rows, n of them.
        made: copies, at most one for each row that has a value.
        draw: of everything.

    Returns:
        The longer table, row n + i being copy i; ``(k,)`` original rows, ascending.
    """
    filled = np.flatnonzero(table.frame.notna().any(axis=1).to_numpy())
    rows = np.sort(draw.permutation(filled)[:made]).astype(np.int64)
    changed = table.frame.iloc[rows].reset_index(drop=True)
    augmenter = ValuePerturbation(semantic=SemanticAugmenter())
    for name in table.columns:
        column = changed[name]
        there = np.flatnonzero(column.notna().to_numpy())
        again = there[draw.random(len(there)) < _CHANGED]
        if len(again):
            column = column.copy()  # a column of a frame cannot be written into
            column.iloc[again] = pd.array(augmenter.values(column.iloc[again].tolist(), draw), dtype="string")
            changed[name] = column
    lost = draw.random(changed.shape) < _REMOVED
    lost[lost.all(axis=1)] = False  # a row keeps something
    changed = changed.mask(lost)
    both = pd.concat([table.frame, changed], ignore_index=True)
    return Table.of(both, source=[*table.source.tolist(), *["made"] * len(rows)], name=table.name), rows
