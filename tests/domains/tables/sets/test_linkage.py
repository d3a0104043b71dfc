"""Average and complete linkage against scipy on the dense matrix, and against the definition under constraints."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from domains.tables.sets.discover import discover_sets
from domains.tables.sets.graph import PairGraph
from tests.domains.tables.sets.toy import clique, graph_of, same_partition


def random_graph(seed: int, density: float) -> PairGraph:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 25))
    a, b = np.triu_indices(n, 1)
    kept = rng.random(a.size) < density
    return PairGraph.of(n, a[kept], b[kept], rng.random(int(kept.sum())))


def dense(graph: PairGraph) -> NDArray[np.float64]:
    return np.asarray(graph.adjacency().toarray(), dtype=np.float64)


@given(st.integers(0, 10**6), st.sampled_from([0.2, 0.5, 1.0]), st.sampled_from([0.1, 0.3, 0.5, 0.7]))
def test_average_linkage_is_that_of_scipy(seed: int, density: float, threshold: float) -> None:
    graph = random_graph(seed, density)
    distance = squareform(1 - dense(graph) - np.eye(graph.count), checks=False)
    expected = fcluster(linkage(distance, "average"), 1 - threshold, "distance")
    assert same_partition(discover_sets(graph, "average_linkage", threshold=threshold), expected)


@given(st.integers(0, 10**6), st.sampled_from([0.2, 0.5, 1.0]), st.sampled_from([0.1, 0.3, 0.5, 0.7]))
def test_complete_linkage_is_that_of_scipy(seed: int, density: float, threshold: float) -> None:
    graph = random_graph(seed, density)
    distance = squareform(1 - dense(graph) - np.eye(graph.count), checks=False)
    expected = fcluster(linkage(distance, "complete"), 1 - threshold, "distance")
    assert same_partition(discover_sets(graph, "complete_linkage", threshold=threshold), expected)


def by_definition(
    weight: NDArray[np.float64], threshold: float, apart: set[frozenset[int]], source: list[int], largest: int
) -> list[list[int]]:
    """The two sets of the highest mean that may be merged, again and again."""
    sets = [[i] for i in range(len(weight))]

    def allowed(both: list[int]) -> bool:
        pairs = [frozenset(p) for p in combinations(both, 2)]
        one_each = len({source[i] for i in both}) == len(both)
        return len(both) <= largest and one_each and not apart.intersection(pairs)

    while True:
        means = {
            (i, j): weight[np.ix_(sets[i], sets[j])].mean()
            for i, j in combinations(range(len(sets)), 2)
            if allowed(sets[i] + sets[j])
        }
        best = max(means, key=lambda p: means[p], default=None)
        if best is None or means[best] < threshold:
            return sets
        sets[best[0]] += sets.pop(best[1])


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.sampled_from([0.4, 1.0]))
def test_constraints_are_heeded_at_each_merge(seed: int, density: float) -> None:
    graph = random_graph(seed, density)
    rng = np.random.default_rng(seed)
    n = graph.count
    source = rng.integers(0, 12, n).tolist()
    pairs = [(a, b) for a, b in combinations(range(n), 2) if rng.random() < 0.05]
    sets = by_definition(dense(graph), 0.3, {frozenset(p) for p in pairs}, source, 5)
    expected = np.empty(n, dtype=np.int64)
    for label, rows in enumerate(sets):
        expected[rows] = label
    found = discover_sets(graph, threshold=0.3, max_size=5, sources=source, one_per_source=True, cannot_link=pairs)
    assert same_partition(found, expected)


def test_joined_rows_are_a_set_from_the_start_where_their_sets_may_not_be_one() -> None:
    # (.9 + .2) / 2 reaches .5, (.9 + 0) / 2 does not.
    edges, told = [(0, 2, 0.9), (1, 3, 0.9)], {"must_link": [(0, 1)], "cannot_link": [(2, 3)]}
    assert discover_sets(graph_of(4, edges), **told).tolist() == [0, 0, 1, 2]
    assert discover_sets(graph_of(4, [*edges, (1, 2, 0.2)]), **told).tolist() == [0, 0, 0, 1]


def test_ties_fall_the_same_way_however_rows_are_numbered() -> None:
    # A path of equal weights with a marker at one end: {0, 1} or {1, 2} is a tie, which the marker settles.
    edges = [(0, 1, 0.9), (1, 2, 0.9), (2, 3, 0.9), (3, 4, 0.9), (4, 5, 0.55), *clique([5, 6, 7], 1.0)]
    graph = graph_of(8, edges)
    found = discover_sets(graph)
    for seed in range(20):
        place = np.random.default_rng(seed).permutation(8)
        turned = PairGraph.of(8, place[graph.left], place[graph.right], graph.weight)
        assert same_partition(found, discover_sets(turned)[place])


def test_a_giant_component_is_cut_into_its_sets() -> None:
    rng = np.random.default_rng(0)
    n, p = 3000, 30000
    first, second = np.triu_indices(10, 1)
    start = np.arange(0, n, 10)[:, None]
    a, b = (start + first).ravel(), (start + second).ravel()
    false = rng.integers(0, n, (2, p))
    weight = np.r_[rng.uniform(0.6, 1, a.size), rng.uniform(0.1, 0.6, p)]
    graph = PairGraph.of(n, np.r_[a, false[0]], np.r_[b, false[1]], weight)
    assert discover_sets(graph, "components").max() == 0
    assert same_partition(discover_sets(graph), np.arange(n) // 10)


@pytest.mark.parametrize("threshold", [0.1, 0.45])
def test_weak_pairs_count_too(threshold: float) -> None:
    # Mean of .9 and .2 is .55; the weak pair does not link by itself, but it is no zero.
    graph = graph_of(3, [(0, 1, 1.0), (1, 2, 0.9), (0, 2, 0.2)])
    assert discover_sets(graph, threshold=0.55 - threshold / 100).tolist() == [0, 0, 0]
    assert discover_sets(graph, threshold=0.56).tolist() == [0, 0, 1]
