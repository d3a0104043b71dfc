"""Each row with its nearest rows by the vectors of its values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.checks import check_at_least
from core.progress import watched
from domains.tables.blocking.pairs import Candidates
from domains.tables.data.table import Table
from domains.tables.models.tuple_encoder import TupleEncoder, ValueEncoder

__all__ = ["EmbeddingNeighbours"]

_BLOCK = 1024


@dataclass(frozen=True, eq=False)
class EmbeddingNeighbours:
    """Nearest rows by the cosine of the mean vectors of their values, exactly: n^2 d multiplications in tiles.

    For values that say the same in other words. A hundred thousand rows of 256 numbers take minutes; for more rows take
    another blocker.

    Attributes:
        encoder: of values, such as a trained `domains.tables.methods.value_contrast.ValueContrast`.
        neighbours: rows that each row is compared with, >= 1.
    """

    encoder: ValueEncoder
    neighbours: int = 10

    def __post_init__(self) -> None:
        check_at_least("neighbours", self.neighbours, 1)

    def candidates(self, table: Table) -> Candidates:
        """See `domains.tables.blocking.blocker.Blocker`."""
        rows, vectors = self._vectors(table)
        k = min(self.neighbours, len(rows) - 1)
        if k < 1:
            return Candidates(len(table), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
        left, right = [], []
        for start in watched(range(0, len(rows), _BLOCK), "nearest rows", -(-len(rows) // _BLOCK)):
            cosine = vectors[start : start + _BLOCK] @ vectors.T
            cosine[np.arange(len(cosine)), start + np.arange(len(cosine))] = -np.inf
            near = np.argpartition(-cosine, k - 1, axis=1)[:, :k]
            left.append(np.repeat(rows[start : start + len(cosine)], k))
            right.append(rows[near.ravel()])
        return Candidates.of(len(table), np.concatenate(left), np.concatenate(right))

    def most_pairs(self, table: Table) -> int:
        """See `domains.tables.blocking.blocker.Blocker`."""
        return len(table) * self.neighbours

    def _vectors(self, table: Table) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows with values, and their unit vectors."""
        encoded = TupleEncoder(self.encoder).encode_values(table)
        total = np.zeros((len(table), encoded.vectors.shape[1]), dtype=np.float32)
        for code in encoded.code.T:
            there = code >= 0
            total[there] += encoded.vectors[code[there]]
        length = np.linalg.norm(total, axis=1)
        rows = np.flatnonzero(length > 0).astype(np.int64)
        return rows, total[rows] / length[rows, None]
