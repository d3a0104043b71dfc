"""Each row's nearest rows by the q-grams of all of its values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array, diags_array
from sklearn.feature_extraction.text import TfidfTransformer

from core.progress import watched
from domains.tables.blocking.pairs import Candidates
from domains.tables.matching.attributes import Attribute
from domains.tables.matching.grams import count_grams

__all__ = ["nearest_rows", "row_vectors"]

_BLOCK = 512


def row_vectors(attributes: Sequence[Attribute]) -> csr_array:
    """``(n, g)`` float32 unit vectors of the q-grams of all values of a row: TF-IDF over rows.

    Args:
        attributes: of the table.
    """
    values = np.concatenate([attribute.values for attribute in attributes])
    counts = count_grams(values)
    start, total = 0, None
    for attribute in attributes:
        code = attribute.code
        there = np.flatnonzero(code >= 0)
        where = (np.ones(len(there), dtype=np.float32), (there, code[there] + start))
        part = csr_array(where, shape=(len(code), len(values))) @ counts
        total = part if total is None else total + part
        start += len(attribute.values)
    return csr_array(TfidfTransformer(sublinear_tf=True).fit_transform(total), dtype=np.float32)


def nearest_rows(vectors: csr_array, k: int, most: int = 2000) -> Candidates:
    """Pairs of each row and its k most similar rows, by the product of their vectors.

    q-grams that stand in more than ``most`` rows find no neighbours, so that the time is linear in the rows; pairs that
    have only such q-grams in common are not found. Time is that of the sparse products in blocks of rows.

    Args:
        vectors: ``(n, g)`` unit rows.
        k: neighbours, >= 1.
        most: rows of a q-gram that is used.
    """
    count = vectors.shape[0]
    spread = np.bincount(vectors.indices, minlength=vectors.shape[1])
    kept = diags_array((spread <= most).astype(np.float32))
    postings = (vectors @ kept).T.tocsr()
    left, right = [], []
    for start in watched(range(0, count, _BLOCK), "nearest rows", -(-count // _BLOCK)):
        found = (vectors[start : start + _BLOCK] @ postings).tocoo()
        rows, columns = found.row + start, found.col
        used = (rows != columns) & (found.data > 0)
        rows, columns, data = rows[used], columns[used], found.data[used]
        order = np.lexsort((columns, -data, rows))
        rows, columns = rows[order], columns[order]
        rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
        left.append(rows[rank < k])
        right.append(columns[rank < k])
    return Candidates.of(count, np.concatenate(left), np.concatenate(right))
