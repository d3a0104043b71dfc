"""Ids of entities that stay the same from run to run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["IdLedger", "carry_ids"]


@dataclass(frozen=True, eq=False)
class IdLedger:
    """Ids of the entities of one run.

    Attributes:
        number: ``(n,)`` int64, number of the entity of each row, -1 for a row that had none; shown as ``E1``, ``E2``.
        next: the number that the next new entity gets; a number is never given to another entity again.
    """

    number: NDArray[np.int64]
    next: int = 1


def carry_ids(old: IdLedger, labels: NDArray[np.int64]) -> IdLedger:
    """Give each set an id: the one it had, where it can be said to be the same entity.

    An entity keeps its id where more than half of its rows (of those that still exist) are in one set. Of several
    entities whose majorities met in one set, the one with the most rows there wins, of equal ones the one with the
    smaller number; the others are retired. All other sets get new numbers, in the order of their first rows. An entity
    that falls into two halves keeps its id in neither: nothing says which half is the entity.

    Linear, but for sorting; independent of how the sets are numbered.

    Args:
        old: of the run before, in the order of the present rows.
        labels: ``(n,)`` present set of each row.

    >>> before = carry_ids(IdLedger(np.full(5, -1)), np.array([0, 0, 0, 1, 1]))
    >>> carry_ids(before, np.array([0, 0, 1, 1, 1])).number.tolist()
    [1, 1, 2, 2, 2]
    """
    sets, first, code = np.unique(labels, return_index=True, return_inverse=True)
    code = code.reshape(-1)
    number = np.full(len(sets), -1, dtype=np.int64)
    had = np.flatnonzero(old.number >= 0)
    if len(had):
        entities, entity, size = np.unique(old.number[had], return_inverse=True, return_counts=True)
        pair, share = np.unique(entity.reshape(-1) * len(sets) + code[had], return_counts=True)
        entity, at = np.divmod(pair, len(sets))
        kept = 2 * share > size[entity]
        entity, at, share = entity[kept], at[kept], share[kept]
        # The last one written to a set counts: the most rows, then the smaller number.
        order = np.lexsort((-entities[entity], share))
        number[at[order]] = entities[entity[order]]
    fresh = np.flatnonzero(number < 0)
    fresh = fresh[np.argsort(first[fresh])]
    number[fresh] = old.next + np.arange(len(fresh))
    return IdLedger(number[code], old.next + len(fresh))
