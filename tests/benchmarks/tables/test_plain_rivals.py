"""The plain rivals against what can be worked out by hand or by all pairs."""

import numpy as np
import pandas as pd
import pytest
from rapidfuzz.fuzz import token_set_ratio
from sklearn.feature_extraction.text import TfidfVectorizer

from benchmarks.tables.matching import OTSU, run_plain
from benchmarks.tables.plain_rivals import (
    ScoredPairs,
    exact_key,
    linked,
    linked_then_averaged,
    row_texts,
    tfidf_pairs,
)
from domains.tables.data.table import Table

ROWS = Table.of(
    pd.DataFrame(
        {
            "name": ["Ada Lovelace", "ADA  Lovelace", "Grace Hopper", "Grace Hoper", "Alan Turing", None],
            "town": ["London", "London.", "New York", "New York", "London", "London"],
        }
    )
)


def test_texts_join_what_is_there():
    assert row_texts(ROWS)[0] == "ada lovelace london"
    assert row_texts(ROWS)[5] == "london"


def test_an_exact_key_ignores_case_and_punctuation_but_no_letter():
    labels = exact_key(ROWS, ["name", "town"])
    assert labels[0] == labels[1]
    assert len(set(labels.tolist())) == 5


def test_rows_without_a_key_are_alone():
    twice = Table.of(pd.DataFrame({"a": [None, None], "b": ["x", "x"]}))
    assert exact_key(twice, ["a", "b"]).tolist() == [0, 1]


def test_pairs_are_the_nearest_by_all_cosines():
    pairs = tfidf_pairs(ROWS, 2)
    dense = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4)).fit_transform(row_texts(ROWS)).toarray()
    cosine = dense @ dense.T
    np.fill_diagonal(cosine, -1)
    assert np.allclose(pairs.cosine, cosine[pairs.left, pairs.right])
    assert np.allclose(np.sort(pairs.cosine.reshape(-1, 2), axis=1), np.sort(cosine, axis=1)[:, -2:])
    texts = row_texts(ROWS)
    expected = [token_set_ratio(texts[a], texts[b]) / 100 for a, b in zip(pairs.left, pairs.right, strict=True)]
    assert np.allclose(pairs.token_set(), expected)


def chain():
    """0 - 1 - 2 in a row: 0 and 2 have nothing in common."""
    vectors = np.array([[1.0, 0, 0], [0.7071, 0.7071, 0], [0, 1.0, 0], [0, 0, 1.0]])
    from scipy.sparse import csr_array

    left, right = np.array([0, 1]), np.array([1, 2])
    return ScoredPairs(["a"] * 4, csr_array(vectors), left, right, np.array([0.7071, 0.7071]))


def test_components_chain_and_average_linkage_does_not():
    pairs = chain()
    assert len(set(linked(pairs, pairs.cosine, 0.6)[:3])) == 1
    found = linked_then_averaged(pairs, 0.6)
    assert len(set(found.tolist())) == 3
    assert len(set(linked_then_averaged(pairs, 0.3)[:3])) == 1  # (0.7071 + 0) / 2 reaches 0.3
    assert found[3] not in found[:3]


@pytest.mark.parametrize("name", ["TF-IDF, oracle threshold", "TF-IDF, oracle threshold, average linkage"])
def test_an_oracle_is_no_worse_than_a_fixed_threshold(name):
    from domains.tables.evaluate import pairwise

    truth = np.array([0, 0, 1, 1, 2, 3])
    fixed = OTSU if "average" in name else "TF-IDF, threshold .5"
    best, settings = run_plain(name, ROWS, truth, (), 3)
    assert pairwise(truth, best).f1 >= pairwise(truth, run_plain(fixed, ROWS, truth, (), 3)[0]).f1
    assert 0.2 <= settings["threshold"] <= 0.95
