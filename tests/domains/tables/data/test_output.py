"""Outputs that would replace an input, or could not be written, are refused before anything is read."""

import os

import pandas as pd
import pytest

from core.cli.main import main
from core.errors import UserError
from domains.tables.data.export import write_table
from domains.tables.data.locate import Location, locate
from domains.tables.data.output import check_file, check_output

FRAME = pd.DataFrame({"name": ["Ada Lovelace", "Alan Turing", "Ada Lovelace"], "born": ["1815", "1912", "1815"]})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    FRAME.to_csv(tmp_path / "in.csv", index=False)
    FRAME.to_csv(tmp_path / "golden.csv", index=False)
    (tmp_path / "link.csv").symlink_to(tmp_path / "in.csv")
    os.link(tmp_path / "in.csv", tmp_path / "hard.csv")
    (tmp_path / "deep").mkdir()
    write_table(FRAME, f"duckdb:///{tmp_path / 'x.db'}?table=people")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("out", ["in.csv", "./deep/../in.csv", "{folder}/in.csv", "link.csv", "hard.csv"])
def test_an_input_is_not_written_over(folder, out):
    with pytest.raises(UserError, match=r"is an input .*in\.csv.* choose another place"):
        check_output(out.format(folder=folder), locate("in.csv"))
    with pytest.raises(UserError, match="is an input"):
        check_output(out.format(folder=folder), locate(folder) if "link" not in out else locate("*.csv"))


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("new.html", "not as .html"),
        ("new", "not as a file without ending"),
        ("sqlite:///new.db?table=t", "duckdb:///FILE"),
        ("duckdb:///new.db", "duckdb:///FILE"),
        ("deep", "file without ending"),
        ("in.csv/new.csv", "in.csv is a file, not a folder"),
    ],
)
def test_what_cannot_be_written(folder, out, message):
    with pytest.raises(UserError, match=message):
        check_output(out, [])


def test_a_folder_is_no_file(folder):
    (folder / "deep.csv").mkdir()
    with pytest.raises(UserError, match="is a folder"):
        check_output("deep.csv", [])
    check_output("not/yet/there/new.csv", locate("in.csv"))
    check_file("new.html", [Location.of("gone.csv")])


def test_a_table_beside_the_one_that_is_read(folder):
    for read in ("duckdb:///x.db?table=people", "duckdb:///x.db?table=main.People", "duckdb:///x.db"):
        with pytest.raises(UserError, match="is an input"):
            check_output("duckdb:///x.db?table=people", locate(read))
    check_output("duckdb:///x.db?table=clean", locate("duckdb:///x.db?table=people"))
    check_output("duckdb:///x.db?table=people", locate("duckdb:///x.db?query=SELECT * FROM people"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["in.csv", "--out", "in.csv"], "is an input"),
        (["in.csv", "--out", "new.txt"], "not as .txt"),
        (["in.csv", "golden.csv", "--out", "new.csv", "--details", "."], "golden.csv is an input"),
        (["in.csv", "--out", "new.csv", "--rules", "nope"], "nope"),
        (["in.csv", "--out", "new.csv", "--rules", "name=nope"], "nope"),
        (["in.csv", "--out", "new.csv", "--rules", "nam=longest"], "name"),
        (["in.csv", "--out", "new.csv", "--rules", "newest:updated"], "updated"),
        (["in.csv", "--out", "new.csv", "--rules", "newest:name"], "no dates"),
        (["in.csv", "--out", "new.csv", "--rules", "source_priority:other>in"], "other"),
        (["in.csv", "--out", "new.csv", "--method", "average"], "average_linkage"),
        (["in.csv", "--out", "new.csv", "--threshold", "2"], "threshold"),
        (["in.csv", "--out", "new.csv", "--seed", "-1"], "--seed must be 0 to 4294967295, got -1"),
        (["in.csv", "--out", "new.csv", "--seed", "4294967296"], "--seed must be 0 to"),
    ],
)
def test_the_command_says_so_before_any_work(folder, capsys, monkeypatch, words, message):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    monkeypatch.setattr("domains.tables.integration.default_blocker", lambda union: pytest.fail("work was begun"))
    assert main(["tables", "integrate", *words]) == 2
    assert message in capsys.readouterr().err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
