"""Measures against loops over pairs and rows, scikit-learn, and the hand example of the paper's measure."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from domains.tables.evaluate import (
    Scores,
    adjusted_rand,
    bcubed,
    conflict_accuracy,
    exact_sets,
    pair_scores,
    pairwise,
    score_sets,
)
from tests.domains.tables.sets.toy import graph_of, planted

Labels = NDArray[np.int64]
TRUE, FOUND = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 1])


@st.composite
def partitions(draw: st.DrawFn) -> tuple[Labels, Labels]:
    n = draw(st.integers(1, 14))
    labels = st.lists(st.integers(-3, 4), min_size=n, max_size=n)
    return np.array(draw(labels)), np.array(draw(labels))


def together(labels: Labels) -> set[tuple[int, int]]:
    return {(i, j) for i, j in combinations(range(labels.size), 2) if labels[i] == labels[j]}


def close(scores: Scores, precision: float, recall: float) -> bool:
    both = precision + recall
    f1 = 2 * precision * recall / both if both else 0.0
    return (scores.precision, scores.recall, scores.f1) == pytest.approx((precision, recall, f1))


@given(partitions())
def test_pairwise_counts_pairs(case: tuple[Labels, Labels]) -> None:
    true, found = together(case[0]), together(case[1])
    both = len(true & found)
    assert close(pairwise(*case), both / len(found) if found else 1, both / len(true) if true else 1)


@given(partitions())
def test_bcubed_is_the_mean_over_rows(case: tuple[Labels, Labels]) -> None:
    true, found = case
    precision, recall = [], []
    for i in range(true.size):
        both = ((true == true[i]) & (found == found[i])).sum()
        precision.append(both / (found == found[i]).sum())
        recall.append(both / (true == true[i]).sum())
    assert close(bcubed(true, found), float(np.mean(precision)), float(np.mean(recall)))


@given(partitions())
def test_adjusted_rand_is_that_of_scikit_learn(case: tuple[Labels, Labels]) -> None:
    assert adjusted_rand(*case) == pytest.approx(adjusted_rand_score(*case))


@given(partitions(), st.booleans())
def test_exact_sets_compares_whole_sets(case: tuple[Labels, Labels], singletons: bool) -> None:
    def sets(labels: Labels) -> set[frozenset[int]]:
        every = {frozenset(np.flatnonzero(labels == label).tolist()) for label in labels}
        return {s for s in every if singletons or len(s) > 1}

    true, found = sets(case[0]), sets(case[1])
    both = len(true & found)
    expected = both / len(found) if found else 1, both / len(true) if true else 1
    assert close(exact_sets(*case, singletons=singletons), *expected)


@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.65, 1.0])
def test_pair_scores_count_missed_pairs_too(threshold: float) -> None:
    graph, truth = planted(3)
    found = {
        (a, b)
        for a, b, w in zip(graph.left.tolist(), graph.right.tolist(), graph.weight.tolist(), strict=True)
        if w >= threshold
    }
    true = together(truth)
    both = len(found & true)
    names = np.array([f"thing {label}" for label in truth])
    assert close(pair_scores(graph, names, threshold), both / len(found) if found else 1, both / len(true))
    assert len(true) > len(found & true)


def test_hand_values() -> None:
    assert close(pairwise(TRUE, FOUND), 0.5, 0.5)
    # Rows 0, 1: whole set found, 2 of 3; row 2: 1 of 3 both ways; rows 3, 4: 2 of 3 found, whole set true.
    assert close(bcubed(TRUE, FOUND), (1 + 1 + 1 / 3 + 2 / 3 + 2 / 3) / 5, (2 / 3 + 2 / 3 + 1 / 3 + 1 + 1) / 5)
    assert close(exact_sets(TRUE, FOUND), 0, 0)
    scores = score_sets(TRUE, FOUND)
    assert scores["set_similarity"] == pytest.approx(2 / 3)
    assert scores["pairwise_f1"] == pytest.approx(0.5)
    assert (scores["true_sets"], scores["found_sets"], scores["largest_found"]) == (2, 2, 3)


def test_nothing_found_and_nothing_to_find() -> None:
    alone, one = np.arange(4), np.zeros(4, dtype=np.int64)
    assert pairwise(one, alone) == Scores(1.0, 0.0, 0.0)
    assert pairwise(alone, one) == Scores(0.0, 1.0, 0.0)
    assert pairwise(alone, alone) == Scores(1.0, 1.0, 1.0)
    assert adjusted_rand(alone, one) == 0.0
    assert pair_scores(graph_of(4, []), one, 0.5) == Scores(1.0, 0.0, 0.0)
    none = np.zeros(0, dtype=np.int64)
    assert all(score_sets(none, none)[name] == 1 for name in ("pairwise_f1", "bcubed_f1", "set_similarity"))


def test_a_million_rows_in_one_set_do_not_overflow() -> None:
    n = 3_000_000
    one = np.zeros(n, dtype=np.int64)
    half = np.arange(n) % 2
    assert pairwise(one, half).precision == 1.0
    assert pairwise(one, half).recall == pytest.approx(0.5, abs=1e-6)
    assert adjusted_rand(one, half) == pytest.approx(0.0)


def test_labels_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3,\) and \(4,\)"):
        pairwise(np.zeros(3), np.zeros(4))
    with pytest.raises(ValueError, match=r"\(3,\) and \(2,\)"):
        pair_scores(graph_of(2, []), np.zeros(3), 0.5)


def test_conflict_accuracy_compares_normalised_text() -> None:
    chosen = ["Caf\u00e9", "b  4", None, pd.NA, float("nan"), 7, "nan"]
    true = ["Cafe\u0301", "B 4\n", "None", "<NA>", "nan", "7", "nan"]
    assert conflict_accuracy(chosen, true) == pytest.approx(4 / 7)
    with pytest.raises(ValueError, match="1 chosen values for 2"):
        conflict_accuracy(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="no conflicts"):
        conflict_accuracy([], [])
