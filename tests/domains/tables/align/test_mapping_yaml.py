"""The mapping and its YAML: round trip, edits, and messages that name the line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import UserError
from domains.tables.align.columns import align
from domains.tables.align.mapping import ColumnMapping, ColumnRef, Evidence, Member, Target
from tests.domains.tables.align.sources import source

A = source("a", Name=["Ann Lee", "Bob Ray"], zip=["60601", "60602"], fax=["1-22", "1-33"])
B = source("b", **{"full name": ["Ann Lee", "Eve Fox"], "Postal Code": ["60601", "60611"]})
EDITED = """\
targets:
- name: who
  columns:
  - {source: a, column: Name}
  - {source: b, column: full name}
- name: "2012"
  columns:
  - source: a
    column: zip
forbid:
- [{source: a, column: zip}, {source: b, column: Postal Code}]
left_out:
- {source: b, column: Postal Code}
- {source: a, column: fax}
"""


def test_round_trip_of_an_alignment():
    mapping = align([A, B], forbid=[(ColumnRef("a", "fax"), ColumnRef("b", "full name"))])
    assert ColumnMapping.from_yaml(mapping.to_yaml(), sources=[A, B]) == mapping


NAMES = st.text(min_size=1, max_size=8).filter(lambda s: s.strip() and s.isprintable())


@settings(max_examples=50, deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=4, unique=True), NAMES, NAMES)
def test_round_trip_of_any_names(names, first, second):
    evidence = Evidence(ColumnRef(second, names[0]), 0.25, None, 0.125)
    targets = tuple(Target(n, (Member(ColumnRef(first, n), 0.5, evidence),)) for n in names)
    mapping = ColumnMapping(targets, ((ColumnRef(first, names[0]), ColumnRef(first + "x", "y")),))
    assert ColumnMapping.from_yaml(mapping.to_yaml()) == mapping


@pytest.mark.parametrize(
    "name", ["yes", "null", "2012", "1e5", "a: b", "- x", "#", "'", '"', "{", "[", "~", "0x1F", "=", "é"]
)
def test_names_that_yaml_would_read_as_something_else(name):
    mapping = ColumnMapping((Target(name, (Member(ColumnRef(name, name)),)),))
    assert name in mapping.to_yaml()  # a person reads it as it is
    assert ColumnMapping.from_yaml(mapping.to_yaml()) == mapping


def test_an_edited_mapping():
    mapping = ColumnMapping.from_yaml(EDITED, sources=[A, B])
    assert mapping.names == ["who", "2012"]
    assert mapping.targets[0].column_of("b") == "full name"
    assert mapping.targets[1].column_of("b") is None
    assert mapping.left_out == (ColumnRef("b", "Postal Code"), ColumnRef("a", "fax"))
    again = align([A, B], forbid=mapping.forbidden)
    assert (ColumnRef("a", "zip"), ColumnRef("b", "Postal Code")) not in again.pairs()
    assert ColumnMapping.from_yaml("targets:\nforbid:\nleft_out:\n") == ColumnMapping(())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("column: Name", "colum: Name"), r"m\.yaml line 4, column 17: unknown key 'colum'; did you mean 'column'\?"),
        (("- {source: a, column: Name}", "- a.Name"), r"line 4, column 5: expected source, column with values"),
        ((", column: Name", ""), r"line 4, column 5: 'column' is missing"),
        (("- {source: b, column: full name}", "- {source: a, column: fax}"), r"line 5, column 5: target 'who' holds"),
        (("column: zip\n", "column: Name\n"), r"line 8, column 5: column a\.Name stands in line 4 already"),
        (("column: fax", "column: zip"), r"line 14, column 3: column a\.zip stands in line 8 already"),
        (('"2012"', "who"), r"line 6, column 9: target 'who' stands in line 2 already"),
        (('"2012"', '" "'), r"line 6, column 9: a target needs a name"),
        (("targets:", "target:"), r"line 1, column 1: unknown key 'target'; did you mean 'targets'\?"),
        (("targets:", "version: 2\ntargets:"), r"line 1, column 10: version must be 1, got '2'"),
        (("targets:", "left_out: []\ntargets:"), r"line 13, column 1: 'left_out' stands twice"),
        (("column: Name}", "column: Name, score: high}"), r"line 4, column 38: expected a number in .*got 'high'"),
        (("column: Name}", "column: Name, score: 3}"), r"line 4, column 38: expected a number in \[0, 1\], got 3"),
        ((", {source: b, column: Postal Code}]", "]"), r"line 11, column 3: expected two columns, got 1"),
        (("[{source: a, column: zip}", "[{source: a, column: {x: y}}"), r"line 11, column 24: expected text, got keys"),
        (("  - {source: b", "\t- {source: b"), r"m\.yaml: line 5, column \d+: not YAML"),
        (("  - source: a\n    column: zip\n", ""), r"line 6, column 9: target '2012' has no columns"),
        (("column: zip}, ", "column: Name}, "), r"no message"),
    ],
)  # fmt: skip
def test_messages_name_the_line(change, message):
    text = EDITED.replace(*change)
    assert text != EDITED
    if message == "no message":
        assert ColumnMapping.from_yaml(text).forbidden[0][0].column == "Name"
        return
    with pytest.raises(UserError, match=message):
        ColumnMapping.from_yaml(text, name="m.yaml")


def test_a_forbidden_pair_in_one_target():
    text = EDITED.replace(
        "column: zip}, {source: b, column: Postal Code}]", "column: Name}, {source: b, column: full name}]"
    )
    with pytest.raises(UserError, match=r"m\.yaml: a\.Name and b\.full name are forbidden .* both are in 'who'"):
        ColumnMapping.from_yaml(text, name="m.yaml")


@pytest.mark.parametrize("text", ["", "# nothing\n", "just words", "- a\n- b\n", "targets: 3", "targets: {a: b}"])
def test_text_that_is_no_mapping(text):
    with pytest.raises(UserError, match="mapping"):
        ColumnMapping.from_yaml(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("source: a, column: Name", "source: aa, column: Name"),
            "unknown source in the mapping 'aa'; did you mean 'a'",
        ),
        (("column: Name", "column: Nam"), "unknown column of 'a' in the mapping 'Nam'; did you mean 'Name'"),
        (("- {source: a, column: fax}\n", ""), "column 'fax' of 'a' has no place"),
    ],
)
def test_a_mapping_must_fit_its_sources(change, message):
    with pytest.raises(UserError, match=message):
        ColumnMapping.from_yaml(EDITED.replace(*change), sources=[A, B])


def test_a_mapping_made_in_code_is_checked_too():
    one, two = Member(ColumnRef("a", "x")), Member(ColumnRef("a", "y"))
    for targets, message in [
        ((Target("t", (one, two)),), "holds 2 columns of 'a'"),
        ((Target("t", (one,)), Target("t", (two,))), "'t' stands twice"),
        ((Target("t", (one,)), Target("u", (one,))), r"a\.x stands in 2 places"),
        ((Target("t", ()),), "no columns"),
        ((Target("", (one,)),), "needs a name"),
    ]:
        with pytest.raises(UserError, match=message):
            ColumnMapping(targets)
