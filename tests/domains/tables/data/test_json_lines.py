"""JSON lines: digits kept, nested values as JSON, every bad line listed."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import UserError
from domains.tables.data import json_lines
from domains.tables.data.read import read_source
from tests.domains.tables.data.tables import cells

FILE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


def read(tmp_path, text, name="t.jsonl", **options):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_source(path, **options)


def test_values_and_keys(tmp_path, monkeypatch):
    monkeypatch.setattr(json_lines, "_ROWS", 2)
    text = '{"a": 1.50, "b": true}\r\n\n{"b": " ", "c": {"x": [1.0, null, "é"]}}\n{"a": 12345678901234567890}\n'
    text += '{}\n{"d": NaN, "a": null}'
    source = read(tmp_path, text)
    assert source.frame.columns.tolist() == ["a", "b", "c", "d"]
    assert cells(source.frame) == [
        ["1.50", "true", None, None],
        [None, None, '{"x": [1.0, null, "é"]}', None],
        ["12345678901234567890", None, None, None],
        [None, None, None, None],
        [None, None, None, "NaN"],
    ]
    assert len(source.rejects) == 0


def test_bad_lines_are_listed(tmp_path):
    lines = ['{"a": 1}', "[1]", '{"a": 1, "a": 2}', "nope", '{"a": "\\ud800"}', "[" * 100_000, '{"a": 2}']
    source = read(tmp_path, "\n".join(lines).encode() + b'\n{"a": "\xff"}\n', encoding="utf-8")
    assert source.frame["a"].tolist() == ["1", "2"]
    assert source.rejects["line"].tolist() == [2, 3, 4, 5, 6, 8]
    reasons = ["no object", "'a' stands twice", "not JSON", "surrogate", "nested too deeply", "not in the encoding"]
    assert all(reason in found for reason, found in zip(reasons, source.rejects["reason"], strict=True))
    assert source.rejects["text"][1] == lines[2]


def test_an_array_of_objects(tmp_path):
    source = read(tmp_path, '[{"a": 1},\n 3,\n {"b": "x"}]', "t.json")
    assert cells(source.frame) == [["1", None], [None, "x"]]
    assert source.rejects.to_dict("records") == [
        {"line": 2, "reason": "it is no object of keys and values", "text": "3"}
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("1\n2\n", r"none of its 2 rows can be read \(line 1: it is no object"),
        ("[1, 2", "is not a JSON array"),
        ("{}\n{}\n", "have no keys"),
    ],
)
def test_messages(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path, text)


OBJECT = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(st.characters(exclude_categories=["Cs"]))),
    min_size=1,
)


@FILE
@given(st.lists(OBJECT, min_size=1, max_size=6), st.booleans(), st.sampled_from(["utf-8", "utf-16"]))
def test_any_objects_come_back(tmp_path, objects, ascii_only, encoding):
    text = "".join(json.dumps(one, ensure_ascii=ascii_only) + "\n" for one in objects)
    source = read(tmp_path, text.encode(encoding), encoding=encoding)

    def expected(value):
        text = value if isinstance(value, str) else None if value is None else json.dumps(value)
        return text if text and text.strip() else None

    keys = list(dict.fromkeys(key for one in objects for key in one))
    assert source.frame.columns.tolist() == keys
    assert cells(source.frame) == [[expected(one.get(key)) for key in keys] for one in objects]
