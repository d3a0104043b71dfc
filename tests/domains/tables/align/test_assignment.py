"""Matching and clustering against brute force."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from domains.tables.align.assignment import clear_matches, constrained_groups, hungarian_pairs


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
    groups = constrained_groups(score, 0.5, np.eye(12, dtype=bool))
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
    found = constrained_groups(score, 0.4, forbidden | (source[:, None] == source[None, :]))
    expected = naive_groups(score, source, 0.4, forbidden)
    assert {tuple(np.flatnonzero(found == g)) for g in set(found.tolist())} == {tuple(sorted(g)) for g in expected}


def naive_clear_matches(score, groups, apart, least, lead):
    def mean(a, b):
        return np.mean([score[i, j] for i, j in itertools.product(a, b)])

    def best(a):
        free = [b for b in groups if b is not a and not any(apart[i, j] for i, j in itertools.product(a, b))]
        return max(free, key=lambda b: mean(a, b), default=None)

    def clear(a, b):
        third = [c for c in groups if c is not a and c is not b]
        rivals = [c for c in third if any(apart[i, j] for i, j in itertools.product(a + b, c))]
        others = [mean(one, c) for one in (a, b) for c in rivals]
        return mean(a, b) >= max([least, *(lead * other for other in others)])

    while True:
        joins = [(a, b) for a in groups if (b := best(a)) is not None and best(b) is a and a < b and clear(a, b)]
        if not joins:
            return groups
        for a, b in joins:
            groups = [g for g in groups if g is not a and g is not b] + [sorted(a + b)]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10), st.integers(1, 4), st.integers(0, 10**6))
def test_clear_matches_are_those_of_the_naive_loop(count, sources, seed):
    rng = np.random.default_rng(seed)
    score, source = random_score(count, seed) ** 3, rng.integers(0, sources, count)
    apart = source[:, None] == source[None, :]
    group = constrained_groups(score, 0.7, apart)
    found = clear_matches(score, group, apart, 0.2, 1.2)
    start = [np.flatnonzero(group == g).tolist() for g in sorted(set(group.tolist()))]
    expected = naive_clear_matches(score, start, apart, 0.2, 1.2)
    assert {tuple(np.flatnonzero(found == g)) for g in set(found.tolist())} == {tuple(g) for g in expected}


def test_columns_of_three_sources_that_are_alike_are_no_rivals():
    score = np.full((3, 3), 0.35)
    assert clear_matches(score, np.arange(3), np.eye(3, dtype=bool), 0.3, 1.5).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("alike", "joined"),
    [
        ({(0, 2): 0.35}, True),
        ({(0, 2): 0.29}, False),
        ({(0, 2): 0.35, (0, 3): 0.3}, False),  # another column of the other source is nearly as like
        ({(0, 2): 0.35, (0, 1): 0.3}, False),  # so is one of its own source
        ({(0, 2): 0.35, (2, 4): 0.4}, False),
        ({(0, 2): 0.35, (1, 3): 0.9}, True),
    ],
)
def test_only_a_clear_match_is_made(alike, joined):
    score = np.zeros((5, 5))
    for (i, j), value in alike.items():
        score[i, j] = score[j, i] = value
    source = np.array([0, 0, 1, 1, 1])
    group = clear_matches(score, np.arange(5), source[:, None] == source[None, :], 0.3, 1.5)
    assert (group[0] == group[2]) == joined
