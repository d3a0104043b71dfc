"""Each row's nearest rows by the q-grams of all of its values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array
from sklearn.feature_extraction.text import TfidfTransformer

from domains.tables.blocking.pairs import Candidates
from domains.tables.engine import LOCAL, Engine
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


def nearest_rows(vectors: csr_array, k: int, most: int = 2000, engine: Engine = LOCAL) -> Candidates:
    """Pairs of each row and its k most similar rows, by the product of their vectors.

    q-grams that stand in more than ``most`` rows find no neighbours, so that the time is linear in the rows; pairs that
    have only such q-grams in common are not found. Time is that of the sparse products in blocks of rows.

    Args:
        vectors: ``(n, g)`` unit rows.
        k: neighbours, >= 1.
        most: rows of a q-gram that is used.
        engine: where blocks of rows are looked at.
    """
    count = vectors.shape[0]
    spread = np.bincount(vectors.indices, minlength=vectors.shape[1])
    kept = diags_array((spread <= most).astype(np.float32))
    postings = (vectors @ kept).T.tocsr()
    blocks = range(0, count, _BLOCK)
    parts = list(engine.map(_nearest_of, (vectors, postings, k), blocks, "nearest rows"))
    return Candidates.of(count, *(np.concatenate(side) for side in zip(*parts, strict=True)))


def _nearest_of(shared: tuple[csr_array, csr_array, int], start: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of the rows of a block with their nearest."""
    vectors, postings, k = shared
    found = (vectors[start : start + _BLOCK] @ postings).tocoo()
    rows, columns = found.row.astype(np.int64) + start, found.col.astype(np.int64)
    used = (rows != columns) & (found.data > 0)
    rows, columns, data = rows[used], columns[used], found.data[used]
    order = np.lexsort((columns, -data, rows))
    rows, columns = rows[order], columns[order]
    near = np.arange(len(rows)) - np.searchsorted(rows, rows) < k
    return rows[near], columns[near]
