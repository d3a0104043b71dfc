"""What may not stand in one set, and the check that constraints do not contradict each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from core.errors import UserError

__all__ = ["Constraints", "as_pairs", "as_sources", "groups_of", "pairs_among"]


@dataclass(frozen=True, eq=False)
class Constraints:
    """Limits that every set keeps.

    Attributes:
        apart: ``(c, 2)`` int64, pairs of rows that must not be in one set.
        source: ``(n,)`` int64, source of each row where a set takes one row of a source at most; None for no limit.
        max_size: most rows in a set; 0 for no limit.
    """

    apart: NDArray[np.int64]
    source: NDArray[np.int64] | None = None
    max_size: int = 0

    def __bool__(self) -> bool:
        return self.max_size > 0 or self.source is not None or self.apart.size > 0

    def broken(self, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
        """``(sets,)`` whether each set breaks a limit.

        Args:
            labels: ``(n,)`` the set of each row, from 0.
        """
        result = np.zeros(int(labels.max(initial=-1)) + 1, dtype=np.bool_)
        if self.max_size:
            result |= np.bincount(labels, minlength=result.size) > self.max_size
        together = labels[self.apart[:, 0]] == labels[self.apart[:, 1]]
        result[labels[self.apart[together, 0]]] = True
        result[labels[self.of_one_source(labels)[0]]] = True
        return result

    def of_one_source(self, labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs of rows of one source in one set; of k such rows k - 1 pairs.

        Args:
            labels: ``(n,)`` the set of each row.
        """
        if self.source is None:
            none = np.zeros(0, dtype=np.int64)
            return none, none
        order = np.lexsort((np.arange(labels.size), self.source, labels))
        same = (np.diff(labels[order]) == 0) & (np.diff(self.source[order]) == 0)
        return order[:-1][same], order[1:][same]

    def among(self, chosen: NDArray[np.bool_]) -> Constraints:
        """The limits of some rows, numbered anew.

        Args:
            chosen: ``(n,)`` whether each row is among them.
        """
        source = None if self.source is None else self.source[chosen]
        return Constraints(pairs_among(self.apart, chosen), source, self.max_size)

    def check(self, labels: NDArray[np.int64]) -> None:
        """Refuse must-links that break a limit.

        Args:
            labels: ``(n,)`` group of each row after must-links.

        Raises:
            UserError: names the pair, or the group.
        """
        for a, b in self.apart.tolist():
            if labels[a] == labels[b]:
                raise UserError(
                    f"rows {a} and {b} must not be together, but must_link joins them (directly or through others); "
                    "take back one of the two decisions"
                )
        first, second = self.of_one_source(labels)
        if first.size:
            raise UserError(
                f"rows {first[0]} and {second[0]} are of one source, but must_link joins them; "
                "take back that decision or switch one_per_source off"
            )
        sizes = np.bincount(labels, minlength=1)
        if self.max_size and sizes.max() > self.max_size:
            row = int(np.flatnonzero(labels == sizes.argmax())[0])
            raise UserError(
                f"must_link joins {sizes.max()} rows (row {row} is one of them), but max_size is {self.max_size}; "
                "raise max_size or take back a decision"
            )


def groups_of(count: int, must_link: NDArray[np.int64]) -> NDArray[np.int64]:
    """``(n,)`` int64 group of each row, numbered from 0: rows that must-links join.

    Args:
        count: number of rows n.
        must_link: ``(c, 2)`` pairs of rows.
    """
    if not must_link.size:
        return np.arange(count)
    ones = np.ones(len(must_link), dtype=np.int8)
    links = coo_array((ones, (must_link[:, 0], must_link[:, 1])), shape=(count, count))
    return connected_components(links.tocsr(), directed=False)[1].astype(np.int64)


def pairs_among(pairs: NDArray[np.int64], chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """``(k, 2)`` int64 those pairs of which both rows are chosen, by the rows' numbers among the chosen ones.

    Args:
        pairs: ``(c, 2)`` pairs of rows.
        chosen: ``(n,)`` whether each row is.

    >>> pairs_among(np.array([[0, 2], [1, 2]]), np.array([False, True, True])).tolist()
    [[0, 1]]
    """
    place = np.cumsum(chosen, dtype=np.int64) - 1
    return place[pairs[chosen[pairs].all(axis=1)]].reshape(-1, 2)


def as_pairs(name: str, pairs: Sequence[Any] | NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """``(c, 2)`` int64 pairs of rows from any sequence of pairs.

    Args:
        name: the argument's name, for the message.
        pairs: of row numbers.
        count: number of rows n.

    Raises:
        UserError: not pairs of two different rows of the table.
    """
    result = np.asarray(pairs)
    if result.size == 0:
        return np.zeros((0, 2), dtype=np.int64)
    if result.ndim != 2 or result.shape[1] != 2 or result.dtype.kind not in "iu":
        raise UserError(f"{name} must be pairs of row numbers, got an array of {result.dtype} of shape {result.shape}")
    result = result.astype(np.int64)
    outside = (result < 0) | (result >= count)
    if outside.any():
        raise UserError(f"{name} names row {result[outside][0]}; rows are 0 to {count - 1}")
    loop = result[:, 0] == result[:, 1]
    if loop.any():
        raise UserError(f"{name} pairs row {result[loop][0, 0]} with itself; give two different rows")
    return result


def as_sources(sources: Sequence[Any] | NDArray[Any], count: int) -> NDArray[np.int64]:
    """``(n,)`` int64 number of each row's source, in the order of their names.

    Args:
        sources: ``(n,)`` name of each row's source.
        count: number of rows n.

    Raises:
        UserError: another number of sources than rows.
    """
    names = np.asarray(sources)
    if names.shape != (count,):
        raise UserError(f"one source for each of the {count} rows, got {names.size}")
    return np.unique(names, return_inverse=True)[1].astype(np.int64).reshape(-1)
