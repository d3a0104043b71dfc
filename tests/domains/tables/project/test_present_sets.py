"""Sets after decisions, the queue and the threshold curve, against clustering everything again and brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domains.tables.project.decided import Decided, decide
from domains.tables.project.decisions import new_decision
from domains.tables.project.present_sets import cluster_rows, present_labels, smallest_rows
from domains.tables.project.review_queue import queue, uncertainty
from domains.tables.project.row_refs import RowIndex
from domains.tables.project.settings import ClusterSettings
from domains.tables.project.threshold_curve import expected_errors, threshold_curve
from domains.tables.sets.graph import PairGraph

N = 9
INDEX = RowIndex(
    np.array(["s"] * N, dtype=object), np.arange(N), np.array([f"{i:016x}" for i in range(N)], dtype=object)
)
SETTINGS = ClusterSettings()
NOTHING = decide([], INDEX)
probabilities = st.sampled_from([0.1, 0.3, 0.45, 0.55, 0.7, 0.9])
pairs = st.dictionaries(
    st.tuples(st.integers(0, N - 1), st.integers(0, N - 1)).filter(lambda p: p[0] < p[1]), probabilities, max_size=20
)
some_rows = st.lists(st.integers(0, N - 1), min_size=2, max_size=4, unique=True)
steps = st.lists(st.tuples(st.sampled_from(["yes", "no", "merge", "lock"]), some_rows), max_size=4)


def graph_of(weights):
    ends = np.array(list(weights), dtype=np.int64).reshape(-1, 2)
    return PairGraph.of(N, ends[:, 0], ends[:, 1], np.array(list(weights.values()), dtype=float))


def say(kind, rows):
    if kind in ("yes", "no"):
        return new_decision("pair", [INDEX.refs(rows[:1]), INDEX.refs(rows[1:2])], answer=kind)
    if kind == "lock":
        return new_decision("lock", [INDEX.refs(rows)])
    return new_decision("merge", [INDEX.refs(rows[:1]), INDEX.refs(rows[1:])])


def present(graph, base, before, now):
    return present_labels(graph, base, INDEX, before, now, 0.5, SETTINGS, 0)


@settings(deadline=None)
@given(pairs, steps)
def test_decisions_hold_and_the_rest_stays(weights, story):
    graph = graph_of(weights)
    decisions = [say(*step) for step in story]
    base = cluster_rows(graph, INDEX.source, NOTHING, 0.5, SETTINGS)
    labels, decided = present(graph, base, [], decisions)
    assert (labels[decided.must[:, 0]] == labels[decided.must[:, 1]]).all()
    assert (labels[decided.cannot[:, 0]] != labels[decided.cannot[:, 1]]).all()
    for lock in decided.locked:
        assert np.flatnonzero(labels == labels[lock[0]]).tolist() == lock.tolist()
    assert labels.tolist() == smallest_rows(labels).tolist()
    touched = {base[ref.row] for d in decisions for ref in d.rows}
    far = ~np.isin(base, sorted(touched))
    assert (labels[far] == base[far]).all()


@settings(deadline=None)
@given(pairs, steps, st.data())
def test_taking_back_gives_the_sets_from_before(weights, story, data):
    graph = graph_of(weights)
    decisions = [say(*step) for step in story]
    base = cluster_rows(graph, INDEX.source, NOTHING, 0.5, SETTINGS)
    kept = decisions[: data.draw(st.integers(0, len(decisions)))]
    once, _ = present(graph, base, [], kept)
    again, _ = present(graph, base, [], list(kept))
    assert once.tolist() == again.tolist()
    assert present(graph, base, [], [])[0].tolist() == base.tolist()
    # a clustering that knew of a decision which was taken back since
    knew = cluster_rows(graph, INDEX.source, decide(decisions, INDEX), 0.5, SETTINGS)
    labels, _ = present(graph, knew, decisions, decisions)
    assert labels.tolist() == knew.tolist()


def test_a_yes_joins_both_sets_whole():
    graph = graph_of({(0, 1): 0.9, (2, 3): 0.9, (3, 4): 0.9, (2, 4): 0.9})
    base = cluster_rows(graph, INDEX.source, NOTHING, 0.5, SETTINGS)
    told = [say("yes", [0, 3])]
    assert present(graph, base, [], told)[0].tolist() == [0, 0, 0, 0, 0, 5, 6, 7, 8]
    assert cluster_rows(graph, INDEX.source, decide(told, INDEX), 0.5, SETTINGS).tolist()[:5] == [0] * 5
    # but for what was told apart
    labels = present(graph, base, [], [say("no", [1, 4]), *told])[0]
    assert labels[0] == labels[3]
    assert labels[1] != labels[4]


@pytest.mark.parametrize("method", ["louvain", "leiden", "label_propagation", "infomap", "spectral"])
def test_what_is_so_already_changes_nothing(method):
    # Communities depend on the whole of a component: found again from the rows of one set, they would be others.
    draw, method = np.random.default_rng(0), ClusterSettings(method=method)
    count = 60
    names = np.array([f"{i:x}" for i in range(count)], dtype=object)
    index = RowIndex(np.array(["s"] * count, dtype=object), np.arange(count), names)
    left, right = np.triu_indices(count, 1)
    kept = draw.random(len(left)) < np.where(left // 12 == right // 12, 0.5, 0.02)
    graph = PairGraph.of(count, left[kept], right[kept], draw.uniform(0.5, 1, kept.sum()))
    base = cluster_rows(graph, index.source, decide([], index), 0.5, method, 7)
    first = np.flatnonzero(base == base[0]).tolist()
    other = np.flatnonzero(base != base[0]).tolist()
    said = [
        new_decision("pair", [index.refs([0]), index.refs([1])], answer="unsure"),
        new_decision("pair", [index.refs(first[:1]), index.refs(first[-1:])], answer="yes"),
        new_decision("pair", [index.refs(first[:1]), index.refs(other[:1])], answer="no"),
        new_decision("lock", [index.refs(first)]),
    ]
    for decisions in ([one] for one in said if len(first) > 1 or one.kind == "lock"):
        assert present_labels(graph, base, index, [], decisions, 0.5, method, 7)[0].tolist() == base.tolist()
    joined = new_decision("pair", [index.refs(first[:1]), index.refs(other[:1])], answer="yes")
    labels = present_labels(graph, base, index, [], [joined], 0.5, method, 7)[0]
    assert labels.tolist() == smallest_rows(np.where(base == base[other[0]], base[0], base)).tolist()


def test_merge_and_split_are_exact():
    graph = graph_of({(0, 1): 0.9, (2, 3): 0.9, (3, 4): 0.9, (2, 4): 0.9})
    base = cluster_rows(graph, INDEX.source, NOTHING, 0.5, SETTINGS)
    merged = new_decision("merge", [INDEX.refs([0, 1]), INDEX.refs([2, 3, 4])])
    assert present(graph, base, [], [merged])[0].tolist() == [0, 0, 0, 0, 0, 5, 6, 7, 8]
    split = new_decision("split", [INDEX.refs([2, 4]), INDEX.refs([3])])
    assert present(graph, base, [], [split])[0].tolist() == [0, 0, 2, 3, 2, 5, 6, 7, 8]
    both = present(graph, base, [], [merged, new_decision("split", [INDEX.refs([0, 3]), INDEX.refs([1, 2, 4])])])[0]
    assert both.tolist() == [0, 1, 1, 0, 1, 5, 6, 7, 8]


@settings(deadline=None)
@given(pairs, steps)
def test_queue_is_ordered_by_gain(weights, story):
    graph = graph_of(weights)
    base = cluster_rows(graph, INDEX.source, NOTHING, 0.5, SETTINGS)
    labels, decided = present(graph, base, [], [say(*step) for step in story])
    found, open_ = queue(graph, labels, decided)
    locked = {row for rows in decided.locked for row in rows.tolist()}
    apart = {frozenset(labels[pair].tolist()) for pair in decided.cannot}
    same = smallest_rows(one_thing(decided.must))

    def doubt(p):
        return 1 - abs(2 * p - 1)

    def gain(pair, p):
        ours, theirs = (np.flatnonzero(labels == labels[row]) for row in pair)
        if labels[pair[0]] == labels[pair[1]]:
            return doubt(p) ** 2 * len(ours)
        between = [weights.get((min(a, b), max(a, b)), 0) for a in ours.tolist() for b in theirs.tolist()]
        return doubt(p) * doubt(np.mean(between)) * len(between)

    wanted, turn = {}, {}
    for pair in sorted(weights, key=lambda pair: (-round(gain(pair, weights[pair]), 4), pair)):
        sets = frozenset(labels[list(pair)].tolist())
        if pair in decided.answered or sets in apart or locked & set(pair) or same[pair[0]] == same[pair[1]]:
            continue
        turn[sets] = turn.get(sets, 0) + 1
        wanted[pair] = gain(pair, weights[pair]) / turn[sets]
    assert np.allclose([q.gain for q in found], sorted(wanted.values(), reverse=True), atol=1e-5)
    assert {(q.left, q.right) for q in found} == set(wanted)
    assert open_ == sum(0.1 <= weights[pair] <= 0.9 for pair in wanted)
    assert [(q.left, q.right) for q in queue(graph, labels, decided, 3)[0]] == [(q.left, q.right) for q in found[:3]]


def one_thing(must):
    label = np.arange(N)
    for _ in range(N):
        for a, b in must.tolist():
            label[[a, b]] = label[[a, b]].min()
    return label


def test_two_sets_are_asked_about_once_before_others():
    weights = {(a, b): 0.52 for a in (0, 1, 2) for b in (3, 4)} | {(0, 5): 0.3, (6, 7): 0.5}
    labels = np.array([0, 0, 0, 3, 3, 5, 6, 7, 8])
    asked = [(q.left, q.right) for q in queue(graph_of(weights), labels, NOTHING)[0]]
    assert asked[0] == (0, 3)
    assert asked.index((6, 7)) == 5
    told = decide([say("no", [2, 3])], INDEX)
    assert [(q.left, q.right) for q in queue(graph_of(weights), labels, told)[0]] == [(6, 7), (0, 5)]


def test_answers_that_follow_are_not_asked():
    graph = graph_of({(0, 1): 0.6, (1, 2): 0.6, (0, 2): 0.6, (3, 4): 0.6})
    told = decide([say("yes", [0, 1]), say("yes", [1, 2])], INDEX)
    labels = np.array([0, 0, 0, 3, 3, 5, 6, 7, 8])
    assert [(q.left, q.right) for q in queue(graph, labels, told)[0]] == [(3, 4)]


def test_uncertainty_has_its_ends():
    assert uncertainty(np.array([0, 0.5, 1])).tolist() == [0, 1, 0]


@settings(deadline=None)
@given(pairs, st.lists(st.integers(0, 3), min_size=N, max_size=N))
def test_expected_errors_by_loops(weights, sets):
    graph = graph_of(weights)
    wrong, missed, f1 = expected_errors(graph, smallest_rows(np.array(sets)))
    together = [(a, b) for a in range(N) for b in range(a + 1, N) if sets[a] == sets[b]]
    right = sum(weights.get(pair, 0) for pair in together)
    lost = sum(p for pair, p in weights.items() if pair not in together)
    assert (wrong, missed) == pytest.approx((len(together) - right, lost), abs=1e-5)
    total = len(together) + right + lost
    assert f1 == pytest.approx(2 * right / total if total else 1.0, abs=1e-5)


def test_curve_at_each_threshold_and_from_a_sample(monkeypatch):
    graph = graph_of({(0, 1): 0.9, (1, 2): 0.6, (3, 4): 0.3})
    points, rows = threshold_curve(graph, INDEX.source, NOTHING, SETTINGS, thresholds=(0.2, 0.5, 0.8))
    assert rows == N
    for point in points:
        labels = cluster_rows(graph, INDEX.source, NOTHING, point.threshold, SETTINGS)
        assert point.sets == len(set(labels.tolist()))
    monkeypatch.setattr("domains.tables.project.threshold_curve.MOST_ROWS", 4)
    points, rows = threshold_curve(graph, INDEX.source, NOTHING, SETTINGS, thresholds=(0.2, 0.5))
    assert 4 <= rows < N
    assert points == threshold_curve(graph, INDEX.source, NOTHING, SETTINGS, thresholds=(0.2, 0.5))[0]


def test_one_per_source_is_kept():
    source = np.array(["a", "a", "b"] * 3, dtype=object)
    graph = graph_of({(0, 1): 0.9, (1, 2): 0.9, (0, 2): 0.9})
    labels = cluster_rows(graph, source, NOTHING, 0.5, ClusterSettings(one_per_source=True))
    assert labels[0] != labels[1]
    assert isinstance(NOTHING, Decided)
