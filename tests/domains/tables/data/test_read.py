"""The one door: what a word means, names of sources, parquet and data frames."""

import datetime
import decimal
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from core.errors import UserError
from domains.tables.data.read import read_source, read_sources
from tests.domains.tables.data.tables import cells


def test_folders_and_wildcards_in_order(tmp_path):
    for name in ("b.csv", "a.tsv", "c.jsonl", "note.md", ".hidden.csv", "~$lock.xlsx", "d.csv.gz.part"):
        (tmp_path / name).write_text('{"x": 1}\n' if name.endswith("jsonl") else "x,y\n1,2\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.csv").write_text("z\n3\n")
    assert [one.name for one in read_sources([tmp_path])] == ["a", "b", "c"]
    assert [one.name for one in read_sources([f"{tmp_path}/*.csv"])] == ["b"]
    names = [one.name for one in read_sources([f"{tmp_path}/**/*.csv"])]
    assert names == [f"{tmp_path.name}_b.csv", "sub_b.csv"]
    with pytest.raises(UserError, match=r"holds 3 tables, and one is wanted: .*a\.tsv"):
        read_source(tmp_path)


def test_a_file_wins_over_a_wildcard(tmp_path):
    (tmp_path / "a[1].csv").write_text("x\n1\n")
    assert cells(read_source(tmp_path / "a[1].csv").frame) == [["1"]]
    assert len(read_sources([f"{tmp_path}/a*.csv"])) == 1


def test_names_are_short_and_differ(tmp_path):
    for name in ("p/t.csv", "q/t.csv", "q/t.jsonl", "q/u.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('{"x": 1}\n' if name.endswith("jsonl") else "x,y\n1,2\n")
    frame = pd.DataFrame({"x": [1]})
    specs = [*(tmp_path / name for name in ("p/t.csv", "q/t.csv", "q/t.jsonl", "q/u.csv", "q/u.csv")), frame, frame]
    names = [one.name for one in read_sources(specs)]
    assert names[:3] == ["p_t.csv", "q_t.csv", "t.jsonl"]
    assert names[5:] == ["table", "table_2"]
    assert len(set(names)) == len(names)
    assert read_source(tmp_path / "q/u.csv", name="mine").name == "mine"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("libary.csv", r"there is no file .*libary\.csv; did you mean 'library\.csv'\?"),
        ("zzz.parquet", "there is no file .*; the folder has 2 other entries"),
        ("nowhere/x.csv", "there is no folder .*nowhere"),
        ("*.parquet", r"no file fits"),
        ("empty", "holds no tables"),
        ("x.xlsx?sheet=S", "there is no file .*x.xlsx"),
    ],
)
def test_what_is_not_there(tmp_path, spec, message):
    (tmp_path / "library.csv").write_text("x\n1\n")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=message):
        read_source(f"{tmp_path}/{spec}")
    with pytest.raises(UserError, match="no table to read"):
        read_sources([])
    with pytest.raises(UserError, match="is empty; name a file"):
        read_source(" ")
    for address in ("https://example.org/a.csv", "s3://bucket/a.parquet", "http://localhost"):
        with pytest.raises(UserError, match=f"{address} is not on this machine; name a file here"):
            read_source(address)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.csv", b"%PDF-1.7", "is a PDF"),
        ("a.csv", b"\xef\xbb\xbf\r\n<!DOCTYPE html>\n<p>", "is a web page"),
        ("a.json", b"<HTML><body>404</body>", "is a web page"),
        ("a.parquet", b"a,b\n", "is no Parquet file"),
        ("a.parquet", b"PAR1 and nothing", "cannot be read as Parquet"),
        ("a.csv.gz", b"\x1f\x8bbroken", "is it damaged"),
    ],
)
def test_what_is_no_table(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match=message):
        read_source(tmp_path / name)


def test_the_content_counts_more_than_the_ending(tmp_path):
    pd.DataFrame({"a": ["1"]}).to_parquet(tmp_path / "a.csv")
    pd.DataFrame({"a": ["2"]}).to_excel(tmp_path / "b.xlsx", index=False)
    (tmp_path / "b.xlsx").rename(tmp_path / "b.csv")
    (tmp_path / "c").write_text("a,b\n3,4\n")
    assert [cells(read_source(tmp_path / name).frame) for name in ("a.csv", "b.csv", "c")] == [
        [["1"]],
        [["2"]],
        [["3", "4"]],
    ]


