"""Delimited text: each kind of damage by hand, any table against the csv module, any bytes without a traceback."""

import csv
import gzip
import io

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from core.errors import UserError
from domains.tables.data.read import read_source
from tests.domains.tables.data.tables import as_read, cells, frames

FILE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)


def read(tmp_path, data, name="t.csv", **options):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_source(path, **options)


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"\xef\xbb\xbfid,name\n007,\xc3\xa9\n", [["007", "é"]]),
        ("id;name\n007;é\n8;Straße, 5\n".encode("latin-1"), [["007", "é"], ["8", "Straße, 5"]]),
        ("id|name\n1|“x”\n".encode("cp1252"), [["1", "“x”"]]),
        ("id\tname\r\n1\té\r\n".encode("utf-16"), [["1", "é"]]),
        ("id\tname\r\n1\tabc\r\n".encode("utf-16-be"), [["1", "abc"]]),
        (b'id,name\r\n1,"x\ny"\r\n2,"say ""hi"""', [["1", "x\ny"], ["2", 'say "hi"']]),
        (b"id,name\r1,2\r3,4", [["1", "2"], ["3", "4"]]),
        (b"id,name\n1,2\n\n\n3,4\n", [["1", "2"], ["3", "4"]]),
        (b"id,name\n,\n 1 ,  \n", [[None, None], [" 1 ", None]]),
        ("id,name\ncaf\u00e9,cafe\u0301\n".encode(), [["caf\u00e9", "cafe\u0301"]]),
        ("id,name\n\u05e9\u05dc,\u0639\u0631\n".encode(), [["\u05e9\u05dc", "\u0639\u0631"]]),
        (b"id,name\n\x00a,b\x00\n", [["\x00a", "b\x00"]]),
        ("id,name\n\ufeffa,b\n".encode(), [["\ufeffa", "b"]]),
        (b'id,name\n5" pipe,6\n', [['5" pipe', "6"]]),
        (b"id;name\n1,5;2,5\n2,5;3,5\n", [["1,5", "2,5"], ["2,5", "3,5"]]),
        (b"sep=;\nid;name\n1,0,0;2\n", [["1,0,0", "2"]]),
        (b"id,name\n1,2,,\n", [["1", "2"]]),
        (b"id,name\n", []),
    ],
)
def test_values_are_those_of_the_file(tmp_path, data, rows):
    source = read(tmp_path, data)
    assert source.frame.columns.tolist() == ["id", "name"]
    assert cells(source.frame) == rows
    assert (source.frame.dtypes == "string").all()
    assert len(source.rejects) == 0


