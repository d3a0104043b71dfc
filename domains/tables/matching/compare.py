"""How pairs of rows agree, attribute by attribute, as a few levels whose odds can be learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Indel
from rapidfuzz.process import cpdist

from domains.tables.matching.attributes import Attribute
from domains.tables.matching.grams import row_products

__all__ = ["BINS", "ELSEWHERE", "LEVELS", "MISSING", "Comparison", "compare", "describe"]

BINS = (0.2, 0.4, 0.55, 0.7, 0.85, 0.97)
"""Bounds of the seven degrees of similarity."""
_CONTAINED = 0.8
_NONE, _NESTED, _DISJOINT, _OVERLAP = range(4)
_RELATIONS = 4
ELSEWHERE = 2 * _RELATIONS * (len(BINS) + 1)
"""Level of two unlike values that both stand in other attributes of the other row, as names that were swapped."""
LEVELS = ELSEWHERE + 1
MISSING = -1
_BLOCK = 1 << 19


@dataclass(frozen=True, eq=False)
class Comparison:
    """Pairs by attribute.

    Attributes:
        level: ``(p, m)`` int8, 0 to `LEVELS` - 1, or `MISSING` where a row has no value: degree of similarity times 8,
            plus 4 where one value contains the other, plus what the numbers in both say (none on a side, nested,
            disjoint, overlapping).
        rarity: ``(p, m)`` float32, natural logarithm of how much rarer (> 0) or more common (< 0) the values of an
            agreement are than those of a random agreement; 0 where they do not agree.
    """

    level: NDArray[np.int8]
    rarity: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.level)

    @property
    def support(self) -> NDArray[np.int64]:
        """``(p,)`` number of attributes in which both rows have values."""
        found: NDArray[np.int64] = (self.level != MISSING).sum(axis=1)
        return found

    def select(self, pairs: NDArray[np.int64] | NDArray[np.bool_] | slice) -> Comparison:
        """The comparison of some pairs."""
        return Comparison(self.level[pairs], self.rarity[pairs])

    def joined(self, other: Comparison, order: NDArray[np.integer]) -> Comparison:
        """The pairs of this comparison and of another one, in an order of their own.

        Args:
            other: of q further pairs.
            order: ``(p + q,)`` positions among these pairs and then those.
        """
        return Comparison(
            np.concatenate([self.level, other.level])[order], np.concatenate([self.rarity, other.rarity])[order]
        )


def compare(attributes: Sequence[Attribute], left: NDArray[np.integer], right: NDArray[np.integer]) -> Comparison:
    """Compare pairs of rows; each distinct pair of values is looked at once per block.

    Values of one word are compared by the normalised indel similarity, longer ones by the cosine of their q-grams
    (TF-IDF within the attribute). The whole row, if it is among the attributes, is compared only where a value stands
    in one of the two rows alone. `ELSEWHERE` is not looked for; see `domains.tables.matching.elsewhere`.

    Args:
        attributes: of the table.
        left: ``(p,)`` rows.
        right: ``(p,)`` rows.
    """
    level = np.full((len(left), len(attributes)), MISSING, dtype=np.int8)
    rarity = np.zeros(level.shape, dtype=np.float32)
    for start in range(0, len(left), _BLOCK):
        block = slice(start, start + _BLOCK)
        a, b = left[block], right[block]
        for column, attribute in enumerate(attributes):
            told = _one_sided(attributes, a, b) if attribute.whole else None
            _compare_one(attribute, a, b, told, level[block, column], rarity[block, column])
    return Comparison(level, rarity)


def _one_sided(
    attributes: Sequence[Attribute], left: NDArray[np.integer], right: NDArray[np.integer]
) -> NDArray[np.bool_]:
    """``(p,)`` whether one row has a value that the other lacks."""
    found = np.zeros(len(left), dtype=np.bool_)
    for attribute in attributes:
        if not attribute.whole:
            found |= attribute.present[left] != attribute.present[right]
    return found


def _compare_one(
    attribute: Attribute,
    left: NDArray[np.integer],
    right: NDArray[np.integer],
    told: NDArray[np.bool_] | None,
    level: NDArray[np.int8],
    rarity: NDArray[np.float32],
) -> None:
    """Fill in level and rarity of the pairs told, or of all."""
    a, b = attribute.code[left].astype(np.int64), attribute.code[right].astype(np.int64)
    both = np.flatnonzero((a >= 0) & (b >= 0) if told is None else (a >= 0) & (b >= 0) & told)
    if not len(both):
        return
    low, high = np.minimum(a[both], b[both]), np.maximum(a[both], b[both])
    key, inverse = np.unique(low * len(attribute.values) + high, return_inverse=True)
    low, high = np.divmod(key, len(attribute.values))
    similarity, contained, relation = _value_pairs(attribute, low, high)
    found = np.digitize(similarity, BINS) * 2 * _RELATIONS + contained * _RELATIONS + relation
    level[both] = found[inverse]
    # of two spellings the more common one counts; agreement begins at 0.6 and is full at 1
    share = np.maximum(attribute.frequency[low], attribute.frequency[high])
    degree = np.clip((similarity - 0.6) / 0.4, 0, 1)
    rarity[both] = (degree * np.log(attribute.agreement / share))[inverse]


def _value_pairs(
    attribute: Attribute, low: NDArray[np.int64], high: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Similarity, whether one contains the other, and the relation of their numbers, of pairs of distinct values."""
    similarity = np.ones(len(low), dtype=np.float32)
    contained = np.zeros(len(low), dtype=np.int64)
    relation = np.zeros(len(low), dtype=np.int64)
    differ = np.flatnonzero(low != high)
    a, b = low[differ], high[differ]
    if attribute.is_text:
        grams = attribute.grams
        similarity[differ] = row_products(grams.unit, grams.unit, a, b)
        common = row_products(grams.rarity, grams.rarity, a, b)
        contained[differ] = common > _CONTAINED * np.minimum(grams.weight[a], grams.weight[b])
        contained[low == high] = 1
    else:
        similarity[differ] = cpdist(
            attribute.values[a], attribute.values[b], scorer=Indel.normalized_similarity, dtype=np.float32
        )
    numbers = attribute.numbers
    if numbers.shape[1]:
        size = np.diff(numbers.indptr)
        told = np.flatnonzero((size[low] > 0) & (size[high] > 0))
        a, b = low[told], high[told]
        common = row_products(numbers, numbers, a, b)
        relation[told] = np.select(
            [common >= np.minimum(size[a], size[b]), common == 0], [_NESTED, _DISJOINT], _OVERLAP
        )
    return similarity, contained, relation


_DEGREES = ("unlike", "hardly alike", "somewhat alike", "half alike", "alike", "nearly equal", "equal")
_NUMBERS = ("", "same numbers", "other numbers", "some numbers in common")


def describe(level: int) -> str:
    """A level in words.

    >>> describe(MISSING), describe(ELSEWHERE)
    ('not known in both', 'each stands elsewhere in the other row')
    """
    if level == MISSING:
        return "not known in both"
    if level == ELSEWHERE:
        return "each stands elsewhere in the other row"
    degree, rest = divmod(level, 2 * _RELATIONS)
    contained, relation = divmod(rest, _RELATIONS)
    words = [_DEGREES[degree], "one contains the other" if contained and degree < len(BINS) else "", _NUMBERS[relation]]
    return ", ".join(word for word in words if word)
