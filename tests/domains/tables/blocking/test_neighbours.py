"""Nearest rows are those of the whole matrix of products."""

import numpy as np
import pandas as pd

from domains.tables.blocking.neighbours import nearest_rows, row_vectors
from domains.tables.data.table import Table
from domains.tables.matching.attributes import attributes_of

NAMES = ["ada lovelace", "ada lovelance", "alan turing", "alan m turing", "grace hopper", "kurt goedel", "ada l"]


def _vectors():
    frame = pd.DataFrame({"name": NAMES, "town": ["london", "london", "wilmslow", "wilmslow", "", "brno", "london"]})
    return row_vectors(attributes_of(Table.of(frame)))


def test_rows_have_length_1():
    vectors = _vectors()
    assert np.allclose(np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel(), 1)


def test_neighbours_are_those_of_the_whole_matrix():
    vectors = _vectors()
    dense = vectors.toarray() @ vectors.toarray().T
    np.fill_diagonal(dense, -1)
    expected = {tuple(sorted((row, int(other)))) for row in range(len(dense)) for other in np.argsort(-dense[row])[:1]}
    found = nearest_rows(vectors, 1)
    assert set(zip(found.left.tolist(), found.right.tolist(), strict=True)) == expected


def test_common_grams_find_nothing():
    assert len(nearest_rows(_vectors(), 3, most=0)) == 0
