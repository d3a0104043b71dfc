"""Pairs of rows that have a rare word or q-gram in common: an inverted index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.sparse import csr_array

from core.checks import check_at_least
from domains.tables.blocking.pairs import Candidates, within_blocks
from domains.tables.blocking.words import row_grams, row_words
from domains.tables.data.table import Table
from domains.tables.engine import LOCAL, Engine
from domains.tables.matching.attributes import attributes_of

__all__ = ["TokenIndex"]


@dataclass(frozen=True)
class TokenIndex:
    """Rows that share a word (or 3-gram) which few rows have, in whatever columns.

    Time and memory are linear in the tokens of the rows.

    Attributes:
        rare: rows that have a token, at most, for it to count, >= 2.
        tokens: "words", or "grams" for values with typing errors in each word.
    """

    rare: int = 20
    tokens: Literal["words", "grams"] = "words"

    def __post_init__(self) -> None:
        check_at_least("rare", self.rare, 2)

    def candidates(self, table: Table, engine: Engine = LOCAL) -> Candidates:
        """See `domains.tables.blocking.blocker.Blocker`."""
        held = self._index(table)
        left, right = within_blocks(held.indices, np.repeat(np.arange(held.shape[0]), np.diff(held.indptr)), self.rare)
        return Candidates.of(len(table), left, right)

    def most_pairs(self, table: Table) -> int:
        """See `domains.tables.blocking.blocker.Blocker`."""
        size = np.diff(self._index(table).indptr).astype(np.int64)
        size = size[size <= self.rare]
        return int((size * (size - 1) // 2).sum())

    def _index(self, table: Table) -> csr_array:
        """``(t, n)`` rows of each token."""
        attributes = attributes_of(table)
        return csr_array((row_words(attributes) if self.tokens == "words" else row_grams(attributes)).T)
