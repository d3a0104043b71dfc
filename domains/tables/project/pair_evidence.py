"""What speaks for and against two rows being the same thing, attribute by attribute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rapidfuzz.distance import Indel

from domains.tables.conflicts.comparable import comparable
from domains.tables.data.table import Table
from domains.tables.matching.whole_row import WHOLE_ROW

__all__ = ["AttributeEvidence", "attribute_evidence", "similarity_vector", "unlikeness"]

_AS_A_WHOLE = "compared as one text: a value may stand in another column"


@dataclass(frozen=True)
class AttributeEvidence:
    """One attribute of a pair.

    Attributes:
        name: of the attribute.
        left: value of the first row, None where it is missing.
        right: value of the second row.
        similarity: of both values, in [0, 1]: 1 where they say the same apart from case, spaces and Unicode form, else
            1 minus the share of characters to insert and delete; None where a value is missing.
        words: the same for people.
        odds: natural logarithm of the odds of a match that the matcher reads from the attribute: above 0 it speaks for
            a match; None where the matcher does not know the attribute or no matcher is given.
    """

    name: str
    left: str | None
    right: str | None
    similarity: float | None
    words: str
    odds: float | None = None


def attribute_evidence(
    table: Table, a: int, b: int, odds: Mapping[str, float] | None = None
) -> list[AttributeEvidence]:
    """Compare two rows; attributes that both rows lack are left out.

    Where the matcher compared the rows as a whole too, that is the last one, without values of its own.

    Args:
        table: the rows.
        a: position of one.
        b: position of the other.
        odds: of each attribute, see `domains.tables.matching.odds.PairOdds`.

    >>> table = Table.of(pd.DataFrame({"name": ["Ulm Library", "ulm  library"], "fax": ["1", None]}))
    >>> [(one.name, one.similarity, one.words) for one in attribute_evidence(table, 0, 1)]
    [('name', 1.0, 'the same'), ('fax', None, 'only in the first row')]
    """
    result = []
    odds = odds or {}
    for name in table.columns:
        left, right = _value(table, name, a), _value(table, name, b)
        if left is None and right is None:
            continue
        similarity = _similarity(left, right) if left is not None and right is not None else None
        result.append(AttributeEvidence(name, left, right, similarity, _words(left, right, similarity), odds.get(name)))
    if odds.get(WHOLE_ROW) and WHOLE_ROW not in table.frame:
        result.append(AttributeEvidence(WHOLE_ROW, None, None, None, _AS_A_WHOLE, odds[WHOLE_ROW]))
    return result


def similarity_vector(table: Table, a: int, b: int) -> NDArray[np.float64]:
    """``(m,)`` similarity of each attribute, NaN where a value is missing.

    Args:
        table: the rows.
        a: position of one.
        b: position of the other.
    """
    known = {one.name: one.similarity for one in attribute_evidence(table, a, b)}
    found = [known.get(name) for name in table.columns]
    return np.array([np.nan if one is None else one for one in found], dtype=np.float64)


def unlikeness(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """How differently the attributes of two pairs agree, in [0, 1].

    The mean difference of similarity; an attribute that only one of the pairs has counts as half a difference.

    Args:
        one: ``(m,)`` see `similarity_vector`.
        other: ``(m,)`` of the other pair.

    >>> unlikeness(np.array([1.0, np.nan]), np.array([0.5, 0.2]))
    0.5
    """
    known, known_other = ~np.isnan(one), ~np.isnan(other)
    both = known & known_other
    total = np.abs(one[both] - other[both]).sum() + 0.5 * (known != known_other).sum()
    return float(total) / max(len(one), 1)


def _value(table: Table, name: str, row: int) -> str | None:
    value = table.frame[name].iloc[row]
    return None if pd.isna(value) else str(value)


def _similarity(left: str, right: str) -> float:
    one, two = comparable([left, right])
    return 1.0 if one == two else float(Indel.normalized_similarity(str(one), str(two)))


def _words(left: str | None, right: str | None, similarity: float | None) -> str:
    if similarity is None:
        return "only in the first row" if right is None else "only in the second row"
    if similarity == 1:
        return "the same"
    for least, words in ((0.85, "nearly the same"), (0.6, "alike"), (0.3, "little alike")):
        if similarity >= least:
            return words
    return "unlike"
