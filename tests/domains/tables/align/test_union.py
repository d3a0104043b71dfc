"""Outer union: nothing changes, nothing is lost."""

import pandas as pd
import pytest

from core.errors import UserError
from domains.tables.align.columns import align
from domains.tables.align.mapping import ColumnMapping, ColumnRef, Member, Target
from domains.tables.align.union import outer_union
from tests.domains.tables.align.sources import chicago, source

A = source("a", city=["Bonn", None], n=["1", "2"])
B = source("b", City=["Ulm"], extra=["x"])


def test_cells_stand_where_the_mapping_says():
    table = outer_union([A, B], align([A, B]), name="u")
    assert table.name == "u"
    cells = {"City": ["Bonn", None, "Ulm"], "n": ["1", "2", None], "extra": [None, None, "x"]}
    assert table.frame.equals(pd.DataFrame(cells, dtype="string"))
    assert table.source.tolist() == ["a", "a", "b"]
    assert table.row.tolist() == [0, 1, 0]


def test_left_out_columns_and_empty_sources():
    mapping = ColumnMapping((Target("t", (Member(ColumnRef("a", "city")),)),), left_out=(ColumnRef("a", "n"),))
    assert outer_union([A], mapping).columns == ["t"]
    empty = source("e", city=[])
    assert len(outer_union([empty, A], align([empty, A]))) == 2
    with pytest.raises(UserError, match="no targets"):
        outer_union([source("z")], ColumnMapping(()))


def test_a_mapping_of_other_sources():
    with pytest.raises(UserError, match="unknown source in the mapping 'b'"):
        outer_union([A], align([A, B]))
    with pytest.raises(UserError, match="column 'City' of 'b' has no place"):
        outer_union([A, B], align([A]))


@pytest.mark.data
def test_the_union_of_nine_sources_is_the_table_they_were_cut_from(data_folder):
    sources = chicago(data_folder)
    names = list(sources[0].frame.columns)
    targets = tuple(Target(n, tuple(Member(ColumnRef(s.name, n)) for s in sources)) for n in names)
    table = outer_union(sources, ColumnMapping(targets))
    assert len(table) == 3337
    whole = pd.concat([s.frame for s in sources], ignore_index=True)
    assert table.frame.equals(whole.astype("string"))
    assert table.frame.notna().sum().sum() == whole.notna().sum().sum()
