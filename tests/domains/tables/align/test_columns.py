"""Alignment on small and real sources: quality, constraints, independence of order."""

import itertools
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import UserError
from domains.tables.align.columns import AlignSettings, align
from domains.tables.align.mapping import ColumnRef
from domains.tables.align.quality import disguised_quality
from domains.tables.align.union import outer_union
from tests.domains.tables.align.sources import chicago, pair_sides, read, source, stadiums


def groups(mapping):
    return {tuple(sorted(str(m.ref) for m in t.members)) for t in mapping.targets}


A = source("a", Name=["Ann Lee", "Bob Ray"], zip=["60601", "60602"], fax=["1-22", "1-33"])
B = source("b", **{"full name": ["Ann Lee", "Eve Fox"], "Postal Code": ["60601", "60611"]})
C = source("c", naam=["Eve Fox", "Bob Ray", "Ann Lee"], postcode=["60601", "60602", "60699"])


def test_two_and_three_sources():
    assert groups(align([A, B])) == {("a.Name", "b.full name"), ("a.zip", "b.Postal Code"), ("a.fax",)}
    mapping = align([A, B, C])
    assert groups(mapping) == {
        ("a.Name", "b.full name", "c.naam"), ("a.zip", "b.Postal Code", "c.postcode"), ("a.fax",)
    }  # fmt: skip
    assert [str(m.ref) for m in mapping.unmatched] == ["a.fax"]
    assert mapping.unmatched[0].score is None
    assert mapping.unmatched[0].nearest.other.source != "a"


def test_one_source_keeps_its_columns():
    assert align([A]).names == ["Name", "zip", "fax"]
    assert align([source("e")]).targets == ()


@pytest.mark.parametrize("seed", range(3))
def test_order_of_sources_columns_and_rows_plays_no_part(seed):
    rng = np.random.default_rng(seed)
    shuffled = []
    for one in (A, B, C):
        columns = rng.permutation(list(one.frame))
        rows = {c: one.frame[c].sample(frac=1, random_state=seed).tolist() for c in columns}
        shuffled.append(source(one.name, **rows))
    plain = align([A, B, C])
    members = {m.ref: m for t in plain.targets for m in t.members}
    for order in itertools.permutations(shuffled):
        mapping = align(order)
        assert groups(mapping) == groups(plain)
        assert set(mapping.names) == set(plain.names)
        assert {m.ref: m for t in mapping.targets for m in t.members} == members


def test_targets_stand_in_the_order_of_the_first_source():
    assert align([A, B]).names[0] == "Name"
    assert align([B, A]).targets[0].members[0].ref == ColumnRef("b", "full name")


def test_forbidden_pairs_stay_apart():
    pair = (ColumnRef("a", "Name"), ColumnRef("b", "full name"))
    for sources in ([A, B], [A, B, C]):
        mapping = align(sources, forbid=[pair])
        assert mapping.forbidden == (pair,)
        assert pair not in mapping.pairs()
    with pytest.raises(UserError, match=r"forbid names a\.nome"):
        align([A, B], forbid=[(ColumnRef("a", "nome"), pair[1])])


def test_equal_names_of_columns_that_differ_stay_two_targets():
    a = source("a", title=["Dr", "Mr", "Ms"], name=["The Hobbit", "Dune", "Emma"])
    b = source("b", title=["The Hobbit", "Dune", "Emma"])
    forbid = [(ColumnRef("a", "title"), ColumnRef("b", "title"))]
    mapping = align([a, b, source("c", other=["1"])], forbid=forbid)
    assert len(set(mapping.names)) == len(mapping.names)
    empty = align([source("a", **{"": ["1"], " ": ["zz"]})])
    assert empty.names == ["column (a)", "column (a) 2"]


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([], "no sources"),
        ([A, A], "2 sources are called 'a'"),
    ],
)
def test_bad_sources(sources, message):
    with pytest.raises(UserError, match=message):
        align(sources)


def test_columns_of_one_kind_whose_names_and_values_mostly_differ():
    streets = ["12 Main St", "7 Oak Ave", "3 Hill Rd", "81 Lake Dr", "5 Elm St", "9 Main St", "44 Oak Ave", "6 Elm St"]
    towns = ["Ulm", "Bonn", "Kiel", "Jena"] * 2
    one = source("a", street=streets, town=towns)
    two = source("b", Address=[*streets[:3], *(f"{i} Hill Rd" for i in range(20, 25))], City=towns)
    assert groups(align([one, two])) == {("a.street", "b.Address"), ("a.town", "b.City")}
    # with a second column of the kind nobody can tell
    beside = source("b", Address=two.frame["Address"], Office=["7 Oak Ave", *streets[2:], "1 Elm St"], City=towns)
    found = groups(align([one, beside]))
    assert ("a.street",) in found or ("a.street", "b.Office") in found


