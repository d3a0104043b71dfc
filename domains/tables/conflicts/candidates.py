"""The distinct values of an attribute in each set of rows, with who claims them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from domains.tables.conflicts.comparable import comparable

__all__ = ["Candidates", "candidates_of"]


@dataclass(frozen=True, eq=False)
class Candidates:
    """c candidate values of one attribute over g things.

    Nothing here depends on the order of the rows but the numbers of the rows themselves.

    Attributes:
        attribute: name of the column.
        entity: ``(c,)`` int64 in [0, g), ascending.
        text: ``(c,)`` object, each in the spelling that most rows have, then the longest, then the smallest.
        key: ``(c,)`` object, the form that values compare by; ascending within an entity.
        rows: ``(c,)`` int64, rows with the value.
        sources: ``(c,)`` int64, distinct sources with it.
        start: ``(g + 1,)`` int64; the candidates of entity e are ``start[e]`` to ``start[e + 1] - 1``.
        of_row: ``(n,)`` int64, candidate of each row of the table, -1 where the cell is missing.
    """

    attribute: str
    entity: NDArray[np.int64]
    text: NDArray[np.object_]
    key: NDArray[np.object_]
    rows: NDArray[np.int64]
    sources: NDArray[np.int64]
    start: NDArray[np.int64]
    of_row: NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.entity.size)

    @cached_property
    def count(self) -> NDArray[np.int64]:
        """``(g,)`` candidates of each entity."""
        return np.diff(self.start)

    @cached_property
    def conflicts(self) -> NDArray[np.int64]:
        """Entities with more than one candidate, ascending."""
        return np.flatnonzero(self.count > 1)

    @cached_property
    def length(self) -> NDArray[np.int64]:
        """``(c,)`` characters of each text."""
        return np.fromiter(map(len, self.text), np.int64, len(self.text))

    def first_by(self, *keys: NDArray[np.generic]) -> NDArray[np.int64]:
        """Winner of each entity, -1 where there is no candidate.

        Args:
            *keys: ``(c,)`` each, the most important first; larger wins. Ties go on to the majority: most sources, most
                rows, the longest text, the smallest text.
        """
        # `lexsort` takes the least important key first; candidates of an entity stand in the order of their keys
        position = np.arange(len(self))
        order = np.lexsort(
            (position, -self.length, -self.rows, -self.sources, *(-k for k in reversed(keys)), self.entity)
        )
        winner = np.full(len(self.count), -1, dtype=np.int64)
        has = self.count > 0
        winner[has] = order[self.start[:-1][has]]
        return winner


def candidates_of(
    column: pd.Series, attribute: str, entity: NDArray[np.int64], count: int, source: NDArray[np.int64]
) -> Candidates:
    """Group the values of a column by entity and by what they compare as.

    Args:
        column: n texts, missing ones ``pd.NA``.
        attribute: its name.
        entity: ``(n,)`` in [0, count).
        count: number of entities g.
        source: ``(n,)`` number of the source of each row.
    """
    spelling, texts = pd.factorize(column, use_na_sentinel=True)
    texts_list = [str(text) for text in texts]
    keys = np.array(comparable(texts_list), dtype=object)
    group, distinct = pd.factorize(keys, sort=True)
    filled = np.flatnonzero(spelling >= 0)
    width = max(len(distinct), 1)
    pair = entity[filled] * width + group[spelling[filled]]
    unique, candidate = np.unique(pair, return_inverse=True)
    owner = unique // width
    of_row = np.full(len(column), -1, dtype=np.int64)
    of_row[filled] = candidate
    return Candidates(
        attribute,
        owner,
        _commonest(candidate, spelling[filled], texts_list, len(unique)),
        np.asarray(distinct, dtype=object)[unique % width],
        np.bincount(candidate, minlength=len(unique)),
        _distinct_per(candidate, source[filled], len(unique)),
        np.searchsorted(owner, np.arange(count + 1)),
        of_row,
    )


def _commonest(
    candidate: NDArray[np.int64], spelling: NDArray[np.int64], texts: list[str], count: int
) -> NDArray[np.object_]:
    """The text of each candidate: most rows, then longest, then smallest."""
    if not texts:
        return np.empty(0, dtype=object)
    array = np.array(texts, dtype=object)
    rank = np.empty(len(texts), dtype=np.int64)
    rank[np.argsort(array, kind="stable")] = np.arange(len(texts))
    length = np.fromiter(map(len, texts), np.int64, len(texts))
    pair, rows = np.unique(candidate * len(texts) + spelling, return_counts=True)
    owner, which = pair // len(texts), pair % len(texts)
    order = np.lexsort((rank[which], -length[which], -rows, owner))
    first = order[np.searchsorted(owner, np.arange(count))]
    found: NDArray[np.object_] = array[which[first]]
    return found


def _distinct_per(candidate: NDArray[np.int64], source: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    width = int(source.max()) + 1 if source.size else 1
    pair = np.unique(candidate * width + source)
    return np.bincount(pair // width, minlength=count)
