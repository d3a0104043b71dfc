"""Bridges and cut vertices against networkx."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.tables.sets.bridges import joints
from domains.tables.sets.weak_spots import weak_spot


def connected_graph(seed: int) -> tuple[int, list[tuple[int, int]]]:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 16))
    plain = nx.gnp_random_graph(n, float(rng.uniform(0.05, 0.5)), seed=seed)
    largest = plain.subgraph(max(nx.connected_components(plain), key=len))
    place = {node: i for i, node in enumerate(rng.permutation(list(largest)).tolist())}
    return len(largest), [(place[a], place[b]) for a, b in largest.edges]


@given(st.integers(0, 10**6), st.integers(1, 3))
def test_joints_are_those_of_networkx(seed: int, least: int) -> None:
    n, edges = connected_graph(seed)
    plain = nx.Graph(edges)
    plain.add_nodes_from(range(n))
    walk, found = joints(n, [a for a, _ in edges], [b for _, b in edges], least=least)
    assert sorted(walk) == list(range(n))
    bridges = set()
    for joint in found:
        side = set(walk[joint.begin : joint.end])
        cut = plain.copy()
        if joint.node < 0:
            cut.remove_edge(*edges[joint.link])
            bridges.add(frozenset(edges[joint.link]))
        else:
            cut.remove_node(joint.node)
        assert side in list(nx.connected_components(cut))
        assert least <= len(side) <= len(cut) - least
    expected = set()
    for a, b in nx.bridges(plain):
        cut = plain.copy()
        cut.remove_edge(a, b)
        if min(map(len, nx.connected_components(cut))) >= least:
            expected.add(frozenset((a, b)))
    assert bridges == expected
    if least == 1:
        # An end of a bridge with other links is a cut vertex too; the bridge stands for it.
        ends = {node for bridge in bridges for node in bridge}
        points = set(nx.articulation_points(plain))
        assert points - ends <= {j.node for j in found if j.node >= 0} <= points


def test_a_long_chain_needs_no_recursion() -> None:
    n = 20_000
    walk, found = joints(n, list(range(n - 1)), list(range(1, n)))
    assert walk == list(range(n))
    assert len(found) == n - 1


def test_the_weakest_spot_wins_then_the_most_even() -> None:
    # Triangles 0-1-2, 3-4-5 and 6-7-8 in a row, joined by .6 and .55.
    left = np.array([0, 0, 1, 3, 3, 4, 6, 6, 7, 2, 5])
    right = np.array([1, 2, 2, 4, 5, 5, 7, 8, 8, 3, 6])
    weight = np.array([0.9] * 9 + [0.6, 0.55])
    spot = weak_spot(9, left, right, weight, 0.65)
    assert spot is not None
    assert (spot.links.tolist(), spot.side.tolist(), spot.node) == ([10], [6, 7, 8], -1)
    assert spot.strongest == pytest.approx(0.55)
    assert weak_spot(9, left, right, weight, 0.55) is None
    even = weak_spot(9, left, right, np.full(11, 0.6), 0.65)
    assert even is not None
    assert (even.links.tolist(), even.side.tolist(), even.node) == ([3, 4], [0, 1, 2, 3], 3)


def test_a_row_between_two_groups_is_a_weak_spot() -> None:
    # Row 4 is strong in 0-1-2-4 and weak, by two pairs, to 3 and 5.
    left = np.array([0, 0, 1, 0, 1, 2, 3, 3, 4])
    right = np.array([1, 2, 2, 4, 4, 4, 5, 4, 5])
    weight = np.array([0.9] * 6 + [0.8, 0.55, 0.58])
    spot = weak_spot(6, left, right, weight, 0.6)
    assert spot is not None
    assert (spot.links.tolist(), spot.side.tolist(), spot.node) == ([7, 8], [3, 5], 4)
    assert spot.strongest == pytest.approx(0.58)
