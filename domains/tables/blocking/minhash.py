"""Locality-sensitive hashing of rows by their q-grams: rows that are alike probably meet in a bucket."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.checks import check_at_least
from domains.tables.blocking.pairs import Candidates, within_blocks
from domains.tables.blocking.words import block_pairs, row_grams
from domains.tables.data.table import Table
from domains.tables.engine import LOCAL, Engine
from domains.tables.matching.attributes import attributes_of

__all__ = ["MinHash", "meeting_probability"]

_PRIME = (1 << 31) - 1


@dataclass(frozen=True)
class MinHash:
    """MinHash of 3-grams in bands (Broder 1997; Indyk and Motwani 1998).

    Two rows whose sets of 3-grams have the Jaccard similarity s meet in at least one of b bands of r hashes with the
    probability 1 - (1 - s^r)^b: with the defaults .47 at s = .3, .92 at .5, 1.00 at .7. Linear in the 3-grams.

    Attributes:
        bands: b, >= 1.
        hashes: r of a band, >= 1.
        largest: rows of the largest bucket that is used, >= 2.
        seed: of the hash functions.
    """

    bands: int = 24
    hashes: int = 3
    largest: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("bands", 1), ("hashes", 1), ("largest", 2)):
            check_at_least(name, getattr(self, name), least)

    def candidates(self, table: Table, engine: Engine = LOCAL) -> Candidates:
        """See `domains.tables.blocking.blocker.Blocker`."""
        rows, bucket = self._buckets(table)
        parts = (Candidates.of(len(table), *within_blocks(rows, one, self.largest)) for one in bucket)
        return Candidates.union(len(table), parts)

    def most_pairs(self, table: Table) -> int:
        """See `domains.tables.blocking.blocker.Blocker`."""
        _, bucket = self._buckets(table)
        return sum(block_pairs(one, self.largest) for one in bucket)

    def _buckets(self, table: Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows with q-grams, and ``(bands, r)`` the bucket of each in every band."""
        held = row_grams(attributes_of(table))
        size = np.diff(held.indptr)
        rows = np.flatnonzero(size).astype(np.int64)
        bucket = np.zeros((self.bands, len(rows)), dtype=np.int64)
        if not len(rows):
            return rows, bucket
        draw = np.random.default_rng(self.seed)
        start = held.indptr[rows]
        for band in bucket:
            for _ in range(self.hashes):
                # one number for each q-gram, drawn evenly, stands for a random order of all q-grams
                number = draw.integers(0, _PRIME, held.shape[1])
                least = np.minimum.reduceat(number[held.indices], start)
                band[:] = (band * 1_000_003 + least) % (1 << 61)
        return rows, bucket


def meeting_probability(similarity: float, bands: int, hashes: int) -> float:
    """Probability that two rows meet, ``1 - (1 - s^r)^b``.

    Args:
        similarity: s, Jaccard, in [0, 1].
        bands: b.
        hashes: r.

    >>> round(meeting_probability(0.5, 24, 3), 2)
    0.96
    """
    return float(1 - (1 - similarity**hashes) ** bands)
