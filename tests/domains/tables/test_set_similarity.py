"""The matching against the dense assignment problem of all sets, and the properties of a similarity."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from domains.tables.set_similarity import set_similarity
from tests.domains.tables.sets.toy import same_partition

Labels = NDArray[np.int64]


def dense(true: Labels, found: Labels) -> float:
    r, s = np.unique(true), np.unique(found)
    jaccard = np.array(
        [[((true == a) & (found == b)).sum() / ((true == a) | (found == b)).sum() for b in s] for a in r]
    )
    return float(jaccard[linear_sum_assignment(-jaccard)].sum()) / max(r.size, s.size)


@st.composite
def partitions(draw: st.DrawFn) -> tuple[Labels, Labels]:
    n = draw(st.integers(1, 24))
    labels = st.lists(st.integers(0, 8), min_size=n, max_size=n)
    return np.array(draw(labels)), np.array(draw(labels))


@given(partitions())
def test_equals_the_dense_assignment(case: tuple[Labels, Labels]) -> None:
    assert set_similarity(*case) == pytest.approx(dense(*case), abs=1e-12)


@given(partitions())
def test_symmetric_and_one_only_for_equal_partitions(case: tuple[Labels, Labels]) -> None:
    true, found = case
    assert set_similarity(true, found) == pytest.approx(set_similarity(found, true), abs=1e-12)
    assert (set_similarity(true, found) > 1 - 1e-9) == same_partition(true, found)


def test_hand_example_of_the_paper() -> None:
    assert set_similarity(np.array([1, 1, 1, 2, 2]), np.array([1, 1, 2, 2, 2])) == pytest.approx(2 / 3)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_singletons_against_one_set(n: int) -> None:
    assert set_similarity(np.zeros(n), np.arange(n)) == pytest.approx(1 / n / n)


def test_the_best_matching_is_not_the_greedy_one() -> None:
    # Jaccards: (A, x) 5/11, (A, y) and (B, x) 3/8 each: the greedy matching takes 5/11 and has nothing left.
    true = np.repeat([0, 0, 1], [5, 3, 3])
    found = np.repeat([0, 1, 0], [5, 3, 3])
    assert set_similarity(true, found) == pytest.approx((3 / 8 + 3 / 8) / 2)


def test_many_sets_are_matched_exactly() -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(0, 300, 900)
    found = np.where(rng.random(900) < 0.3, rng.integers(0, 300, 900), true)
    assert set_similarity(true, found) == pytest.approx(dense(true, found), abs=1e-12)
