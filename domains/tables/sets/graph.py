"""Pairs of rows with the probability that both are the same thing: a weighted sparse graph."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

__all__ = ["PairGraph"]


@dataclass(frozen=True, eq=False)
class PairGraph:
    """Undirected weighted graph over the rows of a table, without loops.

    Attributes:
        count: number of rows n.
        left: ``(p,)`` int64, the smaller row of each pair.
        right: ``(p,)`` int64, the larger one. Pairs are unique and sorted by left, then right.
        weight: ``(p,)`` float32 in [0, 1], probability that both rows are the same thing.
        copies: ``(k, 2)`` int64, a row and another one that is the same in every column and stands in no pair: of
            thousands of such rows a few are enough. No row has a copy and is one.

    Raises:
        ValueError: shapes that differ, a row out of range, a pair out of order or twice, a weight out of range.
    """

    count: int
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    weight: NDArray[np.float32]
    copies: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 2), dtype=np.int64))

    def __post_init__(self) -> None:
        if not self.left.shape == self.right.shape == self.weight.shape == (self.left.size,):
            raise ValueError(f"shapes differ: {self.left.shape}, {self.right.shape}, {self.weight.shape}")
        if self.copies.size and not 0 <= self.copies.min() <= self.copies.max() < self.count:
            raise ValueError(f"copies must be rows 0 to {self.count - 1}")
        if self.left.size == 0:
            return
        if self.left.min() < 0 or self.right.max() >= self.count or (self.left >= self.right).any():
            raise ValueError(f"pairs must be 0 <= left < right < {self.count}")
        key = self.left * self.count + self.right
        if (np.diff(key) <= 0).any():
            raise ValueError("pairs must be unique and sorted by left, then right")
        if not (np.isfinite(self.weight).all() and self.weight.min() >= 0 and self.weight.max() <= 1):
            raise ValueError("weights must be probabilities in [0, 1]")

    def __len__(self) -> int:
        return int(self.left.size)

    @classmethod
    def of(cls, count: int, a: NDArray[np.int64], b: NDArray[np.int64], weight: NDArray[np.floating]) -> PairGraph:
        """A graph from pairs in any order; of a pair given twice the larger weight counts, loops are dropped.

        Args:
            count: number of rows.
            a: ``(p,)`` one row of each pair.
            b: ``(p,)`` the other one.
            weight: ``(p,)`` in [0, 1].
        """
        left, right = np.minimum(a, b).astype(np.int64), np.maximum(a, b).astype(np.int64)
        order = np.lexsort((-weight, right, left))
        left, right, weight = left[order], right[order], weight[order]
        kept = left < right
        kept[1:] &= (np.diff(left) != 0) | (np.diff(right) != 0)
        return cls(count, left[kept], right[kept], weight[kept].astype(np.float32))

    def above(self, threshold: float) -> PairGraph:
        """The graph of the pairs with a weight of at least ``threshold``."""
        kept = self.weight >= threshold
        return replace(self, left=self.left[kept], right=self.right[kept], weight=self.weight[kept])

    def among(self, chosen: NDArray[np.bool_]) -> PairGraph:
        """The graph of some rows, numbered anew; copies whose row is not among them stay as rows of their own.

        Args:
            chosen: ``(n,)`` whether each row is in it.
        """
        place = np.cumsum(chosen, dtype=np.int64) - 1
        kept = chosen[self.left] & chosen[self.right]
        copies = place[self.copies[chosen[self.copies].all(axis=1)]]
        return PairGraph(int(chosen.sum()), place[self.left[kept]], place[self.right[kept]], self.weight[kept], copies)

    def adjacency(self) -> csr_array:
        """``(n, n)`` symmetric sparse matrix of the weights; that of a row and its copy is 1."""
        shape = (self.count, self.count)
        left, right = (np.concatenate([side, self.copies[:, i]]) for i, side in enumerate((self.left, self.right)))
        weight = np.concatenate([self.weight, np.ones(len(self.copies), dtype=np.float32)])
        half = coo_array((weight, (left, right)), shape=shape)
        return (half + half.T).tocsr()
