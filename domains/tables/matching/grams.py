"""Texts as sparse rows of character q-grams, and products of matching rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

__all__ = ["Grams", "count_grams", "number_tokens", "row_products"]

_QS = (2, 4)
_BLOCK = 32_768


@dataclass(frozen=True, eq=False)
class Grams:
    """q-grams (2 to 4 characters, within words) of k texts.

    Attributes:
        unit: ``(k, g)`` float32, TF-IDF with a logarithmic term frequency, rows of length 1: products are cosines.
        rarity: ``(k, g)`` float32, the root of the inverse document frequency of each q-gram that is there: products
            are the common weight of two texts.
        weight: ``(k,)`` float32, weight of each text, the product of its ``rarity`` row with itself.
    """

    unit: csr_array
    rarity: csr_array
    weight: NDArray[np.float32]

    @classmethod
    def of(cls, texts: Sequence[str] | NDArray[np.object_]) -> Grams:
        """q-grams of texts, each counted once in the document frequencies.

        Args:
            texts: comparable texts.
        """
        counts = count_grams(texts)
        if not len(texts):
            return cls(counts, counts, np.empty(0, dtype=np.float32))
        scale = TfidfTransformer(sublinear_tf=True).fit(counts)
        unit = csr_array(scale.transform(counts))
        present = counts.copy()
        present.data[:] = 1
        rarity = (present @ diags_array(np.sqrt(scale.idf_).astype(np.float32))).tocsr()
        return cls(unit, rarity, np.asarray(rarity.multiply(rarity).sum(axis=1), dtype=np.float32).ravel())


def count_grams(texts: Sequence[str] | NDArray[np.object_]) -> csr_array:
    """``(k, g)`` float32, how often each q-gram stands in each text.

    Args:
        texts: comparable texts.
    """
    if not len(texts):
        none: csr_array = csr_array(np.empty((0, 0), dtype=np.float32))
        return none
    counter = CountVectorizer(analyzer="char_wb", ngram_range=_QS, dtype=np.float32)
    counts: csr_array = csr_array(counter.fit_transform(texts))
    return counts


def number_tokens(texts: NDArray[np.object_]) -> csr_array:
    """``(k, t)`` float32, 1 where a text has a number; t is 0 where no text has one.

    Args:
        texts: comparable texts.
    """
    counter = CountVectorizer(token_pattern=r"\d+", binary=True, dtype=np.float32)
    if not any(character.isdecimal() for text in texts for character in text):
        empty: csr_array = csr_array(np.empty((len(texts), 0), dtype=np.float32))
        return empty
    found: csr_array = csr_array(counter.fit_transform(texts))
    return found


def row_products(
    a: csr_array, b: csr_array, left: NDArray[np.integer], right: NDArray[np.integer]
) -> NDArray[np.float32]:
    """``(p,)`` products of row ``left[i]`` of one matrix with row ``right[i]`` of another, in blocks.

    Args:
        a: ``(k, g)``.
        b: ``(l, g)``.
        left: ``(p,)`` rows of ``a``.
        right: ``(p,)`` rows of ``b``.
    """
    found = np.empty(len(left), dtype=np.float32)
    for start in range(0, len(left), _BLOCK):
        block = slice(start, start + _BLOCK)
        found[block] = np.asarray(a[left[block]].multiply(b[right[block]]).sum(axis=1)).ravel()
    return found
