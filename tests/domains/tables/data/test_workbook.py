"""Workbooks as a person sees them."""

import zipfile
from datetime import date, datetime, time, timedelta

import openpyxl
import pytest

from core.errors import UserError
from domains.tables.data import workbook
from domains.tables.data.read import read_source
from domains.tables.data.workbook import cell_text
from tests.domains.tables.data.tables import cells


def book(path, **sheets):
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    made.save(path)
    return path


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (5.0, "General", "5"),
        (0.1 + 0.2, "General", "0.3"),
        (1234567890123, "General", "1234567890123"),
        (-0.5, "General", "-0.5"),
        (1234, "00000", "01234"),
        (-7, "000", "-007"),
        (2.5, "0.00", "2.50"),
        (1234.5, "#,##0.00", "1234.50"),
        (0.25, "0%", "25%"),
        (0.256, "0.0%", "25.6%"),
        (7, '"No. "0', "7"),
        (12.5, "[$€-407] #,##0.00", "12.50"),
        (3125551234, "(###) ###-####", "3125551234"),
        (-0.001, "0.0", "0.0"),
        (True, "General", "TRUE"),
        (datetime(2020, 3, 1), "mm-dd-yy", "2020-03-01"),
        (datetime(2020, 3, 1), "yyyy-mm-dd h:mm", "2020-03-01 00:00:00"),
        (datetime(2020, 3, 1, 14, 5), "d.m.yyyy", "2020-03-01 14:05:00"),
        (date(2020, 3, 1), "General", "2020-03-01"),
        (time(7, 30), "h:mm", "07:30:00"),
        (timedelta(hours=30, minutes=5), "[h]:mm", "30:05:00"),
        ("_x000D_a", "General", "\ra"),
        ("#N/A", "General", "#N/A"),
        (None, "General", None),
    ],
)
def test_text_of_a_cell(value, number_format, text):
    assert cell_text(value, number_format) == text


def test_ragged_rows_blank_rows_and_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(workbook, "_ROWS", 2)
    rows = [[], ["id", None, "id"], ["007", 1], [], [], [None, None, "x", "y"], ["8"], [None], []]
    source = read_source(book(tmp_path / "b.xlsx", Empty=[], One=rows, Two=[["z"]]))
    assert source.frame.columns.tolist() == ["id", "column_2", "id_2", "column_4"]
    assert cells(source.frame) == [
        ["007", "1", None, None],
        [None] * 4,
        [None] * 4,
        [None, None, "x", "y"],
        ["8", None, None, None],
    ]
    assert source.guess["sheet"].value == "One"
    assert source.guess["sheet"].sure < 1
    assert any("'Empty', 'Two'" in note for note in source.notes)


def test_a_table_that_ends_with_a_block(tmp_path, monkeypatch):
    monkeypatch.setattr(workbook, "_ROWS", 2)
    assert cells(read_source(book(tmp_path / "b.xlsx", One=[["a"], ["1"], ["2"]])).frame) == [["1"], ["2"]]


def test_the_size_that_a_file_states_does_not_count(tmp_path):
    path = book(tmp_path / "b.xlsx", One=[["a", "b"], ["1", "2"], ["3", "4"]])
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"]
    assert b'ref="A1:B3"' in sheet
    parts["xl/worksheets/sheet1.xml"] = sheet.replace(b'ref="A1:B3"', b'ref="A1"')
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    assert cells(read_source(path).frame) == [["1", "2"], ["3", "4"]]


def test_sheet_by_option_and_by_address(tmp_path):
    path = book(tmp_path / "b.xlsx", One=[["a"], ["1"]], Two=[["b"], ["2"]])
    assert cells(read_source(path, sheet="Two").frame) == [["2"]]
    by_address = read_source(f"{path}?sheet=Two")
    assert (by_address.name, cells(by_address.frame)) == ("Two", [["2"]])
    assert read_source(path, header=False).frame.columns.tolist() == ["column_1"]
    assert cells(read_source(path, header=False).frame) == [["a"], ["1"]]


def test_formulas_without_a_stored_value_are_named(tmp_path):
    source = read_source(book(tmp_path / "b.xlsx", One=[["a", "b"], [1, "=A2*2"]]))
    assert cells(source.frame) == [["1", None]]
    assert any("B2" in note and "no stored value" in note for note in source.notes)


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (b"", "b.xlsx", "is no Excel workbook, whatever its ending says; it is empty"),
        (b"a,b\n", "b.xlsx", "is no Excel workbook"),
        (b"PK\x03\x04 and no more", "b.xlsx", "cannot be read as an Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "b.xls", "save it as .xlsx"),
    ],
)
def test_what_is_no_workbook(tmp_path, data, name, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match=message):
        read_source(tmp_path / name)


def test_other_zip_archives_and_sheets_without_cells(tmp_path):
    with zipfile.ZipFile(tmp_path / "b.xlsx", "w") as archive:
        archive.writestr("a.txt", "x")
    with pytest.raises(UserError, match="cannot be read as an Excel workbook"):
        read_source(tmp_path / "b.xlsx")
    (tmp_path / "b.xlsx").rename(tmp_path / "b.zip")
    with pytest.raises(UserError, match="zip archive; unpack it"):
        read_source(tmp_path / "b.zip")
    path = book(tmp_path / "c.xlsx", One=[], Two=[["a"]])
    with pytest.raises(UserError, match="the sheet 'One' is empty"):
        read_source(path, sheet="One")
    with pytest.raises(UserError, match=r"unknown sheet of .*'Tow'; did you mean 'Two'"):
        read_source(path, sheet="Tow")
    with pytest.raises(UserError, match="every sheet is empty"):
        read_source(book(tmp_path / "d.xlsx", One=[[]]))
