"""Suspicious sets: each reason is found where it is, says so in words, and suggests a cut that does what it says."""

import numpy as np
import pytest

from core.errors import UserError
from domains.tables.sets.discover import discover_sets
from domains.tables.sets.graph import PairGraph
from domains.tables.sets.suspicious import SuspiciousSet, suspicious_sets
from tests.domains.tables.sets.toy import clique, graph_of, planted

ZERO = np.zeros(10, dtype=np.int64)


def only(found: list[SuspiciousSet], reason: str) -> SuspiciousSet:
    chosen = [s for s in found if s.reason == reason]
    assert len(chosen) == 1
    return chosen[0]


def parts(found: SuspiciousSet) -> list[list[int]]:
    return [part.tolist() for part in found.parts]


def test_good_sets_are_not_suspicious() -> None:
    graph = graph_of(10, clique([0, 2, 4, 6, 8], 0.9) + clique([1, 3, 5, 7, 9], 0.8))
    assert suspicious_sets(graph, np.array([0, 1] * 5), ["a", "a"] + [f"s{i}" for i in range(8)]) == []
    assert suspicious_sets(graph_of(0, []), np.zeros(0, dtype=np.int64), []) == []


def test_a_weak_bridge() -> None:
    graph = graph_of(10, clique([0, 2, 4, 6], 0.9) + clique([1, 3, 5, 7, 8, 9], 0.8) + [(3, 4, 0.58)])
    found = only(suspicious_sets(graph, ZERO), "weak_bridge")
    assert found.sentence == "Only the pair 3-4 (0.58) joins the 4 rows 0, 2, 4, 6 to the other 6."
    assert parts(found) == [[1, 3, 5, 7, 8, 9], [0, 2, 4, 6]]
    assert found.cut.tolist() == [[3, 4]]
    assert "weak_bridge" not in {s.reason for s in suspicious_sets(graph, ZERO, margin=0.05)}


def test_a_row_that_alone_joins_two_groups() -> None:
    edges = [*clique([0, 1, 2, 4], 0.9), (3, 5, 0.8), (3, 4, 0.55), (4, 5, 0.58)]
    found = only(suspicious_sets(graph_of(6, edges), np.zeros(6, dtype=np.int64)), "weak_bridge")
    assert found.sentence == "Only row 4, by pairs of at most 0.58, joins the 2 rows 3, 5 to the other 4."
    assert found.cut.tolist() == [[3, 4], [4, 5]]


def test_a_sparse_set() -> None:
    graph = graph_of(10, [(i, (i + 1) % 10, 0.9) for i in range(10)])
    found = only(suspicious_sets(graph, ZERO), "sparse")
    assert found.sentence.startswith("Only 10 of the 45 pairs of its 10 rows are linked; average linkage makes ")
    assert sorted(row for part in parts(found) for row in part) == list(range(10))
    labels = discover_sets(graph)
    cut = [[a, b] for a, b in zip(graph.left, graph.right, strict=True) if labels[a] != labels[b]]
    assert found.cut.tolist() == cut


def test_several_rows_of_one_source() -> None:
    graph = graph_of(10, clique([0, 1, 2, 3], 0.9) + clique([4, 5], 0.8))
    labels = np.array([0, 0, 0, 0, 1, 1, 2, 3, 4, 5])
    found = suspicious_sets(graph, labels, ["a", "b", "b", "b", "a", "b", "c", "c", "c", "c"])
    assert [s.reason for s in found] == ["same_source"]
    assert found[0].sentence == "3 of its 4 rows come from one source, b."
    assert [len(part) for part in found[0].parts] == [2, 1, 1]
    assert {tuple(sorted("abbb"[i] for i in p)) for p in parts(found[0])} == {("a", "b"), ("b",)}


def test_duplicates_in_the_only_source_are_what_is_looked_for() -> None:
    assert suspicious_sets(graph_of(2, [(0, 1, 0.9)]), np.zeros(2, dtype=np.int64), ["a", "a"]) == []


