"""Decisions together: later ones win, constraints never contradict each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domains.tables.project.decided import decide
from domains.tables.project.decisions import new_decision
from domains.tables.project.row_refs import RowIndex, RowRef
from domains.tables.sets.discover import discover_sets
from domains.tables.sets.graph import PairGraph

N = 8
INDEX = RowIndex(
    np.array(["s"] * N, dtype=object), np.arange(N), np.array([f"{i:016x}" for i in range(N)], dtype=object)
)


def say(kind, *groups, **fields):
    return new_decision(kind, [INDEX.refs(group) for group in groups], **fields)


def yes(a, b):
    return say("pair", [a], [b], answer="yes")


def no(a, b):
    return say("pair", [a], [b], answer="no")


def sets(decisions, edges=()):
    """Sets of the rows under the constraints."""
    decided = decide(decisions, INDEX)
    edges = np.array(edges or np.empty((0, 2)), dtype=np.int64)
    graph = PairGraph.of(N, edges[:, 0], edges[:, 1], np.full(len(edges), 0.9))
    return discover_sets(graph, must_link=decided.must, cannot_link=decided.cannot), decided


def together(labels, rows):
    return len(set(labels[list(rows)].tolist())) == 1


def test_merge_and_split():
    labels, _ = sets([say("merge", [0, 1], [2, 3], [5])])
    assert together(labels, [0, 1, 2, 3, 5])
    labels, decided = sets([say("merge", [0, 1], [2, 3]), say("split", [0, 2], [1, 3])])
    assert together(labels, [0, 2])
    assert together(labels, [1, 3])
    assert labels[0] != labels[1]
    assert len(decided.overruled) == 1


def test_the_later_answer_counts():
    assert together(sets([no(0, 1), yes(0, 1)])[0], [0, 1])
    assert not together(sets([yes(0, 1), no(0, 1)])[0], [0, 1])


def test_a_yes_across_a_split_joins_whole_parts_whatever_the_row():
    for a in (0, 1):
        for b in (2, 3):
            labels, decided = sets([say("split", [0, 1], [2, 3]), yes(a, b)])
            assert together(labels, [0, 1, 2, 3])
            assert len(decided.overruled) == 1


def test_unsure_says_nothing_but_is_an_answer():
    unsure = say("pair", [3], [2], answer="unsure")
    labels, decided = sets([unsure])
    assert not together(labels, [2, 3])
    assert decided.answered == {(2, 3): "unsure"}
    assert [len(part) for part in decided.labels()] == [0, 0, 0]


def test_lock_takes_no_other_row():
    lock = say("lock", [0, 1])
    decided = decide([yes(1, 2), lock], INDEX)
    assert [rows.tolist() for rows in decided.locked] == [[0, 1]]
    assert decided.must.tolist() == [[0, 1]]
    later = decide([lock, yes(1, 2)], INDEX)
    assert later.locked == ()
    assert later.overruled == (lock.id,)


def test_rows_that_are_gone():
    gone = RowRef("s", 99, "f" * 16)
    dead = new_decision("pair", [[gone], INDEX.refs([1])], answer="yes")
    partly = new_decision("merge", [(gone, *INDEX.refs([0])), INDEX.refs([1])])
    labels, decided = sets([dead, partly])
    assert decided.dormant == (dead.id, partly.id)
    assert together(labels, [0, 1])


def test_labels_are_what_was_said_of_two_rows():
    left, right, label = decide([yes(4, 2), no(0, 1), say("merge", [5, 6], [7])], INDEX).labels()
    known = dict(zip(zip(left.tolist(), right.tolist(), strict=True), label.tolist(), strict=True))
    assert known == {(2, 4): 1.0, (0, 1): 0.0, (5, 7): 1.0, (6, 7): 1.0}


def test_a_large_split_stays_linear():
    n = 20_000
    index = RowIndex(np.array(["s"] * n, dtype=object), np.arange(n), np.array(["0"] * n, dtype=object))
    halves = [index.refs(range(0, n, 2)), index.refs(range(1, n, 2))]
    decided = decide([new_decision("split", halves)], index)
    assert len(decided.must) == n - 2
    assert decided.cannot.tolist() == [[0, 1]]


rows = st.lists(st.integers(0, N - 1), min_size=2, max_size=6, unique=True)


@st.composite
def histories(draw):
    """Kinds and groups of rows; the checks of the test run forbid to build decisions inside a strategy."""
    found = []
    for _ in range(draw(st.integers(1, 7))):
        kind = draw(st.sampled_from(["yes", "no", "merge", "split", "lock"]))
        chosen = draw(rows)
        cut = draw(st.integers(1, len(chosen) - 1))
        found.append((kind, chosen, cut))
    return found


def built(kind, chosen, cut):
    if kind in ("merge", "split"):
        return say(kind, chosen[:cut], chosen[cut:])
    if kind == "lock":
        return say("lock", chosen)
    return yes(*chosen[:2]) if kind == "yes" else no(*chosen[:2])


@settings(max_examples=200, deadline=None)
@given(histories(), st.lists(st.tuples(st.integers(0, N - 1), st.integers(0, N - 1)).filter(lambda p: p[0] != p[1])))
def test_never_a_contradiction_and_the_last_word_counts(steps, edges):
    history = [built(*step) for step in steps]
    labels, decided = sets(history, edges)  # discover_sets refuses constraints that contradict each other
    last = history[-1]
    groups = [[ref.row for ref in group] for group in last.groups]
    if last.kind == "merge" or last.answer == "yes":
        assert together(labels, [row for group in groups for row in group])
    elif last.kind == "lock":
        assert any(lock.tolist() == sorted(groups[0]) for lock in decided.locked)
    else:
        assert all(together(labels, group) for group in groups)
        assert labels[groups[0][0]] != labels[groups[1][0]]
    for lock in decided.locked:
        inside = set(lock.tolist())
        assert all((a in inside) == (b in inside) for a, b in decided.must.tolist())


@pytest.mark.parametrize("chosen", [[0, 1, 2, 3], [1, 2], [5]])
def test_restricted_numbers_anew(chosen):
    decided = decide([yes(1, 2), no(2, 3), say("lock", [5, 6])], INDEX)
    mask = np.isin(np.arange(N), chosen)
    part = decided.restricted(mask)
    back = np.array(chosen)
    assert back[part.must].reshape(-1, 2).tolist() == [[1, 2]] * (2 in chosen)
    assert back[part.cannot].reshape(-1, 2).tolist() == [[2, 3]] * (3 in chosen)
    assert part.locked == ()