def test_types_of_parquet(tmp_path):
    day, moment = datetime.date(2020, 1, 2), datetime.datetime(2020, 1, 2, 3, 4, 5)
    columns = {
        "text": pa.array(["007", "", None]),
        "number": pa.array([1, None, -3], pa.int8()),
        "gaps": pa.array([1999.0, None, float("nan")]),
        "float": pa.array([0.1, 1e20, 2.5], pa.float32()),
        "big": pa.array([123456789012345.0, -0.5, 1e-7]),
        "money": pa.array([decimal.Decimal("1.50"), None, decimal.Decimal("2.00")]),
        "day": pa.array([day, None, day]),
        "midnight": pa.array([datetime.datetime(2020, 1, 2), None, None]),
        "moment": pa.array([moment, datetime.datetime(2020, 1, 2), None]),
        "time": pa.array([datetime.time(1, 2, 3), None, None]),
        "span": pa.array([datetime.timedelta(days=1, seconds=5), None, None]),
        "flag": pa.array([True, False, None]),
        "list": pa.array([["a", None], [], None]),
        "record": pa.array([{"k": 1, "d": day}, None, None]),
        "bytes": pa.array([b"abc", None, b"d"]),
        "raw": pa.array([b"\xff\x00", None, b"d"]),
        "kind": pa.array(["u", "v", "u"]).dictionary_encode(),
        "nothing": pa.nulls(3),
    }
    parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    frame = read_source(tmp_path / "t.parquet").frame
    assert (frame.dtypes == "string").all()
    assert dict(zip(frame.columns, map(list, zip(*cells(frame), strict=True)), strict=True)) == {
        "text": ["007", None, None],
        "number": ["1", None, "-3"],
        "gaps": ["1999", None, None],
        "float": ["0.1", "1e+20", "2.5"],
        "big": ["123456789012345", "-0.5", "1e-7"],
        "money": ["1.50", None, "2.00"],
        "day": ["2020-01-02", None, "2020-01-02"],
        "midnight": ["2020-01-02", None, None],
        "moment": ["2020-01-02 03:04:05", "2020-01-02 00:00:00", None],
        "time": ["01:02:03", None, None],
        "span": ["1 day, 0:00:05", None, None],
        "flag": ["true", "false", None],
        "list": ['["a", null]', "[]", None],
        "record": ['{"k": 1, "d": "2020-01-02"}', None, None],
        "bytes": ["abc", None, "d"],
        "raw": ["ff00", None, "64"],
        "kind": ["u", "v", "u"],
        "nothing": [None, None, None],
    }