def test_rows_joined_by_hand_without_a_link_are_no_weak_bridge() -> None:
    graph = graph_of(10, clique([0, 2, 4, 6], 0.9) + clique([1, 3, 5, 7, 8, 9], 0.8))
    assert "weak_bridge" not in {s.reason for s in suspicious_sets(graph, ZERO)}
    found = only(suspicious_sets(graph_of(3, []), np.array([0, 0, 1]), ["a", "a", "b"]), "same_source")
    assert parts(found) == [[0], [1]]
    assert found.cut.shape == (0, 2)


def chained(things: int, rows: int) -> PairGraph:
    """Cliques of weight .9 in a row, each joined to the next by a pair of .55, the first one by .52."""
    groups = [list(range(i * rows, (i + 1) * rows)) for i in range(things)]
    links = [(g[-1], g[-1] + 1, 0.55 if g[0] else 0.52) for g in groups[:-1]]
    return graph_of(things * rows, [e for g in groups for e in clique(g, 0.9)] + links)


def test_a_merge_that_chains_everything_together() -> None:
    graph = chained(30, 4)
    found = suspicious_sets(graph, discover_sets(graph, "components"))
    assert found[0].reason == "chain"
    assert found[0].sentence == (
        "Merging these 120 of all 120 rows would chain everything together; pairs of at least 0.90 alone leave 30 sets."
    )
    assert parts(found[0]) == np.arange(120).reshape(30, 4).tolist()
    assert len(found[0].cut) == 29
    assert suspicious_sets(graph, discover_sets(graph)) == []


def test_a_chain_of_equal_links_has_no_threshold_that_breaks_it() -> None:
    n = 40
    graph = graph_of(n, [(i, i + 1, 0.9) for i in range(n - 1)])
    found = only(suspicious_sets(graph, np.zeros(n, dtype=np.int64)), "chain")
    assert found.sentence.endswith("no threshold breaks the chain, look at its links.")
    assert found.parts == ()
    assert found.cut.shape == (0, 2)
    hand = only(suspicious_sets(graph_of(n, []), np.zeros(n, dtype=np.int64)), "chain")
    assert hand.parts == ()


def test_a_large_set_that_holds_together() -> None:
    graph = PairGraph.of(
        600,
        *np.r_["1", np.triu_indices(25, 1), np.array([np.arange(25, 599, 2), np.arange(26, 600, 2)])],
        np.full(587, 0.9),
    )
    labels = discover_sets(graph, "components")
    found = suspicious_sets(graph, labels)
    assert [s.reason for s in found] == ["large"]
    assert found[0].sentence == "Its 25 rows are far more than usual; but average linkage keeps it whole."
    assert found[0].parts == ()


def test_the_gravest_come_first_and_parts_cover_the_set() -> None:
    graph, _ = planted(3, things=40, false=80)
    labels = discover_sets(graph, "components")
    sources = np.array(list("abc"))[np.arange(graph.count) % 3]
    found = suspicious_sets(graph, labels, sources)
    order = ["chain", "weak_bridge", "sparse", "large", "same_source"]
    ranks = [(order.index(s.reason), -s.rows.size, s.label) for s in found]
    assert ranks == sorted(ranks)
    assert len({s.reason for s in found}) >= 3
    for one in found:
        assert one.rows.tolist() == np.flatnonzero(labels == one.label).tolist()
        if one.parts:
            assert sorted(np.concatenate(one.parts).tolist()) == one.rows.tolist()
            part = {row: i for i, rows in enumerate(one.parts) for row in rows.tolist()}
            assert all(part[a] != part[b] for a, b in one.cut.tolist())


def test_wrong_arguments_are_named() -> None:
    graph = graph_of(3, [])
    with pytest.raises(UserError, match=r"one number from 0 for each of the 3 rows, got the shape \(2,\)"):
        suspicious_sets(graph, np.zeros(2, dtype=np.int64))
    with pytest.raises(UserError, match="one source for each of the 3 rows, got 1"):
        suspicious_sets(graph, np.zeros(3, dtype=np.int64), ["a"])
    with pytest.raises(UserError, match="threshold must be in"):
        suspicious_sets(graph, np.zeros(3, dtype=np.int64), threshold=2)
    with pytest.raises(UserError, match="margin >= 0"):
        suspicious_sets(graph, np.zeros(3, dtype=np.int64), margin=-1)
