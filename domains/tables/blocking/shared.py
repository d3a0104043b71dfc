"""Pairs of rows that have equal values in two columns, or a rare word in common: linear in the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from core.checks import check_at_least
from core.progress import watched
from domains.tables.blocking.identical import identical_pairs
from domains.tables.blocking.pairs import Candidates, within_blocks
from domains.tables.data.table import Table
from domains.tables.matching.attributes import Attribute, attributes_of

__all__ = ["SharedValues"]

_COLUMNS = 12


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

    def candidates(self, table: Table) -> Candidates:
        """Pairs worth comparing.

        Args:
            table: the rows.
        """
        chosen = _most_telling(attributes_of(table))
        found = [identical_pairs(table)]
        steps = len(chosen) * (len(chosen) - 1) // 2 + sum(one.is_text for one in chosen)
        for left, right in watched(self._parts(chosen), "finding pairs", steps):
            found.append(Candidates.of(len(table), left, right))
            if len(found) > 4:  # a few at a time, so that pairs found again and again are not all held
                found = [Candidates.union(len(table), found)]
        return Candidates.union(len(table), found)

    def _parts(self, attributes: Sequence[Attribute]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        for one, other in combinations(attributes, 2):
            rows = np.flatnonzero(one.present & other.present)
            key = one.code[rows].astype(np.int64) * len(other.values) + other.code[rows]
            yield within_blocks(rows, key, self.largest)
        for attribute in attributes:
            if attribute.is_text:
                yield self._by_words(attribute)

    def _by_words(self, attribute: Attribute) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        words = [str(value).split() for value in attribute.values]
        length = np.array([len(one) for one in words], dtype=np.int64)
        _, word = np.unique(np.array([w for one in words for w in one], dtype=object).astype(str), return_inverse=True)
        value = np.repeat(np.arange(len(words)), length)
        start = np.concatenate([[0], np.cumsum(length)])
        rows = np.flatnonzero(attribute.present)
        code = attribute.code[rows].astype(np.int64)
        held = np.bincount(word, attribute.count[value])[word] <= self.rare  # rows that have the word
        each = length[code]
        position = np.repeat(start[code], each) + _counting(each)
        row = np.repeat(rows, each)
        kept = held[position]
        return within_blocks(row[kept], word[position[kept]].astype(np.int64), self.rare)


def _counting(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths)


def _most_telling(attributes: Sequence[Attribute]) -> list[Attribute]:
    """Those that tell most rows apart: by the entropy of their values times the share of rows that have one."""
    return sorted(attributes, key=lambda one: -_telling(one))[:_COLUMNS]


def _telling(attribute: Attribute) -> float:
    share = attribute.frequency
    return float(-(share * np.log(share)).sum() * attribute.total / max(1, len(attribute.code)))
