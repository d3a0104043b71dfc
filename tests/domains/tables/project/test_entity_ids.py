"""An entity keeps its id while it keeps most of its rows."""

from collections import Counter

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from domains.tables.project.entity_ids import IdLedger, carry_ids
from domains.tables.project.folder import Project
from domains.tables.project.row_refs import RowIndex
from domains.tables.project.stored import load_ledger, save_ledger


def by_rule(old, labels):
    """The rule in loops."""
    kept = {}
    for entity in sorted({e for e in old if e >= 0}):
        rows = [i for i, e in enumerate(old) if e == entity]
        (name, count), *_ = Counter(labels[i] for i in rows).most_common(1)
        if 2 * count > len(rows) and (name not in kept or count > kept[name][1]):
            kept[name] = (entity, count)
    return {name: entity for name, (entity, _) in kept.items()}


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 4), st.integers(0, 4)), min_size=1, max_size=14))
def test_rule(rows):
    old, labels = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    new = carry_ids(IdLedger(old, 10), labels)
    expected = by_rule(old.tolist(), labels.tolist())
    names = dict(zip(labels.tolist(), new.number.tolist(), strict=True))
    fresh = 10
    for label in dict.fromkeys(labels.tolist()):  # in the order of first rows
        if label in expected:
            assert names[label] == expected[label]
        else:
            assert names[label] == fresh
            fresh += 1
    assert new.next == fresh
    assert len(set(names.values())) == len(names)


def test_halves_keep_nothing_and_no_number_is_given_twice():
    first = carry_ids(IdLedger(np.full(4, -1)), np.zeros(4, dtype=int))
    halves = carry_ids(first, np.array([0, 0, 1, 1]))
    assert halves.number.tolist() == [2, 2, 3, 3]
    again = carry_ids(halves, np.zeros(4, dtype=int))
    assert again.number.tolist() == [2, 2, 2, 2]
    assert carry_ids(again, np.arange(4)).number.tolist() == [4, 5, 6, 7]


def test_numbers_of_sets_do_not_matter():
    old = IdLedger(np.array([1, 1, 2, 2, 2]), 3)
    one, two = (carry_ids(old, np.array(labels)).number.tolist() for labels in ([0, 0, 0, 7, 7], [9, 9, 9, 2, 2]))
    assert one == two


def index_of(rows):
    digests = np.array([digest for _, digest in rows], dtype=object)
    sources = np.array([source for source, _ in rows], dtype=object)
    number = pd.Series(sources).groupby(sources).cumcount().to_numpy()
    return RowIndex(sources, number, digests)


def test_ids_find_their_rows_in_new_files(tmp_path):
    project = Project(tmp_path)
    before = index_of([("a", "x"), ("a", "y"), ("a", "x"), ("b", "x")])
    save_ledger(project, before, IdLedger(np.array([1, 2, 3, 4]), 9))
    after = index_of([("a", "new"), ("a", "x"), ("a", "x"), ("a", "x"), ("b", "x")])
    ledger = load_ledger(project, after)
    assert ledger.number.tolist() == [-1, 1, 3, -1, 4]
    assert ledger.next == 9
    assert load_ledger(Project(tmp_path / "none"), after).next == 1
