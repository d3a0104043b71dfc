"""Each row with its nearest rows by the vectors of its values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.checks import check_at_least
from domains.tables.blocking.pairs import Candidates
from domains.tables.data.table import Table
from domains.tables.engine import LOCAL, Engine
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

    def candidates(self, table: Table, engine: Engine = LOCAL) -> Candidates:
        """See `domains.tables.blocking.blocker.Blocker`."""
        rows, vectors = self._vectors(table)
        k = min(self.neighbours, len(rows) - 1)
        if k < 1:
            return Candidates(len(table), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
        blocks = range(0, len(rows), _BLOCK)
        parts = list(engine.map(_nearest_of, (vectors, k), blocks, "nearest rows"))
        left, right = (np.concatenate(side) for side in zip(*parts, strict=True))
        return Candidates.of(len(table), rows[left], rows[right])

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


def _nearest_of(shared: tuple[NDArray[np.float32], int], start: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the vectors of a block, each as often as it has neighbours, and those of the neighbours."""
    vectors, k = shared
    cosine = vectors[start : start + _BLOCK] @ vectors.T
    own = start + np.arange(len(cosine))
    cosine[np.arange(len(cosine)), own] = -np.inf
    near = np.argpartition(-cosine, k - 1, axis=1)[:, :k]
    return np.repeat(own, k), near.ravel().astype(np.int64)
