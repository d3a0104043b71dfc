"""How many duplicates a blocker would find: some rows are written again with errors, and looked for."""

from __future__ import annotations

import numpy as np

from domains.tables.blocking.blocker import Blocker
from domains.tables.blocking.made import with_made_duplicates
from domains.tables.data.table import Table

__all__ = ["expected_recall"]


def expected_recall(table: Table, blocker: Blocker, *, made: int = 500, most: int = 20_000, seed: int = 0) -> float:
    """Share of made duplicates that are candidates together with their original, in [0, 1].

    See `with_made_duplicates` for what they are. Of a table of more than ``most`` rows a sample is looked at, in which
    blocks are smaller than in the whole, so that the figure is on the high side.

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
    joined, rows = with_made_duplicates(table, made, draw)
    if not len(rows):
        return 1.0
    found = blocker.candidates(joined)
    wanted = rows * len(joined) + np.arange(len(table), len(joined))
    return float(np.isin(wanted, found.key).mean())
