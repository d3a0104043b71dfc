"""Which words, or which q-grams, each row has, whatever the column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import CountVectorizer

from domains.tables.matching.attributes import Attribute

__all__ = ["block_pairs", "row_grams", "row_words"]

_QS = (3, 3)


def row_words(attributes: Sequence[Attribute]) -> csr_array:
    """``(n, w)`` 1 where a row has a word of two characters or more.

    Args:
        attributes: of n rows.
    """
    return _held(attributes, CountVectorizer(token_pattern=r"(?u)\b\w\w+\b", binary=True, dtype=np.float32))


def row_grams(attributes: Sequence[Attribute]) -> csr_array:
    """``(n, g)`` 1 where a row has a 3-gram of characters, within words and with the blanks around them.

    Args:
        attributes: of n rows.
    """
    return _held(attributes, CountVectorizer(analyzer="char_wb", ngram_range=_QS, binary=True, dtype=np.float32))


def _held(attributes: Sequence[Attribute], counter: CountVectorizer) -> csr_array:
    count = len(attributes[0].code) if attributes else 0
    values = np.concatenate([np.empty(0, dtype=object), *(attribute.values for attribute in attributes)])
    analyse = counter.build_analyzer()
    if not any(analyse(str(value)) for value in values[:1000]) and not any(analyse(str(v)) for v in values[1000:]):
        none: csr_array = csr_array(np.empty((count, 0), dtype=np.float32))
        return none
    tokens = csr_array(counter.fit_transform(values))
    where, start = [], 0
    for attribute in attributes:
        there = np.flatnonzero(attribute.present)
        where.append(np.column_stack([there, attribute.code[there] + start]))
        start += len(attribute.values)
    places = np.concatenate(where)
    ones = np.ones(len(places), dtype=np.float32)
    has: csr_array = csr_array((ones, (places[:, 0], places[:, 1])), shape=(count, len(values)))
    found: csr_array = has @ tokens
    found.data[:] = 1
    return found


def block_pairs(block: NDArray[np.integer], largest: int) -> int:
    """Number of pairs of rows of the same block, blocks of more than ``largest`` rows left out.

    Args:
        block: ``(k,)`` the block of each row.
        largest: most rows in a block that is used.

    >>> block_pairs(np.array([0, 0, 0, 1, 1]), 2)
    1
    """
    size = np.unique(block, return_counts=True)[1].astype(np.int64)
    size = size[size <= largest]
    return int((size * (size - 1) // 2).sum())
