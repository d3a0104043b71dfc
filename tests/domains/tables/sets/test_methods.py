"""Each community method against an oracle of its own."""

import logging
import random
from itertools import combinations, pairwise

import igraph
import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.errors import UserError
from domains.tables.sets import SET_METHODS, cliques, gnn
from domains.tables.sets.correlation import UNKNOWN
from domains.tables.sets.discover import discover_sets
from domains.tables.sets.girvan_newman import betweenness
from domains.tables.sets.graph import PairGraph
from domains.tables.sets.linkage import average_linkage
from domains.tables.sets.order import canonical_order
from domains.tables.sets.problem import Problem
from tests.domains.tables.sets.toy import clique, graph_of, planted, same_partition


def karate(low: float = 0.5) -> tuple[PairGraph, nx.Graph]:
    """Zachary's karate club, as a graph of pairs and as one of networkx, both with weights in [low, 1]."""
    club = nx.karate_club_graph()
    rng = np.random.default_rng(0)
    edges = [(a, b, float(np.float32(rng.uniform(low, 1)))) for a, b in club.edges]
    plain = nx.Graph()
    plain.add_nodes_from(range(34))
    plain.add_weighted_edges_from(edges)
    return graph_of(34, edges), plain


def sets_of(labels: NDArray[np.int64]) -> list[set[int]]:
    return [set(np.flatnonzero(labels == label).tolist()) for label in range(labels.max() + 1)]


@pytest.mark.parametrize("method", ["louvain", "leiden", "girvan_newman"])
def test_modularity_is_close_to_the_best_that_is_known(method: str) -> None:
    graph, plain = karate()
    found = nx.community.modularity(plain, sets_of(discover_sets(graph, method)), weight="weight")
    best = max(
        nx.community.modularity(plain, nx.community.louvain_communities(plain, seed=s), weight="weight")
        for s in range(10)
    )
    assert found > best - 0.05


@pytest.mark.parametrize("seed", range(4))
def test_edge_betweenness_is_that_of_networkx(seed: int) -> None:
    plain = nx.gnp_random_graph(15, [0.1, 0.2, 0.4, 0.9][seed], seed=seed)
    found = betweenness(np.asarray(nx.to_numpy_array(plain)) > 0)
    expected = np.zeros((15, 15))
    for (a, b), value in nx.edge_betweenness_centrality(plain, normalized=False).items():
        expected[a, b] = expected[b, a] = 2 * value
    assert np.allclose(found, expected)


