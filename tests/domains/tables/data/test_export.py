"""Files written: any table comes back, formulas are harmless, nothing is half there."""

import csv
import datetime

import duckdb
import openpyxl
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from core.errors import OperationError, UserError
from domains.tables.data import workbook_write
from domains.tables.data.export import write_table
from domains.tables.data.formulas import is_formula
from domains.tables.data.read import read_source
from domains.tables.data.rejects import write_rejects
from tests.domains.tables.data.tables import as_read, cells, frame_of, frames

FILE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.parquet"])
@FILE
@given(frame=frames())
def test_any_table_comes_back(tmp_path, frame, name):
    written = write_table(frame, tmp_path / name, guard_formulas=False)
    assert written.rows == len(frame)
    assert cells(
        read_source(tmp_path / name, encoding="utf-8", delimiter="\t" if name == "t.tsv" else ",").frame
    ) == as_read(frame)


@FILE
@given(frames())
def test_any_table_comes_back_from_json_lines(tmp_path, frame):
    write_table(frame, tmp_path / "t.jsonl")
    if len(frame):  # without a line there are no names
        assert cells(read_source(tmp_path / "t.jsonl", encoding="utf-8").frame) == as_read(frame)


@settings(FILE, max_examples=30)
@given(frames())
def test_any_table_comes_back_from_a_workbook(tmp_path, frame):
    write_table(frame, tmp_path / "t.xlsx")
    expected = as_read(frame)
    while expected and not any(expected[-1]):  # a sheet has no empty rows at its end
        expected.pop()
    assert cells(read_source(tmp_path / "t.xlsx").frame) == expected


def test_csv_by_another_reader(tmp_path):
    frame = frame_of([["a,b", None], ['q"', "x\ny"], ["é", "x\r"]], ["one", "two;"])
    write_table(frame, tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file, strict=True)) == [["one", "two;"], ["a,b", ""], ['q"', "x\ny"], ["é", "x\r"]]
    assert (tmp_path / "t.csv").read_bytes() == 'one,two;\n"a,b",\n"q""","x\ny"\né,"x\r"\n'.encode()


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ("=1+1", True), ("+cmd", True), ("-2+3", True), ("@SUM(A1)", True), ("\t=1", True), ("\rx", True),
        (" =1", True),
        ("\uff1dA1", True), ("-", True), ("--5", True), ("+44 171 250", True), ("-5", False), ("+1.5e3", False),
        ("-1,234.50", False), ("-.5", False), ("a=1", False), ("'=1", False), ("", False), (None, False),
    ],
)  # fmt: skip
def test_formulas_are_guarded(tmp_path, text, formula):
    assert is_formula(pa.array([text], pa.large_string())).to_pylist() == [formula]
    frame = frame_of([[text, "x"]], ["a", "=b"])
    written = write_table(frame, tmp_path / "t.csv")
    assert written.guarded == formula + 1
    source = read_source(tmp_path / "t.csv")
    assert source.frame.columns.tolist() == ["a", "'=b"]
    assert cells(source.frame)[0][0] == (f"'{text}" if formula else text or None)


