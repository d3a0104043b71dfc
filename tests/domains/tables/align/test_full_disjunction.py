"""Full disjunction against two slow definitions, its invariants, and the published results."""

import itertools
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import UserError
from domains.tables.align.columns import align
from domains.tables.align.full_disjunction import full_disjunction
from domains.tables.align.union import outer_union
from domains.tables.data.table import Table
from tests.domains.tables.align.sources import read, source, stadiums


def contradict(a, b):
    return any(x is not None and y is not None and x != y for x, y in zip(a, b, strict=True))


def share(a, b):
    return any(x is not None and x == y for x, y in zip(a, b, strict=True))


def merge(a, b):
    return tuple(x if x is not None else y for x, y in zip(a, b, strict=True))


def without_subsumed(rows):
    def says_no_more(a, b):
        return a != b and all(x is None or x == y for x, y in zip(a, b, strict=True))

    rows = {row for row in rows if any(v is not None for v in row)}
    return {a for a in rows if not any(says_no_more(a, b) for b in rows)}


def complementation(rows):
    """ALITE's own way: complement pairs until nothing new appears."""
    rows = set(rows)
    while True:
        new = {merge(a, b) for a, b in itertools.combinations(rows, 2) if share(a, b) and not contradict(a, b)} - rows
        if not new:
            return without_subsumed(rows)
        rows |= new


def by_subsets(rows):
    """The definition: join every connected set of rows without contradiction."""
    rows = list(dict.fromkeys(rows))
    joined = set()
    for size in range(1, len(rows) + 1):
        for subset in itertools.combinations(rows, size):
            if any(contradict(a, b) for a, b in itertools.combinations(subset, 2)):
                continue
            reached, border = {0}, [0]
            while border:
                i = border.pop()
                more = {j for j in range(size) if j not in reached and share(subset[i], subset[j])}
                reached |= more
                border += more
            if len(reached) == size:
                one = subset[0]
                for other in subset[1:]:
                    one = merge(one, other)
                joined.add(one)
    return without_subsumed(joined)


def table_of(rows, sources=None):
    frame = pd.DataFrame(list(rows), dtype="string")
    frame.columns = [f"c{i}" for i in range(frame.shape[1])]
    return Table.of(frame, source=sources or "s")


def rows_of(frame):
    return [tuple(None if pd.isna(v) else v for v in row) for row in frame.itertuples(index=False)]


ROWS = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.tuples(*[st.sampled_from([None, None, "a", "b", "c"])] * width), min_size=1, max_size=8)
)


@settings(max_examples=80, deadline=None)
@given(ROWS)
def test_both_definitions_give_the_same_rows(rows):
    found = full_disjunction(table_of(rows), fill_missing=True)
    assert len(found.frame) == len(set(rows_of(found.frame)))
    assert set(rows_of(found.frame)) == complementation(rows) == by_subsets(rows)


@settings(max_examples=80, deadline=None)
@given(ROWS, st.integers(1, 3))
def test_missing_cells_of_a_sources_own_columns_are_not_filled(rows, count):
    sources = [f"s{i % count}" for i in range(len(rows))]
    found = full_disjunction(table_of(rows, sources))
    own = {
        s: [any(r[c] is not None for r, o in zip(rows, sources, strict=True) if o == s) for c in range(len(rows[0]))]
        for s in sources
    }
    labelled = [
        tuple(f"?{i}.{c}" if v is None and own[s][c] else v for c, v in enumerate(row))
        for i, (row, s) in enumerate(zip(rows, sources, strict=True))
    ]  # fmt: skip
    joined = [tuple(None if v is None or v.startswith("?") else v for v in row) for row in by_subsets(labelled)]
    assert set(rows_of(found.frame)) == without_subsumed(joined)


@settings(max_examples=50, deadline=None)
@given(ROWS, st.integers(0, 100), st.booleans())
def test_members_say_what_the_row_says_and_order_plays_no_part(rows, seed, fill):
    sources = [f"s{i % 2}" for i in range(len(rows))]
    found = full_disjunction(table_of(rows, sources), fill_missing=fill)
    for row, members in zip(rows_of(found.frame), found.members, strict=True):
        for column, value in enumerate(row):
            assert {rows[m][column] for m in members} - {None} == ({value} - {None})
    placed = {m for members in found.members for m in members}
    assert placed.isdisjoint(found.subsumed)
    assert placed | set(found.subsumed) == set(range(len(rows)))
    for position in found.subsumed:
        assert not any(v is not None for v in rows[position]) or any(
            all(v is None or v == w for v, w in zip(rows[position], row, strict=True)) for row in rows_of(found.frame)
        )
    order = np.random.default_rng(seed).permutation(len(rows))
    again = full_disjunction(table_of([rows[i] for i in order], [sources[i] for i in order]), fill_missing=fill)
    assert again.frame.equals(found.frame)
    assert [tuple(sorted(int(order[m]) for m in ms)) for ms in again.members] == list(found.members)