def test_a_column_twice():
    twice = source("t", x=["1"])
    twice.frame = pd.concat([twice.frame, twice.frame], axis=1)
    with pytest.raises(UserError, match="'t' has the column 'x' twice"):
        align([twice])


@pytest.mark.parametrize(
    "wrong", [{"threshold": 1.5}, {"clear": -0.1}, {"lead": 0.9}, {"value_weight": -1}, {"sample": 0}, {"described": 0}]
)
def test_settings_out_of_range(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        AlignSettings(**wrong)


CELLS = st.one_of(st.none(), st.text(max_size=6), st.integers().map(str), st.floats().map(str))
FRAMES = st.lists(st.dictionaries(st.text(max_size=5), st.lists(CELLS, min_size=3, max_size=3), max_size=4), max_size=4)


@settings(max_examples=60, deadline=None)
@given(FRAMES.filter(len))
def test_any_tables_align_and_keep_every_cell(frames):
    sources = [source(f"s{i}", **columns) for i, columns in enumerate(frames)]
    mapping = align(sources)
    mapping.check_sources(sources)
    assert sum(len(t.members) for t in mapping.targets) == sum(map(len, frames))
    if mapping.targets:
        table = outer_union(sources, mapping)
        given_cells = sorted(v for s in sources for c in s.frame for v in s.frame[c].dropna())
        assert sorted(v for c in table.frame for v in table.frame[c].dropna()) == given_cells


@pytest.mark.slow
def test_a_thousand_columns():
    rng = np.random.default_rng(0)
    ends = ("ine", "ort", "umps", "idge", "ost")
    words = [f"{start}{end}" for start in ("alpha", "brav", "charl", "delt", "ech") for end in ends]
    names = [f"{words[j % 25]} {words[(7 * j) % 23]}{j}" for j in range(50)]
    sources = []
    for i in range(20):
        columns = {n: rng.integers(j * 1000, j * 1000 + 900, 100).astype(str) for j, n in enumerate(names)}
        sources.append(source(f"s{i}", **columns))
    start = time.perf_counter()
    mapping = align(sources)
    assert time.perf_counter() - start < 30
    assert len(mapping.targets) == 50
    assert all(len(t.members) == 20 for t in mapping.targets)


# Bounds lie below the measured values, far above what leaving a kind of evidence out gives.
@pytest.mark.data
@pytest.mark.parametrize("names", ["kept", "edited", "numbered"])
def test_quality_on_the_stadium_tables(data_folder, names):
    found = disguised_quality(stadiums(data_folder), names)
    assert (found.precision, found.recall) == (1, 1)


@pytest.mark.data
def test_names_of_the_stadium_files_that_differ(data_folder):
    folder = data_folder / "tables/alite_stadiums"
    sources = [
        source(stem, **{c: f[c].tolist() for c in f if c != "index"})
        for stem in ("gold", "fd_result", "gold_dirty", "outerjoin_result")
        for f in [read(folder / f"{stem}.csv")]
    ]
    mapping = align(sources)
    assert all(len(target.members) == 4 for target in mapping.targets)
    for target in mapping.targets:
        names = {member.ref.column.lower().replace("facility", "stadium") for member in target.members}
        assert len(names) == 1


@pytest.mark.data
@pytest.mark.parametrize(("names", "recall"), [("kept", 1.0), ("edited", 0.95), ("numbered", 0.6)])
def test_quality_on_pair_sets(data_folder, names, recall):
    found = [
        disguised_quality(pair_sides(p), names) for p in sorted((data_folder / "tables/er_magellan").glob("*.parquet"))
    ]
    assert len(found) == 9
    assert all(one.precision == 1 for one in found)
    assert sum(one.right for one in found) / sum(one.true for one in found) >= recall


@pytest.mark.data
@pytest.mark.parametrize(
    ("names", "precision", "recall"), [("kept", 0.95, 1.0), ("edited", 0.95, 0.95), ("numbered", 0.8, 0.2)]
)
def test_quality_on_nine_sources(data_folder, names, precision, recall):
    found = disguised_quality(chicago(data_folder), names)
    assert found.precision >= precision
    assert found.recall >= recall


@pytest.mark.data
@pytest.mark.parametrize("names", ["kept", "edited", "numbered"])
def test_quality_on_sets_that_the_settings_were_not_chosen_on(data_folder, names):
    persons = read(data_folder / "tables/febrl/febrl_dataset1.csv").drop(columns=["rec_id", "cluster_id"])
    citations = read(data_folder / "tables/cora/cora.csv").drop(columns=["Entity Id", "cluster_id"])
    for frame in (persons, citations):
        parts = [source(f"part {i}", **{c: frame[c][i::3].tolist() for c in frame}) for i in range(3)]
        found = disguised_quality(parts, names)
        assert found.precision == 1
        assert found.recall >= 0.85
