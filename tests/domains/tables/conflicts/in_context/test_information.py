import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score
from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information

from domains.tables.conflicts.in_context.information import adjusted_information, codes, mutual_information

_CODES = st.lists(st.tuples(st.integers(-1, 4), st.integers(-1, 3)), min_size=1, max_size=60)


@given(_CODES)
def test_like_scikit_learn(pairs):
    a, b = np.array(pairs, dtype=np.int64).T
    both = (a >= 0) & (b >= 0)
    expected = mutual_info_score(a[both], b[both]) if both.any() else 0.0
    assert mutual_information(a, b) == pytest.approx(expected, abs=1e-9)


def test_itself_is_entropy_and_hand_table():
    x = np.array([0, 0, 0, 1])
    assert mutual_information(x, x) == pytest.approx(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    a, b = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    by_hand = 0.25 * np.log(0.25 / 0.125) + 0.25 * np.log(0.25 / 0.375) + 0.5 * np.log(0.5 / 0.375)
    assert mutual_information(a, b) == pytest.approx(by_hand)


def test_chance_is_that_of_permutations():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 30, 150), rng.integers(0, 8, 150)
    table = contingency_matrix(a, b, sparse=True)
    exact = expected_mutual_information(table, 150)
    chance = mutual_information(a, b) - exact
    assert exact > 0.3  # plain information would keep this column
    assert adjusted_information(a, b) == pytest.approx(max(0, chance), abs=0.02)


def test_identifiers_do_not_win():
    rng = np.random.default_rng(0)
    target = rng.integers(0, 5, 300)
    noisy = np.where(rng.random(300) < 0.8, target, rng.integers(0, 5, 300))
    identifier = np.arange(300)
    assert mutual_information(identifier, target) > mutual_information(noisy, target)
    assert adjusted_information(identifier, target) < 1e-9
    assert adjusted_information(noisy, target) > 0.5


def test_deterministic():
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 9, 80), rng.integers(0, 9, 80)
    assert adjusted_information(a, b, seed=3) == adjusted_information(a, b, seed=3)
    assert adjusted_information(np.full(5, -1), np.zeros(5, dtype=np.int64)) == 0


def test_codes_of_numbers():
    keys = np.array([str(i) for i in range(100)] + [None, "n/a"], dtype=object)
    found = codes(keys)
    assert found[100] == -1
    assert sorted(np.bincount(found[:100])[np.unique(found[:100])].tolist()) == [10] * 10
    assert (np.diff(found[:100]) >= 0).all()
    assert found[101] not in found[:100]


def test_codes_of_few_numbers_and_texts():
    few = np.array(["1", "2", "1", None], dtype=object)
    assert codes(few).tolist() == [0, 1, 0, -1]
    texts = np.array([f"t{i % 20}" for i in range(60)], dtype=object)
    assert len(np.unique(codes(texts))) == 20
    assert codes(np.array([None, None], dtype=object)).tolist() == [-1, -1]