def test_two_missing_cells_of_own_columns_are_not_one_value():
    rows = [("a", None, "x", None), ("a", None, None, "y"), ("b", "q", "z", None), ("c", "r", None, "w")]
    table = table_of(rows, ["s", "t", "s", "t"])
    assert set(rows_of(full_disjunction(table).frame)) == set(rows)
    assert rows_of(full_disjunction(table, fill_missing=True).frame)[0] == ("a", None, "x", "y")


def test_nothing_in_nothing_out():
    for table in (table_of([(None, None)]), table_of([(None, None)] * 3)):
        found = full_disjunction(table)
        assert (len(found.frame), found.members, found.subsumed) == (0, (), tuple(range(len(table))))
    empty = Table.of(pd.DataFrame({"a": pd.Series([], dtype="string")}))
    assert full_disjunction(empty).frame.columns.tolist() == ["a"]


def test_limits_name_the_value():
    rows = [("USA", str(i)) for i in range(200)]
    with pytest.raises(UserError, match=r"more than 1000 pairs .* 200, share 'USA' in column 1.*max_pairs"):
        full_disjunction(table_of(rows), max_pairs=1000)
    many = [("x", str(i), None, None) for i in range(8)] + [("x", None, str(i), None) for i in range(8)]
    many += [("x", None, None, str(i)) for i in range(8)]
    assert len(full_disjunction(table_of(many), fill_missing=True).frame) == 512
    with pytest.raises(UserError, match=r"more than 100 rows.*'x' in column 1.*max_rows"):
        full_disjunction(table_of(many), fill_missing=True, max_rows=100)


@pytest.mark.slow
def test_many_small_blocks_take_linear_time():
    seconds = []
    for n in (2000, 8000):
        left, right = source("a", k=map(str, range(n)), x=map(str, range(n))), None
        right = source("b", k=map(str, range(n)), y=[f"y{i}" for i in range(n)])
        table = outer_union([left, right], align([left, right]))
        start = time.perf_counter()
        assert len(full_disjunction(table).frame) == n
        seconds.append(time.perf_counter() - start)
    assert seconds[1] < 12 * seconds[0]


@pytest.mark.data
def test_the_three_covid_tables_give_their_published_rows(data_folder):
    names = [f"covid_t{i}" for i in (1, 2, 3)]
    sources = [
        source(n, **{c: f[c].tolist() for c in f})
        for n in names
        for f in [read(data_folder / f"tables/alite_stadiums/{n}.csv")]
    ]
    found = full_disjunction(outer_union(sources, align(sources)))
    columns = ["Country", "City", "Vaccination Rate", "Total Cases", "Death Rate"]
    assert set(rows_of(found.frame[columns])) == {
        ("Germany", "Berlin", "63", "1411749", "147"),
        ("England", "Manchester", "78", None, None),
        ("Spain", "Barcelona", "82", "2676188", "275"),
        ("Canada", "Toronto", "83", None, None),
        ("Mexico", "Mexico City", None, None, None),
        ("USA", "Boston", "62", "263978", "335"),
        (None, "New Delhi", None, "2006680", "158"),
    }


@pytest.mark.data
@pytest.mark.parametrize("fill", [False, True])
def test_the_stadium_tables_give_alites_result(data_folder, fill):
    """ALITE's stored result is in lower case and calls Facility "stadium"; with that its 121 rows come out exactly."""
    sources = stadiums(data_folder)
    for one in sources:
        one.frame = one.frame.apply(lambda column: column.str.lower())
    found = full_disjunction(outer_union(sources, align(sources)), fill_missing=fill).frame
    published = read(data_folder / "tables/alite_stadiums/fd_result.csv").drop(columns="index")
    found = found.rename(columns=str.lower).rename(columns={"facility": "stadium"})
    assert len(found) == len(published) == 121
    assert set(rows_of(found[published.columns])) == set(rows_of(published))
