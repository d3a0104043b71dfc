"""Records on disk: what is written is read, what breaks the schema is refused with file and field."""

import dataclasses
import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from core.errors import OperationError, UserError
from core.reporting import ResultRecord, read_records, write_records
from tests.core.reporting.example import EXAMPLE, example

COMMITTED = sorted((Path(__file__).parents[3] / "benchmarks" / "results").glob("*/*.json"))
SCHEMA = json.loads((files("core.reporting") / "schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def stored(tmp_path):
    """One good file, and a function that writes it again with its first record changed."""
    path = tmp_path / "cpu-cora.json"
    write_records([EXAMPLE, example(system="other")], path)

    def change(edit) -> Path:
        rows = json.loads(path.read_text())
        edit(rows[1])
        path.write_text(json.dumps(rows))
        return path

    return change


def test_round_trip(tmp_path):
    records = [
        EXAMPLE,
        example(published=None, verdict=None, std=None, seconds=None, peak_mb=None, values=(84.0,), seeds=(0,)),
        example(system="naïve § ± „x“", role="baseline", metric="ms", higher_is_better=False, mean=-1e-12, settings={}),
    ]
    write_records(iter(records), tmp_path / "deep" / "a.json")
    assert read_records(tmp_path / "deep" / "a.json") == records
    assert read_records(tmp_path) == records
    first = (tmp_path / "deep" / "a.json").read_bytes()
    write_records(read_records(tmp_path), tmp_path / "deep" / "a.json")
    assert (tmp_path / "deep" / "a.json").read_bytes() == first
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["a.json"]


def test_a_folder_is_read_in_the_order_of_names_without_what_a_study_keeps_for_itself(tmp_path):
    """Cells, which a study stores to go on from, are no records: the folder it wrote could not be read."""
    for name in ("b", "a", "c"):
        write_records([example(system=name)], tmp_path / "graphs" / f"{name}.json")
    cells = tmp_path / "graphs" / "cells" / "cpu"
    (cells / "runs" / "x").mkdir(parents=True)
    (cells / "cora-x-0.json").write_text('{"scores": {"accuracy": 1}}')
    (cells / "runs" / "x" / "result.json").write_text('{"scores": {}}')
    assert [r.system for r in read_records(tmp_path)] == ["a", "b", "c"]


def test_the_schema_has_the_fields_of_the_record():
    Draft202012Validator.check_schema(SCHEMA)
    fields = [field.name for field in dataclasses.fields(ResultRecord)]
    assert SCHEMA["required"] == fields == list(SCHEMA["properties"])
    assert SCHEMA["additionalProperties"] is False


def test_there_are_committed_records():
    assert COMMITTED


@pytest.mark.parametrize("path", COMMITTED, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_committed_records_keep_the_schema_and_add_up(path):
    rows = json.loads(path.read_text(encoding="utf-8"))
    assert not list(Draft202012Validator({"type": "array", "minItems": 1, "items": SCHEMA}).iter_errors(rows))
    assert [record.to_json() for record in read_records(path)] == [
        {**row, "values": tuple(row["values"]), "seeds": tuple(row["seeds"])} for row in rows
    ]
    for row in rows:
        assert row["domain"] == path.parent.name
        assert path.name.startswith(f"{row['profile']}-") or path.stem == row["profile"]
        least = 1 if row["domain"] == "tables" else 3  # rules and rivals that draw nothing are run once
        assert len(row["values"]) == len(row["seeds"]) == len(set(row["seeds"])) >= least
        if None in row["values"]:
            assert row["mean"] is None
            assert row["std"] is None
            continue
        np.testing.assert_allclose(row["mean"], np.mean(row["values"]), rtol=1e-9)
        if len(row["values"]) == 1:
            assert row["std"] is None
        else:
            np.testing.assert_allclose(row["std"], np.std(row["values"], ddof=1), rtol=1e-9, atol=1e-12)
        assert row["commit"]
        assert row["versions"]["torch"]
    keys = [(row["system"], row["dataset"], row["split"], row["metric"]) for row in rows]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("field", SCHEMA["required"])
def test_a_missing_field_is_named(stored, field):
    path = stored(lambda row: row.pop(field))
    with pytest.raises(UserError, match=rf"cpu-cora\.json: record 1: \$: '{field}' is a required property") as caught:
        read_records(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("system", ""),
        ("system", 7),
        ("mean", "84"),
        ("mean", True),
        ("mean", None),  # although every value is finite
        ("std", -1.0),
        ("values", []),
        ("values", 84.0),
        ("seeds", [0.5]),
        ("higher_is_better", "yes"),
        ("role", "winner"),
        ("published", 84.2),
        ("verdict", "proven"),
        ("seconds", -1),
        ("profile", "slow"),
        ("settings", []),
        ("versions", {"torch": 2}),
        ("machine", None),
        ("date", 20260102),
    ],
)
def test_a_wrong_value_is_named_by_file_record_and_field(stored, field, value):
    path = stored(lambda row: row.update({field: value}))
    with pytest.raises(UserError, match=rf"cpu-cora\.json: record 1: \$\.{field}"):
        read_records(path)


def test_a_result_that_is_not_finite_is_kept_as_null(tmp_path):
    record = example(mean=None, std=None, values=(None, 1.0, 2.0))
    write_records([record], tmp_path / "one.json")
    assert read_records(tmp_path / "one.json") == [record]


def test_a_wrong_element_is_named_by_its_place(stored):
    path = stored(lambda row: row["values"].__setitem__(2, "85"))
    with pytest.raises(UserError, match=r"record 1: \$\.values\[2\]: '85' is not of type 'number'"):
        read_records(path)
    path = stored(lambda row: row["published"].pop("why"))
    with pytest.raises(UserError, match=r"record 1: \$\.(values\[2\]|published: 'why' is a required property)"):
        read_records(path)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda row: row.update(score=1), r"record 1: \$: Additional properties are not allowed \('score' was"),
        (lambda row: row["published"].update(page=3), r"record 1: \$\.published: .*\('page' was unexpected\)"),
    ],
)
def test_an_unknown_field_is_named(stored, edit, message):
    with pytest.raises(UserError, match=message):
        read_records(stored(edit))


