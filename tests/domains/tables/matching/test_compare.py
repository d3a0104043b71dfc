"""Levels of agreement, against values worked out by hand and against rapidfuzz and scikit-learn."""

import numpy as np
import pandas as pd
from rapidfuzz.distance import Indel
from sklearn.feature_extraction.text import TfidfVectorizer

from domains.tables.data.table import Table
from domains.tables.matching.attributes import attributes_of
from domains.tables.matching.compare import BINS, ELSEWHERE, MISSING, compare, describe
from domains.tables.matching.elsewhere import mark_elsewhere

FRAME = pd.DataFrame(
    {
        "given": ["ada", "byron", "adda", None, "grace"],
        "family": ["byron", "ada", "byron", "byron", "hopper"],
        "street": ["12 Main Street", "12 Main St", "14 Main Street", "12 14 Main Street", "Oak Lane"],
    }
)


def _compared(left, right):
    attributes = attributes_of(Table.of(FRAME))
    left, right = np.array(left), np.array(right)
    return compare(attributes, left, right), attributes, left, right


def test_words_are_compared_by_indel():
    found, *_ = _compared([0, 0], [2, 4])
    degree = [np.digitize(Indel.normalized_similarity(a, b), BINS) for a, b in (("ada", "adda"), ("ada", "grace"))]
    assert (found.level[:, 0] // 8).tolist() == degree


def test_texts_are_compared_by_grams():
    found, attributes, *_ = _compared([0, 0, 1], [1, 2, 4])
    text = attributes[2].values
    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True).fit_transform(text)
    cosine = (vectors @ vectors.T).toarray()
    code = attributes[2].code
    expected = [np.digitize(cosine[code[a], code[b]], BINS) for a, b in ((0, 1), (0, 2), (1, 4))]
    assert (found.level[:, 2] // 8).tolist() == expected


def test_numbers_decide_apart():
    found, *_ = _compared([0, 0, 0, 0], [1, 2, 3, 4])
    assert (found.level[:, 2] % 4).tolist() == [1, 2, 1, 0]  # nested, disjoint, nested, none on a side


def test_missing_values_say_nothing():
    found, *_ = _compared([0], [3])
    assert found.level[0, 0] == MISSING
    assert found.rarity[0, 0] == 0
    assert found.support.tolist() == [2]


def test_order_of_a_pair_does_not_matter():
    forth, *_ = _compared([0, 1, 2], [1, 2, 4])
    back, *_ = _compared([1, 2, 4], [0, 1, 2])
    assert np.array_equal(forth.level, back.level)
    assert np.array_equal(forth.rarity, back.rarity)


def test_swapped_names_stand_elsewhere():
    found, attributes, left, right = _compared([0, 0], [1, 4])
    mark_elsewhere(found, attributes, left, right)
    assert found.level[0, :2].tolist() == [ELSEWHERE, ELSEWHERE]
    assert ELSEWHERE not in found.level[1]


def test_a_common_value_speaks_less():
    frame = pd.DataFrame({"name": ["smith"] * 6 + ["zuse", "zuse"]})
    attributes = attributes_of(Table.of(frame))
    found = compare(attributes, np.array([0, 6]), np.array([1, 7]))
    assert np.isclose(found.rarity[0, 0], np.log(attributes[0].agreement / (6 / 8)))
    assert found.rarity[1, 0] > found.rarity[0, 0]


def test_levels_have_words():
    assert describe(len(BINS) * 8 + 1) == "equal, same numbers"
    assert describe(4) == "unlike, one contains the other"