def test_numbers_are_no_formulas_and_keep_their_types(tmp_path):
    frame = pd.DataFrame({"n": [-5, 3], "x": [-0.5, None], "d": pd.to_datetime(["2020-01-02", None]), "t": ["a", None]})
    assert write_table(frame, tmp_path / "t.csv").guarded == 0
    assert (tmp_path / "t.csv").read_text() == "n,x,d,t\n-5,-0.5,2020-01-02,a\n3,,,\n"
    write_table(frame, tmp_path / "t.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "t.xlsx").active
    assert [cell.value for cell in sheet[2]] == [-5, -0.5, datetime.datetime(2020, 1, 2), "a"]
    write_table(frame, tmp_path / "t.parquet")
    assert pd.read_parquet(tmp_path / "t.parquet")["n"].dtype == "int64"


def test_text_of_a_workbook_is_no_formula(tmp_path):
    write_table(frame_of([["=1+1"]], ["=a"]), tmp_path / "t.xlsx")
    cell = openpyxl.load_workbook(tmp_path / "t.xlsx").active["A2"]
    assert (cell.value, cell.data_type) == ("=1+1", "s")


def test_duckdb_keeps_other_tables(tmp_path):
    address = f'duckdb:///{tmp_path}/new/out.db?table=my "t"'
    frame = frame_of([["1", None], ["=2", "é"]], ["a", "b"])
    write_table(frame, address)
    with duckdb.connect(str(tmp_path / "new/out.db")) as connection:
        connection.execute("CREATE TABLE other AS SELECT 1 x")
    write_table(frame.head(1), address)
    assert cells(read_source(address).frame) == [["1", None]]
    assert cells(read_source(f"duckdb:///{tmp_path}/new/out.db?table=other").frame) == [["1"]]
    assert [one.name for one in (tmp_path / "new").iterdir()] == ["out.db"]


@pytest.mark.parametrize(
    ("frame", "name", "message"),
    [
        (pd.DataFrame([["1", "2"]], columns=["a", "a"]), "t.csv", "two columns are called 'a'"),
        (pd.DataFrame(), "t.csv", "has no columns"),
        (pd.DataFrame({"a": ["1"]}), "t.doc", "written as .csv, .*not as .doc"),
        (pd.DataFrame({"a": ["1"]}), "t", "not as a file without ending"),
        (
            pd.DataFrame({"a": ["x", "y" * 40_000]}),
            "t.xlsx",
            "row 2, column 'a': a sheet holds 32767 characters a cell",
        ),
        (pd.DataFrame({"a": [1, "x"]}, dtype=object), "t.parquet", "several types"),
        (pd.DataFrame({"a": ["1"], "A": ["2"]}), "duckdb:///t.db?table=t", "takes the columns 'a' and 'A' for one"),
        (pd.DataFrame({"a": ["1"]}), "duckdb:///t.db", "is written to duckdb:///FILE"),
        (pd.DataFrame({"a": ["1"]}), "sqlite:///t.db?table=t", "is written to duckdb:///FILE"),
    ],
)
def test_messages(tmp_path, monkeypatch, frame, name, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        write_table(frame, name)
    assert list(tmp_path.iterdir()) == []


def test_too_many_rows_for_a_sheet(tmp_path, monkeypatch):
    monkeypatch.setattr(workbook_write, "_MOST_ROWS", 3)
    write_table(frame_of([["1"]] * 2, ["a"]), tmp_path / "t.xlsx")
    with pytest.raises(UserError, match="a sheet holds 2 rows under names"):
        write_table(frame_of([["1"]] * 3, ["a"]), tmp_path / "t.xlsx")


def test_an_old_file_stays_when_writing_fails(tmp_path):
    (tmp_path / "t.csv").write_text("old")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError):
        write_table(pd.DataFrame({"a": [1, "x"]}, dtype=object), tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == "old"
    with pytest.raises(OperationError):
        write_table(frame_of([["1"]], ["a"]), tmp_path / "file" / "t.csv")
    (tmp_path / "not.db").write_text("no database" * 99)
    with pytest.raises(OperationError, match="nothing was changed"):
        write_table(frame_of([["1"]], ["a"]), f"duckdb:///{tmp_path}/not.db?table=t")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "not.db", "t.csv"]


def test_the_reject_file(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1\n=2,3,4\n5,6\n")
    (tmp_path / "b.jsonl").write_text('{"x": 1}\nnope\n')
    sources = [read_source(tmp_path / "a.csv"), read_source(tmp_path / "b.jsonl")]
    assert write_rejects(sources, tmp_path / "rejects.csv") == 3
    listed = read_source(tmp_path / "rejects.csv").frame
    assert listed.columns.tolist() == ["file", "line", "reason", "text"]
    assert listed["line"].tolist() == ["2", "3", "2"]
    assert listed["text"].tolist() == ["1", "'=2,3,4", "nope"]
    assert listed["file"].tolist() == [str(tmp_path / "a.csv")] * 2 + [str(tmp_path / "b.jsonl")]
    assert write_rejects([], tmp_path / "rejects.csv") == 0
    assert (tmp_path / "rejects.csv").read_text() == "file,line,reason,text\n"