@pytest.mark.parametrize("field", ["values", "seeds"])
def test_values_without_their_seeds_are_refused(stored, field):
    path = stored(lambda row: row[field].pop())
    with pytest.raises(UserError, match=r"cpu-cora\.json: record 1: \$\.values: \d values of \d seeds"):
        read_records(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not valid JSON"),
        (b"\xff\xfe[]", "is not valid JSON"),
        (b"{}", "must hold a list of result records, got dict"),
        (b"3", "must hold a list of result records, got int"),
        (b"[1]", r"record 0: \$: 1 is not of type 'object'"),
    ],
)
def test_what_is_no_list_of_records_is_named(tmp_path, content, message):
    (tmp_path / "cpu-cora.json").write_bytes(content)
    with pytest.raises(UserError, match=rf"cpu-cora\.json:? .*{message}|cpu-cora\.json: {message}"):
        read_records(tmp_path)


def test_a_file_that_was_cut_off_anywhere_is_named(tmp_path):
    path = tmp_path / "cpu-cora.json"
    write_records([EXAMPLE], path)
    whole = path.read_bytes()
    for length in range(0, len(whole.rstrip()), 9):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"cpu-cora\.json is not valid JSON"):
            read_records(path)


def test_nothing_to_read_is_said(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*absent\.json: No such file"):
        read_records(tmp_path / "absent.json")
    with pytest.raises(UserError, match=r"holds no \.json file with results; run counterpoint bench"):
        read_records(tmp_path)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"system": ""}, r"record '': \$\.system"),
        ({"profile": "slow"}, r"record 'GraphMAE': \$\.profile: 'slow' is not one of"),
        ({"std": -1.0}, r"record 'GraphMAE': \$\.std"),
        ({"values": ()}, r"record 'GraphMAE': \$\.values"),
        ({"values": (1.0, 2.0)}, r"record 'GraphMAE': \$\.values: 2 values of 3 seeds"),
        ({"mean": float("nan")}, r"record 'GraphMAE': .*not JSON compliant"),
        ({"settings": {"lr": float("inf")}}, r"record 'GraphMAE': .*not JSON compliant"),
    ],
)
def test_a_bad_record_is_not_written_and_the_old_file_stays(tmp_path, bad, message):
    """Infinite numbers were written as words that are not JSON, and values without their seeds as they came."""
    path = tmp_path / "a.json"
    write_records([EXAMPLE], path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        write_records([EXAMPLE, example(**bad)], path)
    with pytest.raises(ValueError, match=message):
        write_records([example(**bad)], tmp_path / "new.json")
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_numbers_that_are_not_json_are_not_read(tmp_path):
    path = tmp_path / "a.json"
    write_records([EXAMPLE], path)
    path.write_text(path.read_text().replace('"mean": 84.0', '"mean": NaN'))
    with pytest.raises(UserError, match=r"a\.json is not valid JSON: NaN"):
        read_records(path)


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    write_records([EXAMPLE], path)
    before = path.read_bytes()
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_records([example(settings={"thing": object()})], path)
    assert path.read_bytes() == before
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(OperationError, match=r"cannot write .*folder\.json"):
        write_records([EXAMPLE], tmp_path / "folder.json")
    with pytest.raises(OperationError, match=r"cannot make the folder .*a\.json"):
        write_records([EXAMPLE], path / "b.json")
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "folder.json"]
