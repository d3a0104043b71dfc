"""Rows are found again by what is in them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import UserError
from domains.tables.project.row_refs import RowIndex, RowRef, row_digests
from domains.tables.project.steps.explain import find_row


def frame(rows):
    return pd.DataFrame(rows, columns=["a", "b"], dtype="string")


def index_of(rows, source="s"):
    digests = row_digests(frame(rows))
    return RowIndex(np.array([source] * len(rows), dtype=object), np.arange(len(rows)), digests)


cells = st.one_of(st.none(), st.text(max_size=3))


@settings(deadline=None)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=12))
def test_equal_digest_means_equal_row(rows):
    found = row_digests(frame(rows))
    for i, one in enumerate(rows):
        for j, other in enumerate(rows):
            assert (found[i] == found[j]) == (one == other)


def test_missing_is_not_empty_and_order_of_columns_counts():
    assert len(set(row_digests(frame([(None, "x"), ("", "x"), ("x", None), ("x", "")])))) == 4


def test_no_rows():
    assert row_digests(frame([])).shape == (0,)
    assert index_of([]).position(RowRef("s", 0, "0")) is None


def test_rows_that_moved_are_found():
    old = index_of([("a", "1"), ("b", "2"), ("c", "3")])
    new = index_of([("new", "0"), ("a", "1"), ("c", "3"), ("b", "changed")])
    assert [new.position(ref) for ref in old.refs([0, 1, 2])] == [1, None, 2]


def test_nearest_of_equal_rows():
    new = index_of([("x", "y"), ("other", "z"), ("other", "z"), ("x", "y")])
    digest = new.digest[0]
    assert new.position(RowRef("s", 1, digest)) == 0
    assert new.position(RowRef("s", 2, digest)) == 3
    assert new.position(RowRef("s", 9, digest)) == 3


def test_sources_are_apart():
    one = index_of([("x", "y")])
    assert one.position(RowRef("t", 0, one.digest[0])) is None
    both = RowIndex(np.array(["t", "s"], dtype=object), np.array([0, 0]), np.array([one.digest[0]] * 2, dtype=object))
    assert both.position(RowRef("s", 0, one.digest[0])) == 1


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("s:²", "'s:²' names no row; write SOURCE:ROW"),
        ("²", "names no row"),
        ("s:", "names no row"),
        ("s:-1", "names no row"),
        ("s:1.0", "names no row"),
        ("s: 1", "names no row"),
        ("s:3", "s has no row 3; its rows are numbered 0 to 2"),
        (f"s:{'9' * 18}", "s has no row 9{18}; its rows are numbered 0 to 2"),
        (f"s:{'9' * 5000}", "names no row"),
        ("9" * 5000, "names no row"),
        ("r:1", "unknown source 'r'"),
    ],
)
def test_words_that_name_no_row(word, message):
    with pytest.raises(UserError, match=message):
        find_row(index_of([("a", "1"), ("b", "2"), ("c", "3")]), word)


def test_words_that_name_a_row():
    index = index_of([("a", "1"), ("b", "2"), ("c", "3")], source="s:1")
    assert [find_row(index, word) for word in ("2", "s:1:2", "s:1:002", "s:1:٢")] == [2, 2, 2, 2]
