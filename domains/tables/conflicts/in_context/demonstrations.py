"""Which things of the table a model is shown as examples."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from domains.tables.conflicts.in_context.agreed import Agreed

__all__ = ["Selection", "nearest", "text_similarity", "weighted_equality"]

Selection = Literal["random", "knn", "weighted_knn"]


def weighted_equality(
    things: Agreed,
    columns: NDArray[np.int64],
    weight: NDArray[np.float64],
    queries: NDArray[np.int64],
    pool: NDArray[np.int64],
) -> NDArray[np.float64]:
    """``(q, p)`` sum of the weights of the attributes in which two things have the same value.

    Args:
        things: their agreed values.
        columns: ``(c,)`` attributes that count.
        weight: ``(c,)`` of each.
        queries: ``(q,)`` things.
        pool: ``(p,)`` others.
    """
    score = np.zeros((len(queries), len(pool)))
    for column, share in zip(columns.tolist(), weight.tolist(), strict=True):
        own = things.code[queries, column][:, None]
        score += share * ((own == things.code[pool, column]) & (own >= 0))
    return score


def text_similarity(
    things: Agreed, columns: NDArray[np.int64], queries: NDArray[np.int64], pool: NDArray[np.int64]
) -> NDArray[np.float64]:
    """``(q, p)`` cosine of the trigrams of the agreed values, rare ones weighing more.

    Args:
        things: their agreed values.
        columns: ``(c,)`` attributes that count.
        queries: ``(q,)`` things.
        pool: ``(p,)`` others; they alone say what is rare.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    def join(rows: NDArray[np.int64]) -> list[str]:
        return [" | ".join(v for v in row if v is not None) for row in things.key[np.ix_(rows, columns)]]

    texts = join(pool)
    if not any(texts):
        return np.zeros((len(queries), len(pool)))
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 3)).fit(texts)
    product = csr_array(vectorizer.transform(join(queries))) @ csr_array(vectorizer.transform(texts)).T
    return np.asarray(product.toarray())


def nearest(score: NDArray[np.float64], pool: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """The k things of a pool with the largest scores, the best last, next to the question; ties by number.

    Args:
        score: ``(p,)``.
        pool: ``(p,)`` numbers of things.
        k: at most this many.

    >>> nearest(np.array([0.1, 0.9, 0.5]), np.array([4, 7, 8]), 2).tolist()
    [8, 7]
    """
    order = np.lexsort((pool, -np.round(score, 9)))
    return pool[order[:k]][::-1]
