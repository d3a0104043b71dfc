"""Pairs of rows that have equal values in two columns, or a rare word in common: linear in the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.checks import check_at_least
from domains.tables.blocking.identical import identical_pairs, most_identical_pairs
from domains.tables.blocking.pairs import Candidates, within_blocks
from domains.tables.blocking.words import block_pairs, row_words
from domains.tables.data.table import Table
from domains.tables.engine import LOCAL, Engine
from domains.tables.matching.attributes import Attribute, attributes_of

__all__ = ["SharedValues"]

_COLUMNS = 12
_HELD = 4
"""Parts that are held before they are joined: pairs are found again and again."""


@dataclass(frozen=True)
class SharedValues:
    """Rows that are equal in two columns, for every two columns; rows whose texts share a rare word.

    Rows with the same two values are a block. Blocks of more than ``largest`` rows are left out: what they have in
    common is common, as a town with its postcode. A duplicate is found as long as any two of its values are whole (or
    one rare word of a text), so the more columns, the more errors it may have.

    Time and memory are linear in the rows: of c columns there are c (c - 1) / 2 sorts of the rows, of the twelve that
    tell most apart.

    Attributes:
        largest: rows of the largest block whose pairs are taken, >= 2.
        rare: rows that have a word, at most, for it to be rare, >= 2.
    """

    largest: int = 20
    rare: int = 8

    def __post_init__(self) -> None:
        check_at_least("largest", self.largest, 2)
        check_at_least("rare", self.rare, 2)

    def candidates(self, table: Table, engine: Engine = LOCAL) -> Candidates:
        """See `domains.tables.blocking.blocker.Blocker`."""
        chosen = _most_telling(attributes_of(table))
        found = [identical_pairs(table)]
        keys = _keys(chosen)
        for left, right in engine.map(_pairs_of, (self, chosen), keys, "finding pairs"):
            found.append(Candidates.of(len(table), left, right))
            if len(found) > _HELD:
                found = [Candidates.union(len(table), found)]
        return Candidates.union(len(table), found)

    def most_pairs(self, table: Table) -> int:
        """See `domains.tables.blocking.blocker.Blocker`; pairs that several blocks have count several times."""
        chosen = _most_telling(attributes_of(table))
        keys = _keys(chosen)
        found = sum(block_pairs(block, largest) for _, block, largest in (self.blocks(chosen, key) for key in keys))
        return found + most_identical_pairs(table)

    def blocks(
        self, attributes: Sequence[Attribute], key: tuple[int, ...]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
        """Rows, the block of each, and the rows of the largest block that is used.

        Args:
            attributes: of the table.
            key: positions of two attributes whose values are a block together, or of one whose words are.
        """
        if len(key) == 2:
            one, other = (attributes[place] for place in key)
            rows = np.flatnonzero(one.present & other.present)
            return rows, one.code[rows].astype(np.int64) * len(other.values) + other.code[rows], self.largest
        held = csr_array(row_words([attributes[key[0]]]).T)
        size = np.diff(held.indptr)
        word = np.repeat(np.arange(len(size)), size)
        rare = (size <= self.rare)[word]
        return held.indices[rare].astype(np.int64), word[rare].astype(np.int64), self.rare


def _keys(attributes: Sequence[Attribute]) -> list[tuple[int, ...]]:
    """Every two attributes, and each whose values are texts."""
    pairs: list[tuple[int, ...]] = list(combinations(range(len(attributes)), 2))
    return [*pairs, *((place,) for place, one in enumerate(attributes) if one.is_text)]


def _pairs_of(
    shared: tuple[SharedValues, Sequence[Attribute]], key: tuple[int, ...]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    blocker, attributes = shared
    return within_blocks(*blocker.blocks(attributes, key))


def _most_telling(attributes: Sequence[Attribute]) -> list[Attribute]:
    """Those that tell most rows apart: by the entropy of their values times the share of rows that have one."""
    return sorted(attributes, key=lambda one: -_telling(one))[:_COLUMNS]


def _telling(attribute: Attribute) -> float:
    share = attribute.frequency
    return float(-(share * np.log(share)).sum() * attribute.total / max(1, len(attribute.code)))