@pytest.mark.parametrize(
    ("data", "rows", "rejects"),
    [
        ("a,b\n1,2\n1\n4,5\n", [["1", "2"], ["4", "5"]], [(3, "1 cell instead", "1")]),
        ("a,b\n1,2\n1,2,3\n\n1\n", [["1", "2"]], [(3, "3 cells instead", "1,2,3"), (5, "1 cell", "1")]),
        ('a,b\n1,"x\n2,y\n3,z\n', [["2", "y"], ["3", "z"]], [(2, "never closed", '1,"x')]),
        ('a,b\n1,"x\n2,y\n3,"z"\n', [["2", "y"], ["3", "z"]], [(2, "follows a closing quote", '1,"x')]),
        ('a,b\n"1"2,3\n4,5\n', [["4", "5"]], [(2, "follows a closing quote", '"1"2,3')]),
        ('a,b\n1,"x\ny"\n1\n', [["1", "x\ny"]], [(4, "1 cell instead", "1")]),
        ('a,b\n1,"x\r\ny",3\n4,5\n', [["4", "5"]], [(2, "3 cells instead", '1,"x\r\ny",3')]),
        ("Report\n\na,b,c\n1,2,3\n4,5,6\n", [["1", "2", "3"], ["4", "5", "6"]], [(1, "above the header", "Report")]),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_read_are_listed_with_line_and_reason(tmp_path, data, rows, rejects):
    source = read(tmp_path, data)
    assert cells(source.frame) == rows
    found = source.rejects.to_dict("records")
    assert [(one["line"], one["text"]) for one in found] == [(line, text) for line, _, text in rejects]
    assert all(reason in one["reason"] for one, (_, reason, _) in zip(found, rejects, strict=True))


def test_a_few_broken_bytes_cost_their_rows(tmp_path):
    good = b"\xc3\xa9,1\n" * 20
    source = read(tmp_path, b"a,b\n" + good + b"\xff,2\n" + good)
    assert source.frame["a"].tolist() == ["é"] * 40
    assert source.rejects.to_dict("records") == [
        {"line": 22, "reason": "it holds bytes that are not utf-8", "text": "\\xff,2"}
    ]
    assert source.guess["encoding"].sure == pytest.approx(40 / 41, abs=1e-3)
    given = read(tmp_path, b"a,b\nx,1\n\xff,2\ny,3\n\xfe\xff,4\nz,5\n", encoding="ascii")
    assert (given.frame["a"].tolist(), given.rejects["line"].tolist()) == (["x", "y", "z"], [3, 5])


def test_half_a_character_at_the_end_costs_the_last_row(tmp_path):
    source = read(tmp_path, "a,b\n1,2\n3,4".encode("utf-16")[:-1])
    assert (cells(source.frame), source.rejects["line"].tolist()) == ([["1", "2"]], [3])


def test_headers_become_unique_and_that_is_said(tmp_path):
    source = read(tmp_path, "a,a,, b,a_2\n1,2,3,4,5\n")
    assert source.frame.columns.tolist() == ["a", "a_3", "column_3", "b", "a_2"]
    assert len(source.notes) == 3
    assert "column 2 is called 'a_3': the name 'a' stands before" in source.notes


def test_without_header(tmp_path):
    source = read(tmp_path, '7,"a ""b"", c"\n8,\n', header=False)
    assert source.frame.columns.tolist() == ["column_1", "column_2"]
    assert cells(source.frame) == [["7", 'a "b", c'], ["8", None]]
    assert source.guess["header"].value == "no row"
    assert read(tmp_path, "1,2\n3,4\n").guess["header"].sure == 0
    assert read(tmp_path, "id,name\n3,4\n").guess["header"].sure == 1


def test_short_rows_are_filled_on_demand(tmp_path):
    source = read(tmp_path, 'a,b,c\n1\n1,"x,y"\n1,2,3,4\n', fill_short_rows=True)
    assert cells(source.frame) == [["1", None, None], ["1", "x,y", None]]
    assert len(source.rejects) == 1
    assert any("too few cells" in note and note.endswith(": 2") for note in source.notes)


@pytest.mark.parametrize(
    "names",
    [["Lovelace, Ada", "Hopper", "Noether, Emmy; Göttingen"], ["Lovelace, Ada", "Hopper, Grace", "Noether, Emmy"]],
)
def test_lines_without_a_common_delimiter_are_one_column(tmp_path, names):
    source = read(tmp_path, "\n".join(["name", *names]))
    assert (source.frame["name"].tolist(), source.guess["delimiter"].value) == (names, "none")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_found_and_can_be_given(tmp_path, delimiter):
    others = "".join({",", ";", "|"} - {delimiter})
    rows = [["id", "text", "n"], *([str(i), f"x{others[i % 2]}y", "1"] for i in range(9))]
    data = "".join(delimiter.join(row) + "\n" for row in rows)
    source = read(tmp_path, data)
    assert (source.guess["delimiter"].value, cells(source.frame)) == (delimiter, rows[1:])
    assert source.guess["delimiter"].sure == 1
    assert cells(read(tmp_path, data.replace(delimiter, "~"), delimiter="~").frame) == rows[1:]


@pytest.mark.parametrize("ending", ["gz", "zst", "bz2"])
def test_compressed(tmp_path, ending):
    path = tmp_path / f"t.csv.{ending}"
    kind = {"gz": "gzip", "zst": "zstd", "bz2": "bz2"}[ending]
    with pa.CompressedOutputStream(str(path), kind) as file:
        file.write("a,b\n1,é\n".encode())
    source = read_source(path)
    assert (source.name, cells(source.frame)) == ("t", [["1", "é"]])


def test_a_thousand_columns_and_a_very_long_cell(tmp_path):
    names = [f"c{i}" for i in range(1000)]
    source = read(tmp_path, ",".join(names) + "\n" + ",".join(map(str, range(1000))) + "\n")
    assert source.frame.columns.tolist() == names
    assert source.frame.iloc[0].tolist() == list(map(str, range(1000)))
    long = "x,\n" * 4_000_000  # longer than a block
    source = read(tmp_path, f'a,b\n1,"{long}"\n2,3\n')
    assert source.frame["b"].tolist() == [long, "3"]


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (b"", {}, "is empty"),
        (b"\n \n,,\n", {}, "is empty"),
        (b"a,b,c\n1,2\n3,4\n", {}, r"none of its 2 rows fits the first line, which has 3 cells \(line 2"),
        (b"a\n", {"encoding": "utf-9"}, "no text encoding 'utf-9'"),
        (b"a\n", {"encoding": "hex"}, "no text encoding 'hex'"),
        (b"a\n", {"delimiter": ",,"}, "a delimiter is one ASCII character"),
        (b"a\n", {"delimiter": '"'}, "a delimiter is one ASCII character"),
        (gzip.compress(b"a,b\n" * 999, mtime=0)[:-20], {}, "is it damaged or cut off"),
    ],
)
def test_messages(tmp_path, data, options, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path, data, **options)


@FILE
@given(frames(min_columns=2), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]), st.sampled_from(["\n", "\r\n", "\r"]))
def test_any_table_written_by_the_csv_module_comes_back(tmp_path, frame, encoding, line_end):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    writer.writerow(frame.columns)
    writer.writerows(["" if v is None else v for v in row] for row in cells(frame))
    source = read(tmp_path, text.getvalue().encode(encoding), delimiter=",", encoding=encoding)
    assert cells(source.frame) == as_read(frame)
    assert len(source.rejects) == 0


BYTES = st.lists(
    st.sampled_from([b"a", b"1", b'"', b",", b";", b"\n", b"\r", b"\r\n", b"\xc3\xa9", b"\xff", b"\x00"]), max_size=40
)


@settings(FILE, max_examples=150)
@given(BYTES)
@example([b"a", b",", b"1", b"\n", b'"', b"\n", b"a", b",", b'"', b'"', b"a"])
def test_any_bytes_give_rows_and_rejects_or_a_message(tmp_path, parts):
    data = b"h,k\n1,2\n" + b"".join(parts)
    try:
        source = read(tmp_path, data)
    except UserError:
        return
    assert source.rejects["line"].is_monotonic_increasing
    # every filled cell and every reject stands in the file
    text = data.decode(source.guess["encoding"].value, "backslashreplace")
    for cell in source.frame.to_numpy(dtype=object, na_value="").ravel().tolist():
        assert cell.replace('"', "") in text.replace('"', "")
    for row in source.rejects["text"]:
        assert row in text
    # and no letter of the file is lost
    kept = "".join(source.frame.to_numpy(dtype=object, na_value="").ravel()) + "".join(source.rejects["text"])
    kept += "".join(source.frame.columns)
    assert sum(kept.count(c) for c in "aé") >= text.count("a") + text.count("é")