def test_girvan_newman_takes_the_best_cut_and_not_the_first() -> None:
    # Four cliques in a ring: the first split leaves two parts, the best partition has four.
    groups = [list(range(i, i + 4)) for i in range(0, 16, 4)]
    ring = [(0, 5, 0.6), (4, 9, 0.6), (8, 13, 0.7), (12, 1, 0.7)]
    graph = graph_of(16, [e for g in groups for e in clique(g, 0.9)] + ring)
    assert same_partition(discover_sets(graph, "girvan_newman"), np.arange(16) // 4)


def test_girvan_newman_refuses_what_would_take_too_long() -> None:
    graph = graph_of(2001, [(i, i + 1, 0.9) for i in range(2000)])
    with pytest.raises(UserError, match="2001 rows hang together by 2000 links; raise the threshold, or choose"):
        discover_sets(graph, "girvan_newman")


def test_cliques_take_the_largest_first_then_what_is_left() -> None:
    # {0, 1, 2, 3} and {3, 4, 5} share a row; then {4, 5} is left. Of {6, 7} and {7, 8} the heavier wins.
    edges = clique([0, 1, 2, 3], 0.6) + clique([3, 4, 5], 1.0) + [(6, 7, 0.7), (7, 8, 0.8)]
    assert discover_sets(graph_of(9, edges), "cliques").tolist() == [0, 0, 0, 0, 1, 1, 2, 3, 3]


@pytest.mark.parametrize("seed", range(3))
def test_cliques_are_the_greedy_ones_of_networkx(seed: int) -> None:
    plain = nx.gnp_random_graph(14, 0.5, seed=seed)
    rng = np.random.default_rng(seed)
    edges = [(a, b, float(np.float32(rng.uniform(0.5, 1)))) for a, b in plain.edges]
    plain.add_weighted_edges_from(edges)
    found = discover_sets(graph_of(14, edges), "cliques")
    sizes: list[set[int]] = []
    while len(plain):

        def rank(members: list[int]) -> tuple[int, float]:
            weights = [plain[a][b]["weight"] for a, b in combinations(members, 2)]
            return len(members), float(np.mean(weights)) if weights else 0.0

        sizes.append(set(max(nx.find_cliques(plain), key=rank)))
        plain.remove_nodes_from(sizes[-1])
    assert sorted(map(sorted, sizes)) == sorted(map(sorted, sets_of(found)))


def test_too_many_cliques_are_said_aloud(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    # All pairs but those of a perfect matching: 2^6 maximal cliques.
    edges = [e for e in clique(list(range(12)), 0.9) if e[1] != e[0] + 6]
    monkeypatch.setattr(cliques, "MOST_CLIQUES", 63)
    with caplog.at_level(logging.WARNING):
        labels = discover_sets(graph_of(12, edges), "cliques")
    assert "12 linked rows has more than 63 maximal cliques; it takes complete linkage instead" in caplog.text
    linked = {(a, b) for a, b, _ in edges}
    assert all(p in linked for rows in sets_of(labels) for p in combinations(sorted(rows), 2))
    monkeypatch.setattr(cliques, "MOST_CLIQUES", 64)
    assert np.bincount(discover_sets(graph_of(12, edges), "cliques")).tolist() == [6, 6]


def evidence(graph: PairGraph, threshold: float) -> NDArray[np.float64]:
    """Dense signed evidence by its definition."""
    result = np.full((graph.count, graph.count), UNKNOWN)
    for a, b, p in zip(graph.left, graph.right, np.clip(graph.weight.astype(float), 0.01, 0.99), strict=True):
        result[a, b] = result[b, a] = np.log(p / (1 - p)) - np.log(threshold / (1 - threshold))
    return result


def agreement(labels: NDArray[np.int64], signed: NDArray[np.float64]) -> float:
    a, b = np.triu_indices(labels.size, 1)
    return float(signed[a, b][labels[a] == labels[b]].sum())


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from([0.4, 0.6]))
def test_correlation_leaves_no_single_move_that_gains(seed: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = np.triu_indices(9, 1)
    kept = rng.random(a.size) < 0.6
    graph = PairGraph.of(9, a[kept], b[kept], rng.random(int(kept.sum())))
    labels, signed = discover_sets(graph, "correlation", threshold=threshold), evidence(graph, threshold)
    reached = agreement(labels, signed)
    assert reached >= 0
    for row in range(9):
        for label in range(10):
            moved = labels.copy()
            moved[row] = label
            # A set must stay connected by strong pairs: only moves along one count.
            strong = graph.above(threshold)
            ends = np.r_[strong.left[strong.right == row], strong.right[strong.left == row]]
            if label == 9 or label in labels[ends]:
                assert agreement(moved, signed) <= reached + 1e-6


def partitions_of(n: int) -> list[list[int]]:
    result = [[0]]
    for _ in range(n - 1):
        result = [[*labels, new] for labels in result for new in range(max(labels) + 2)]
    return result


def test_correlation_is_near_the_best_of_all_partitions() -> None:
    every = [np.array(labels) for labels in partitions_of(7)]
    ratios = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        a, b = np.triu_indices(7, 1)
        graph = PairGraph.of(7, a, b, rng.random(a.size))
        signed = evidence(graph, 0.5)
        best = max(agreement(labels, signed) for labels in every)
        ratios.append(agreement(discover_sets(graph, "correlation"), signed) / best)
    assert np.mean(ratios) > 0.9


def test_label_propagation_is_stable() -> None:
    graph, plain = karate()
    labels = discover_sets(graph, "label_propagation")
    for row in plain:
        weight: dict[int, float] = {}
        for other in plain[row]:
            weight[int(labels[other])] = weight.get(int(labels[other]), 0) + plain[row][other]["weight"]
        assert weight[int(labels[row])] >= max(weight.values()) - 1e-6


def test_spectral_reads_the_number_of_sets_off_the_gap() -> None:
    groups = [list(range(i, i + 6)) for i in range(0, 30, 6)]
    chain = [(a[-1], b[0], 0.55) for a, b in pairwise(groups)]
    graph = graph_of(30, [e for g in groups for e in clique(g, 0.9)] + chain)
    assert same_partition(discover_sets(graph, "spectral"), np.arange(30) // 6)


def test_spectral_cuts_large_components_again() -> None:
    groups = [list(range(i, i + 8)) for i in range(0, 640, 8)]
    ring = [(a[-1], b[0], 0.55) for a, b in pairwise([*groups, groups[0]])]
    graph = graph_of(640, [e for g in groups for e in clique(g, 0.9)] + ring)
    labels = discover_sets(graph, "spectral")
    assert labels.max() + 1 > 64
    assert same_partition(labels, discover_sets(graph, "spectral"))
    assert np.bincount(labels).max() <= 24


def test_gnn_learns_to_doubt_links_that_do_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, truth = planted(0, things=15, largest=8, false=12)
    truth = truth[canonical_order(graph, np.zeros(graph.count, dtype=np.int64))]
    weighed: list[Problem] = []

    def seen(problem: Problem) -> NDArray[np.int64]:
        weighed.append(problem)
        return average_linkage(problem)

    monkeypatch.setattr(gnn, "average_linkage", seen)
    for epochs in (0, 40):
        monkeypatch.setattr(gnn, "EPOCHS", epochs)
        discover_sets(graph, "gnn")
    start, end = (p.weakest[truth[p.left] != truth[p.right]].mean() for p in weighed)
    assert end < start - 0.3
    assert weighed[1].weakest[truth[weighed[1].left] == truth[weighed[1].right]].mean() > 0.9


def test_gnn_finds_sets_and_leaves_the_number_of_threads_alone() -> None:
    graph, truth = planted(4, things=15, largest=8, false=12)
    before = torch.get_num_threads()
    found = discover_sets(graph, "gnn")
    assert torch.get_num_threads() == before
    right = found[graph.left] == found[graph.right]
    true = truth[graph.left] == truth[graph.right]
    assert right[true].mean() > 0.8
    assert right[~true & (graph.weight >= 0.5)].mean() < 0.5


def test_methods_that_draw_repeat_and_leave_the_random_numbers_of_others_alone() -> None:
    graph, _ = karate()
    drawing = ("gnn", "leiden", "infomap", "louvain", "label_propagation", "spectral")
    own = torch.get_rng_state()
    random.seed(1)
    first = [discover_sets(graph, method, seed=3) for method in drawing]
    random.seed(2)
    assert all(np.array_equal(f, discover_sets(graph, m, seed=3)) for f, m in zip(first, drawing, strict=True))
    random.seed(1)
    once = igraph.Graph.Erdos_Renyi(20, 0.5).get_edgelist()
    random.seed(1)
    assert once == igraph.Graph.Erdos_Renyi(20, 0.5).get_edgelist(), "igraph draws from Python's generator again"
    assert torch.equal(torch.get_rng_state(), own)


def test_infomap_and_leiden_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "igraph", None)
    for method in ("leiden", "infomap"):
        with pytest.raises(UserError, match=rf"{method} needs the package igraph.*counterpoint\[igraph\]"):
            discover_sets(graph_of(3, [(0, 1, 0.9)]), method)


def test_every_method_is_described() -> None:
    for entry in SET_METHODS:
        assert entry.summary
        assert entry.paper
        assert callable(SET_METHODS.get(entry.name))
    assert next(iter(SET_METHODS)).name == "average_linkage"
