"""Rivals of a few lines that need neither labels nor training: an exact key, TF-IDF of character n-grams, rapidfuzz."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.fuzz import token_set_ratio
from rapidfuzz.process import cpdist
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neighbors import NearestNeighbors

from domains.tables.data.table import Table

__all__ = ["ScoredPairs", "exact_key", "linked", "linked_then_averaged", "row_texts", "tfidf_pairs"]


def row_texts(table: Table) -> list[str]:
    """Each row as one text: its values in lower case, in the order of the columns."""
    columns = [table.frame[c].fillna("").str.lower().tolist() for c in table.columns]
    return [" ".join(filter(None, values)) for values in zip(*columns, strict=True)]


def exact_key(table: Table, columns: Sequence[str]) -> NDArray[np.int64]:
    """``(n,)`` sets of rows that agree in all of some columns, but for case, punctuation and white space.

    A row without a value in one of them is alone.

    Args:
        table: the rows.
        columns: the key.
    """
    plain = [table.frame[c].str.lower().str.replace(r"\W", "", regex=True).tolist() for c in columns]
    seen: dict[tuple[str, ...], int] = {}
    labels = np.arange(len(table))
    for row, key in enumerate(zip(*plain, strict=True)):
        if all(isinstance(value, str) and value for value in key):
            labels[row] = seen.setdefault(key, row)
    return labels


@dataclass(frozen=True, eq=False)
class ScoredPairs:
    """Pairs of rows with the cosine of their texts.

    Attributes:
        texts: of the n rows.
        vectors: ``(n, g)`` unit rows.
        left: ``(p,)`` one row of each pair.
        right: ``(p,)`` the other one.
        cosine: ``(p,)`` in [0, 1].
    """

    texts: Sequence[str]
    vectors: csr_array
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    cosine: NDArray[np.float64]

    def token_set(self) -> NDArray[np.float64]:
        """``(p,)`` rapidfuzz's token_set_ratio of the same pairs, in [0, 1]."""
        texts = np.array(self.texts, dtype=object)
        found = cpdist(texts[self.left], texts[self.right], scorer=token_set_ratio, workers=1)
        scores: NDArray[np.float64] = found.astype(np.float64) / 100
        return scores


def tfidf_pairs(table: Table, neighbours: int) -> ScoredPairs:
    """Each row with its nearest rows by TF-IDF of character 3- and 4-grams of the whole row.

    Args:
        table: the rows.
        neighbours: rows that each row is compared with, >= 1.
    """
    texts = row_texts(table)
    vectors = csr_array(TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4)).fit_transform(texts))
    k = min(neighbours, len(table) - 1)
    distance, near = NearestNeighbors(n_neighbors=k, metric="cosine", n_jobs=1).fit(vectors).kneighbors()
    rows = np.repeat(np.arange(len(table)), k)
    return ScoredPairs(texts, vectors, rows, near.ravel(), np.clip(1 - distance.ravel(), 0, 1))


def linked(pairs: ScoredPairs, score: NDArray[np.float64], threshold: float) -> NDArray[np.int64]:
    """``(n,)`` connected components of the pairs that reach a threshold.

    Args:
        pairs: of rows.
        score: ``(p,)`` of each pair.
        threshold: the least score that links.
    """
    n, kept = len(pairs.texts), score >= threshold
    links = coo_array((np.ones(kept.sum()), (pairs.left[kept], pairs.right[kept])), shape=(n, n))
    found: NDArray[np.int64] = connected_components(links, directed=False)[1].astype(np.int64)
    return found


def linked_then_averaged(pairs: ScoredPairs, threshold: float) -> NDArray[np.int64]:
    """``(n,)`` average linkage on all cosines inside each connected component, at one threshold for both.

    Args:
        pairs: of rows.
        threshold: the least cosine that links, and the least mean cosine of two sets.
    """
    component = linked(pairs, pairs.cosine, threshold)
    labels = np.zeros(len(component), dtype=np.int64)
    last = 0
    for members in np.split(np.argsort(component, kind="stable"), np.cumsum(np.bincount(component))[:-1]):
        if len(members) > 2:
            part = pairs.vectors[members]
            distance = np.clip(1 - (part @ part.T).toarray(), 0, 1)
            np.fill_diagonal(distance, 0)
            found = fcluster(linkage(squareform(distance, checks=False), "average"), 1 - threshold, "distance")
            labels[members] = last + found
        else:
            labels[members] = last + 1
        last = int(labels[members].max())
    return labels