def test_data_frames():
    frame = pd.DataFrame(
        {
            "mixed": [1, "x", None, [1, 2], 2.0],
            "kind": pd.Categorical(["u", None, "v", "u", "u"]),
            "number": [1.0, 2, np.nan, 4, 5],
            "time": pd.to_datetime(["2020-01-01"] * 5),
            7: ["a", " ", "", "b", "c"],
        },
        index=[9, 8, 7, 6, 5],
    )
    frame.insert(5, 7, "z", allow_duplicates=True)
    source = read_source(frame)
    assert source.frame.columns.tolist() == ["mixed", "kind", "number", "time", "7", "7_2"]
    assert source.frame.index.tolist() == [0, 1, 2, 3, 4]
    assert cells(source.frame)[:2] == [
        ["1", "u", "1", "2020-01-01", "a", "z"],
        ["x", None, "2", "2020-01-01", None, "z"],
    ]
    assert source.frame["mixed"].tolist()[3:] == ["[1, 2]", "2"]
    for bad in (pd.DataFrame(), pd.DataFrame({"a": ["\ud800"]}, dtype=object)):
        with pytest.raises(UserError, match="data frame"):
            read_source(bad)


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        (
            pd.Series([np.float64(0.1), np.float32(2), np.bool_(True)], dtype=object),
            ["0.1", "2", "true"],
        ),
        (
            pd.Series([np.datetime64("NaT"), np.datetime64("2020-01-01T05"), np.timedelta64(90, "m")], dtype=object),
            [None, "2020-01-01 05:00:00", "1:30:00"],
        ),
        (pd.Series([1 + 2j, complex("nan"), 3]), ["(1+2j)", None, "(3+0j)"]),
        (np.array([1.5, 2, np.nan], dtype=np.longdouble), ["1.5", "2", None]),
        (np.array([1.5, 2, np.nan], dtype=np.float16), ["1.5", "2", None]),
        (pd.arrays.SparseArray([0, 0, 7]), ["0", "0", "7"]),
        (pd.arrays.SparseArray([np.nan, 1.5, 2]), [None, "1.5", "2"]),
        (pd.arrays.SparseArray(["a", None, "b"]), ["a", None, "b"]),
        (pd.PeriodIndex(["2020-01", "NaT", "2021-12"], freq="M"), ["2020-01", None, "2021-12"]),
        (pd.Categorical(pd.PeriodIndex(["2020Q1", "NaT", "2020Q1"], freq="Q")), ["2020Q1", None, "2020Q1"]),
        (pd.arrays.IntervalArray.from_tuples([(0, 1), np.nan, (1, 2)]), ["(0.0, 1.0]", None, "(1.0, 2.0]"]),
        (pd.cut([1, np.nan, 9], [0, 5, 10]), ["(0, 5]", None, "(5, 10]"]),
        (pd.Categorical([1, None, 2]), ["1", None, "2"]),
        (pd.Categorical([1, "a", 2.5]), ["1", "a", "2.5"]),
        (pd.Categorical([1 + 2j, None]), ["(1+2j)", None]),
        (pd.Series([pa.MonthDayNano([1, 2, 0])], dtype=pd.ArrowDtype(pa.month_day_nano_interval())), ["[1, 2, 0]"]),
        (pd.to_datetime(["2020-01-01", None, "2020-07-01"]), ["2020-01-01", None, "2020-07-01"]),
        (
            pd.DatetimeIndex(["2020-01-01", None, "2020-07-01"], tz="Europe/Berlin"),
            ["2020-01-01 00:00:00+0100", None, "2020-07-01 00:00:00+0200"],
        ),
    ],
)
def test_columns_of_data_frames_of_every_type(tmp_path, column, texts):
    frame = pd.DataFrame({"a": column, "b": "x"})
    assert cells(read_source(frame).frame[["a"]]) == [[text] for text in texts]
    try:
        frame.to_parquet(tmp_path / "a.parquet")
    except (pa.ArrowException, NotImplementedError, TypeError):  # what Parquet cannot hold
        return
    assert cells(read_source(tmp_path / "a.parquet").frame[["a"]]) == [[text] for text in texts]


def test_periods_of_a_file_in_a_program_that_has_made_none(tmp_path):
    pd.DataFrame({"a": pd.period_range("2020-01", periods=2, freq="M")}).to_parquet(tmp_path / "a.parquet")
    code = "import sys; from domains.tables.data.read import read_source; print(*read_source(sys.argv[1]).frame['a'])"
    found = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.parquet")], capture_output=True, text=True)
    assert found.stdout == "2020-01 2020-02\n"


@pytest.mark.parametrize("dtype", ["string[python]", object])
def test_text_that_cannot_be_written_is_refused(dtype):
    frame = pd.DataFrame({"a": pd.Series(["fine", "\ud800"], dtype=dtype)})
    with pytest.raises(UserError, match="column 'a' of the data frame holds half of a surrogate pair"):
        read_source(frame)


def test_all_real_sets_are_read_without_rejects(data_folder):
    sources = read_sources([f"{data_folder}/tables/*/*.csv", f"{data_folder}/tables/*/*.parquet"])
    assert len(sources) == 27
    assert all(len(one.rejects) == 0 for one in sources)
    by_name = {one.name: one for one in sources}
    assert len(by_name["chicago_early_childhood"]) == 3337
    assert by_name["chicago_early_childhood"].frame["Zip"].str.len().max() == 5
    path = data_folder / "tables/cora/cora.csv"
    plain = pd.read_csv(path, dtype="string", keep_default_na=False, na_values=[""])
    assert cells(by_name["cora"].frame) == [[v and v.strip() and v for v in row] or None for row in cells(plain)]
