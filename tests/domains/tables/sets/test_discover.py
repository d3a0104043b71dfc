"""What every method keeps: a disjoint cover, two cliques, no say of the order of rows, and the constraints."""

from dataclasses import replace
from functools import partial
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.errors import UserError
from domains.tables.evaluate import bcubed
from domains.tables.sets import SET_METHODS
from domains.tables.sets.discover import discover_sets
from domains.tables.sets.graph import PairGraph
from tests.domains.tables.sets.toy import Edge, clique, graph_of, planted, renamed, same_partition

METHODS = SET_METHODS.names()
QUICK = ("average_linkage", "components", "complete_linkage", "correlation", "cliques", "louvain", "girvan_newman")
EVEN, ODD = [0, 2, 4, 6, 8], [1, 3, 5, 7, 9]


@pytest.fixture(autouse=True)
def short_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domains.tables.sets.gnn.EPOCHS", 40)


@pytest.mark.parametrize("method", METHODS)
def test_two_cliques_and_a_lone_row(method: str) -> None:
    graph = graph_of(11, clique(EVEN, 0.9) + clique(ODD, 0.8))
    assert discover_sets(graph, method).tolist() == [0, 1] * 5 + [2]


@pytest.mark.parametrize("method", METHODS)
def test_only_components_merge_over_a_weak_bridge(method: str) -> None:
    graph = graph_of(10, clique(EVEN, 0.9) + clique(ODD, 0.8) + [(0, 1, 0.6)])
    assert discover_sets(graph, method).tolist() == ([0] * 10 if method == "components" else [0, 1] * 5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_order_of_rows_has_no_say(method: str, seed: int) -> None:
    graph, truth = planted(seed)
    found = discover_sets(graph, method, threshold=0.5)
    place = np.random.default_rng(seed + 100).permutation(graph.count)
    again = discover_sets(renamed(graph, place), method, threshold=0.5)
    assert same_partition(found, again[place])
    assert np.array_equal(found, discover_sets(graph, method, threshold=0.5))
    # The graph is one that can be done well, so a method that answers at random would be seen.
    assert bcubed(truth, found).f1 > (0.3 if method == "components" else 0.8)


@pytest.mark.parametrize("method", METHODS)
def test_sets_are_numbered_by_their_first_rows_and_connected(method: str) -> None:
    graph, _ = planted(5, false=60)
    labels = discover_sets(graph, method, threshold=0.6)
    assert labels.dtype == np.int64
    first = [labels.tolist().index(label) for label in range(labels.max() + 1)]
    assert first == sorted(first)
    strong = graph.above(0.6)
    inside = labels[strong.left] == labels[strong.right]
    kept = graph_of(
        graph.count, list(zip(strong.left[inside], strong.right[inside], np.ones(inside.sum()), strict=True))
    )
    assert same_partition(discover_sets(kept, "components"), labels)


@pytest.mark.parametrize("method", METHODS)
def test_empty_and_tiny_graphs(method: str) -> None:
    assert discover_sets(graph_of(0, []), method).tolist() == []
    assert discover_sets(graph_of(1, []), method).tolist() == [0]
    assert discover_sets(graph_of(3, []), method).tolist() == [0, 1, 2]
    assert discover_sets(graph_of(3, [(0, 2, 0.7)]), method).tolist() == [0, 1, 0]
    assert discover_sets(graph_of(3, [(0, 2, 0.3)]), method).tolist() == [0, 1, 2]
    assert discover_sets(graph_of(3, [(0, 2, 0.0)]), method, threshold=0.0).tolist() == [0, 1, 2]
    nothing = graph_of(4, [(0, 1, 0.0), (1, 2, 0.0), (2, 3, 1e-30)])
    assert discover_sets(nothing, method, threshold=0.0).tolist() == [0, 1, 2, 2]


@pytest.mark.parametrize("method", METHODS)
def test_a_pair_at_the_threshold_links(method: str) -> None:
    graph = graph_of(3, clique([0, 1, 2], 0.9))
    assert discover_sets(graph, method, threshold=0.9).tolist() == [0, 0, 0]
    assert discover_sets(graph, method, threshold=0.91).tolist() == [0, 1, 2]


@pytest.mark.parametrize("method", METHODS)
def test_each_constraint_is_kept(method: str) -> None:
    graph = graph_of(11, clique(EVEN, 0.9) + clique(ODD, 0.8) + [(0, 1, 0.6)])
    labels = discover_sets(graph, method, must_link=[(4, 10), (10, 7)])
    assert labels[4] == labels[10] == labels[7]
    labels = discover_sets(graph, method, cannot_link=[(0, 2), (2, 8)])
    assert labels[0] != labels[2]
    assert labels[2] != labels[8]
    assert len(set(labels[EVEN].tolist())) == 2, "a set is not split further than it must be"
    labels = discover_sets(graph, method, max_size=3)
    assert np.bincount(labels).max() == 3
    sources = list("ababcbcdabc")
    labels = discover_sets(graph, method, sources=sources, one_per_source=True)
    assert not any(labels[a] == labels[b] and sources[a] == sources[b] for a, b in combinations(range(11), 2))
    assert same_partition(discover_sets(graph, method, sources=sources), discover_sets(graph, method))


@st.composite
def cases(draw: st.DrawFn) -> tuple[PairGraph, dict[str, Any]]:
    n = draw(st.integers(2, 10))
    row = st.integers(0, n - 1)
    pair = st.tuples(row, row).filter(lambda p: p[0] != p[1])
    weight = st.sampled_from([0.0, 0.2, 0.5, 0.6, 0.8, 0.9, 1.0])
    edges: list[Edge] = [(a, b, draw(weight)) for a, b in draw(st.lists(pair, max_size=25))]
    options: dict[str, Any] = {
        "must_link": draw(st.lists(pair, max_size=2)),
        "cannot_link": draw(st.lists(pair, max_size=3)),
        "max_size": draw(st.sampled_from([0, 0, 2, 3])),
        "sources": [draw(st.sampled_from("abcd")) for _ in range(n)],
        "one_per_source": draw(st.booleans()),
        "threshold": draw(st.sampled_from([0.0, 0.5, 0.7])),
    }
    return graph_of(n, edges), options


@pytest.mark.parametrize("method", QUICK)
@settings(max_examples=60)
@given(case=cases())
def test_no_constraint_is_ever_broken(method: str, case: tuple[PairGraph, dict[str, Any]]) -> None:
    graph, options = case
    contradiction = contradicts(graph.count, options)
    if contradiction:
        with pytest.raises(UserError, match=contradiction):
            discover_sets(graph, method, **options)
        return
    labels = discover_sets(graph, method, **options)
    assert labels.shape == (graph.count,)
    assert broken(labels, options) == set()
    assert all(labels[a] == labels[b] for a, b in options["must_link"])


def broken(labels: NDArray[np.int64], options: dict[str, Any]) -> set[str]:
    """Names of the limits that a labelling breaks, pair by pair."""
    result = set()
    size, sources, apart = options["max_size"], options["sources"], options["cannot_link"]
    if size and max(labels.tolist().count(label) for label in labels) > size:
        result.add("max_size")
    for a, b in combinations(range(labels.size), 2):
        if labels[a] == labels[b]:
            if (a, b) in apart or (b, a) in apart:
                result.add("must not be together")
            if options["one_per_source"] and sources[a] == sources[b]:
                result.add("of one source")
    return result


def contradicts(n: int, options: dict[str, Any]) -> str:
    """Pattern of the messages for limits that the must-links alone break."""
    labels = np.arange(n)
    for a, b in options["must_link"]:
        labels[labels == labels[a]] = labels[b]
    return "|".join(sorted(broken(labels, options)))


def test_contradictions_name_the_rows() -> None:
    graph = graph_of(6, [])
    with pytest.raises(UserError, match="rows 0 and 4 must not be together, but must_link joins them"):
        discover_sets(graph, must_link=[(0, 2), (2, 4)], cannot_link=[(1, 2), (0, 4)])
    with pytest.raises(UserError, match="rows 1 and 5 are of one source, but must_link joins them"):
        discover_sets(graph, must_link=[(1, 5)], sources=list("abcdeb"), one_per_source=True)
    with pytest.raises(UserError, match=r"must_link joins 3 rows \(row 0 is one of them\), but max_size is 2"):
        discover_sets(graph, must_link=[(0, 2), (2, 4)], max_size=2)


def test_wrong_arguments_are_named() -> None:
    graph = graph_of(3, [(0, 1, 0.9)])
    with pytest.raises(UserError, match="unknown set method 'average'; did you mean 'average_linkage'"):
        discover_sets(graph, "average")
    with pytest.raises(UserError, match=r"threshold must be in \[0, 1\], a probability, got 1.5"):
        discover_sets(graph, threshold=1.5)
    with pytest.raises(UserError, match="threshold must be in"):
        discover_sets(graph, threshold=float("nan"))
    with pytest.raises(UserError, match="max_size must be at least 1, or 0"):
        discover_sets(graph, max_size=-1)
    with pytest.raises(UserError, match="pass sources"):
        discover_sets(graph, one_per_source=True)
    with pytest.raises(UserError, match="one source for each of the 3 rows, got 2"):
        discover_sets(graph, sources=["a", "b"], one_per_source=True)
    with pytest.raises(UserError, match="cannot_link names row 3; rows are 0 to 2"):
        discover_sets(graph, cannot_link=[(0, 3)])
    with pytest.raises(UserError, match="must_link pairs row 1 with itself"):
        discover_sets(graph, must_link=[(1, 1)])
    with pytest.raises(UserError, match="must_link must be pairs of row numbers"):
        discover_sets(graph, must_link=[(0, 1, 2)])
    with pytest.raises(UserError, match="cannot_link must be pairs of row numbers"):
        discover_sets(graph, cannot_link=[(0.5, 1.5)])


@pytest.mark.parametrize("method", METHODS)
def test_must_linked_rows_count_by_their_rows(method: str) -> None:
    # Rows 0 and 1 are joined by hand; a clique around both is found whole.
    graph = graph_of(5, [e for e in clique([0, 1, 2, 3], 0.8) if e[:2] != (0, 1)])
    assert discover_sets(graph, method, must_link=[(0, 1)]).tolist() == [0, 0, 0, 0, 1]


@pytest.mark.parametrize("method", METHODS)
def test_a_must_link_joins_sets_whole(method: str) -> None:
    # Row 1 is unlike row 2, as is row 3: within the merges of linkage the must-link would take both sets apart.
    graph = graph_of(5, [(0, 1, 0.9), (2, 3, 0.9)])
    assert discover_sets(graph, method, must_link=[(0, 2)]).tolist() == [0, 0, 0, 0, 1]
    assert discover_sets(graph, method, must_link=[(0, 2)], cannot_link=[(1, 3)])[[0, 2]].tolist() == [0, 0]


@pytest.mark.parametrize("method", METHODS)
def test_copies_go_where_their_row_goes(method: str) -> None:
    graph = replace(graph_of(7, [(0, 1, 0.9), (2, 3, 0.9)]), copies=np.array([[0, 4], [0, 5]]))
    find = partial(discover_sets, graph, method)
    assert find().tolist() == [0, 0, 1, 1, 0, 0, 2]
    assert find(must_link=[(4, 2)]).tolist() == [0, 0, 0, 0, 0, 0, 1]
    assert find(cannot_link=[(1, 5)]).tolist() == [0, 1, 2, 2, 0, 0, 3]
    assert find(cannot_link=[(0, 4)]).tolist() == [0, 0, 1, 1, 2, 0, 3]
    assert find(cannot_link=[(4, 5)]).tolist() == [0, 0, 1, 1, 2, 3, 4]
    assert find(max_size=2).tolist() == [0, 0, 1, 1, 2, 3, 4]
    part = graph.among(np.array([True, False, True, True, True, False, True]))
    assert discover_sets(part, method).tolist() == [0, 1, 1, 0, 2]


def test_components_far_away_have_no_say() -> None:
    near, _ = planted(7, things=8)
    far, _ = planted(8, things=8)
    both = PairGraph.of(
        near.count + far.count,
        np.r_[near.left, far.left + near.count],
        np.r_[near.right, far.right + near.count],
        np.r_[near.weight, far.weight],
    )
    for method in ("average_linkage", "correlation", "louvain", "girvan_newman", "cliques"):
        assert same_partition(discover_sets(near, method), discover_sets(both, method)[: near.count]), method


def test_a_higher_threshold_never_merges_more_by_components() -> None:
    graph, _ = planted(2, false=80)
    counts = [discover_sets(graph, "components", threshold=t).max() for t in (0.2, 0.4, 0.6, 0.8, 1.0)]
    assert all(a <= b for a, b in pairwise(counts))
    assert counts[0] < counts[-1]
