"""Cuts and neighbours against brute force."""

import itertools

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domains.tables.review.differences import LONGEST, differences
from domains.tables.review.set_graph import circle, edges_among, neighbours, weakest_cut
from domains.tables.sets.graph import PairGraph

WEIGHTS = st.sampled_from([0.2, 0.4, 0.6, 0.8, 0.99])


def graph_of(count, pairs):
    ends = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
    return PairGraph.of(count, ends[:, 0], ends[:, 1], np.array(list(pairs.values()), dtype=float)).adjacency()


@settings(deadline=None)
@given(st.dictionaries(st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda p: p[0] < p[1]), WEIGHTS))
def test_no_cut_has_a_weaker_strongest_link(pairs):
    rows = np.arange(6)
    cut = weakest_cut(graph_of(6, pairs), rows)
    assert sorted(cut.parts[0] + cut.parts[1]) == rows.tolist()
    assert 0 in cut.parts[0]

    def strongest(part):
        return max((w for (a, b), w in pairs.items() if (a in part) != (b in part)), default=0.0)

    best = min(strongest({0, *rest}) for k in range(5) for rest in itertools.combinations(range(1, 6), k))
    assert strongest(set(cut.parts[0])) == pytest.approx(best)
    if cut.edge is None:
        assert not nx.is_connected(nx.Graph([*pairs, *((n, n) for n in range(6))]))
    else:
        assert cut.edge.probability == pytest.approx(best)
        assert (cut.edge.left in cut.parts[0]) != (cut.edge.right in cut.parts[0])


def test_single_row_has_no_cut():
    assert weakest_cut(graph_of(2, {}), np.array([1])) is None


def test_edges_and_neighbours():
    adjacency = graph_of(6, {(0, 1): 0.9, (1, 2): 0.5, (0, 3): 0.3, (1, 3): 0.4, (2, 5): 0.05})
    assert [(e.left, e.right) for e in edges_among(adjacency, np.array([0, 1, 2]))] == [(1, 2), (0, 1)]
    labels = np.array([0, 0, 2, 3, 4, 5])
    near = neighbours(adjacency, labels, np.array([0, 1]))
    assert [(n.name, round(n.probability, 2), n.pairs) for n in near] == [(2, 0.5, 1), (3, 0.4, 2)]
    assert neighbours(adjacency, labels, np.array([5])) == []


def test_circle_is_round():
    places = np.array(circle(7, 100, 150)) - 150
    assert np.hypot(*places.T) == pytest.approx(100, abs=0.2)
    assert len({tuple(p) for p in places.tolist()}) == 7


@settings(deadline=None)
@given(st.text(max_size=12), st.text(max_size=12))
def test_pieces_are_the_texts_and_a_longest_common_subsequence(left, right):
    one, two = differences(left, right)
    assert "".join(p.text for p in one) == left
    assert "".join(p.text for p in two) == right
    same = ["".join(p.text for p in pieces if p.same) for pieces in (one, two)]
    assert same[0] == same[1]
    table = np.zeros((len(left) + 1, len(right) + 1), dtype=int)
    for i, j in itertools.product(range(len(left)), range(len(right))):
        table[i + 1, j + 1] = table[i, j] + 1 if left[i] == right[j] else max(table[i, j + 1], table[i + 1, j])
    assert len(same[0]) == table[-1, -1]


def test_long_texts_are_not_compared():
    one, two = differences("a" * (LONGEST + 1), "b")
    assert [len(one), one[0].same, two[0].same] == [1, False, False]
