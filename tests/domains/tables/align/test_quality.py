"""Quality of a mapping by hand, and disguised sources."""

import pytest

from domains.tables.align.columns import align
from domains.tables.align.mapping import ColumnMapping, ColumnRef, Member, Target
from domains.tables.align.quality import alignment_quality, disguise
from tests.domains.tables.align.sources import source


def test_by_hand():
    a, b, c = (ColumnRef(s, "x") for s in "abc")
    other = ColumnRef("b", "y")
    mapping = ColumnMapping((Target("x", (Member(a), Member(other))), Target("z", (Member(b), Member(c)))))
    found = alignment_quality(mapping, {a: "x", b: "x", c: "x", other: "y"})
    assert (found.found, found.true, found.right) == (2, 3, 1)
    assert (found.precision, found.recall, found.f1) == (0.5, 1 / 3, 0.4)
    nothing = alignment_quality(mapping, {})
    assert (nothing.precision, nothing.recall, nothing.f1) == (1, 1, 1)


@pytest.mark.parametrize("names", ["kept", "edited", "numbered"])
def test_disguise_changes_names_only(names):
    plain = source("a", **{"Site name": ["x", "y"], "Zip code": ["1", None], "empty": [None, None]})
    (hidden,) = disguise([plain], names)
    assert set(hidden.truth.values()) == {"Site name", "Zip code"}
    for ref, meaning in hidden.truth.items():
        assert hidden.frame[ref.column].equals(plain.frame[meaning])
    assert hidden.frame.columns.is_unique
    if names == "numbered":
        assert sorted(hidden.frame) == ["column 1", "column 2"]
    (again,) = disguise([plain], names)
    assert list(again.frame) == list(hidden.frame)


@pytest.mark.usefixtures("unchecked")
def test_an_unknown_disguise():
    with pytest.raises(ValueError, match="kept, edited, numbered, got 'mask'"):
        disguise([], "mask")


def test_kept_names_align():
    sources = [source(n, city=["Bonn", "Ulm"], cases=["7", "9"]) for n in "ab"]
    hidden = disguise(sources, "kept", seed=3)
    truth = {ref: name for one in hidden for ref, name in one.truth.items()}
    assert alignment_quality(align(hidden), truth).f1 == 1
