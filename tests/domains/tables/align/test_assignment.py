"""Matching and clustering against brute force."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from domains.tables.align.assignment import constrained_groups, hungarian_pairs


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 10**6))
def test_hungarian_has_the_largest_gain(a, b, seed):
    score = np.random.default_rng(seed).random((a, b))
    found = hungarian_pairs(score, 0.5)
    assert len({i for i, _ in found}) == len({j for _, j in found}) == len(found)
    assert all(score[i, j] >= 0.5 for i, j in found)
    gain = sum(score[i, j] - 0.5 for i, j in found)
    best = 0.0
    for size in range(min(a, b) + 1):
        for rows in itertools.combinations(range(a), size):
            for columns in itertools.permutations(range(b), size):
                its = score[list(rows), list(columns)]
                best = max(best, float((its - 0.5).sum()) if (its >= 0.5).all() else 0.0)
    assert gain == pytest.approx(best)


def test_a_forbidden_match_is_not_made():
    score = np.array([[-np.inf, 0.6], [0.7, -np.inf]])
    assert hungarian_pairs(score, 0.5) == [(0, 1), (1, 0)]
    assert hungarian_pairs(np.array([[-np.inf]]), 0.0) == []


def random_score(count, seed):
    score = np.random.default_rng(seed).random((count, count))
    return (score + score.T) / 2


@pytest.mark.parametrize("seed", range(5))
def test_without_constraints_groups_are_those_of_average_linkage(seed):
    score = random_score(12, seed)
    np.fill_diagonal(score, 1)
    groups = constrained_groups(score, np.arange(12), 0.5, np.zeros((12, 12), dtype=bool))
    expected = fcluster(linkage(squareform(1 - score, checks=False), "average"), 0.5, "distance")
    same = groups[:, None] == groups[None, :]
    np.testing.assert_array_equal(same, expected[:, None] == expected[None, :])


def naive_groups(score, source, threshold, forbidden):
    groups = [[i] for i in range(len(score))]
    while True:
        best = None
        for a, b in itertools.combinations(range(len(groups)), 2):
            pairs = list(itertools.product(groups[a], groups[b]))
            if any(source[i] == source[j] or forbidden[i, j] for i, j in pairs):
                continue
            mean = np.mean([score[i, j] for i, j in pairs])
            if mean >= threshold and (best is None or mean > best[0]):
                best = (mean, a, b)
        if best is None:
            return groups
        groups[best[1]] += groups.pop(best[2])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 9), st.integers(1, 4), st.integers(0, 10**6))
def test_constrained_groups_are_those_of_the_naive_loop(count, sources, seed):
    rng = np.random.default_rng(seed)
    score, source = random_score(count, seed), rng.integers(0, sources, count)
    forbidden = rng.random((count, count)) < 0.1
    forbidden |= forbidden.T
    found = constrained_groups(score, source, 0.4, forbidden)
    expected = naive_groups(score, source, 0.4, forbidden)
    assert {tuple(np.flatnonzero(found == g)) for g in set(found.tolist())} == {tuple(sorted(g)) for g in expected}
