"""CSV and its kin: any encoding, delimiter and damage."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import csv

from core.errors import UserError
from domains.tables.data.byte_stream import utf8_blocks
from domains.tables.data.columns_of_text import text_frame
from domains.tables.data.csv_dialect import Dialect, guess_dialect
from domains.tables.data.csv_rows import RowReader
from domains.tables.data.encoding import guess_encoding
from domains.tables.data.headers import unique_headers
from domains.tables.data.source import Guess, Source, reject_frame

__all__ = ["read_delimited"]

_SAMPLE = 1 << 20
_LOOKED_AT = 1000  # rows that are compared with the header
_NUMBER = re.compile(r"[+-]?[\d.,:/\s-]*\d[\d.,:/\s%-]*")


def read_delimited(
    path: Path,
    name: str,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    header: bool = True,
    fill_short_rows: bool = False,
) -> Source:
    """Read delimited text (CSV, TSV), compressed or not, in blocks.

    Values are not changed: what stands between delimiters, or in quotes, is the value, blanks and leading zeros too;
    a cell that is empty or holds only white space is missing. A row is rejected if it has more filled cells than the
    header or fewer cells, if a quote is out of place, or if it holds bytes that are not in the encoding. A lost quote
    costs the line on which it stands, not the rows after it.

    Args:
        path: the file.
        name: of the source.
        encoding: None guesses it, see `domains.tables.data.encoding.guess_encoding`.
        delimiter: None guesses it among comma, semicolon, tab and bar.
        header: whether the first row names the columns; without it they are called column_1, column_2 and so on.
        fill_short_rows: give rows with too few cells missing ones at the end instead of rejecting them.

    Raises:
        UserError: nothing in the file, no row that fits the header, an unknown encoding, damaged compression.
    """
    code = guess_encoding(path, encoding)
    text = utf8_blocks(path, code.value)
    start = b""
    while len(start) < _SAMPLE and (block := next(text, None)) is not None:
        start += block
    dialect = guess_dialect(path, start[:_SAMPLE], final=len(start) <= _SAMPLE, given=delimiter)
    rows = RowReader(
        chain((start,), text),
        dialect.delimiter,
        encoding=code.value,
        valid=code.value == "utf-8" and code.sure == 1 and encoding is None,
        fill_short_rows=fill_short_rows,
    )
    first = _first_row(rows, dialect)
    if first is None:
        what = "has no row that can be read" if rows.rejects else "is empty: there is no line with column names"
        raise UserError(f"{path} {what}{_first_reject(rows)}; give a table, or take the file away")
    names, notes = unique_headers(first if header else [""] * len(first))
    head = [] if header else [_row_of_text(first, dialect.delimiter)]
    frame = _frame(names, chain(head, rows.blocks(len(names))), dialect.delimiter)
    if rows.rejects and not len(frame):
        raise UserError(
            f"{path}: none of its {len(rows.rejects)} rows fits the first line, which has {len(names)} cells"
            f"{_first_reject(rows)}; name the delimiter or the encoding, or give each column a name in the first line"
        )
    guess = {"encoding": code, "delimiter": dialect.guess, "header": _header_guess(first, frame, header)}
    return Source(
        name, frame, reject_frame(rows.rejects), guess, (*(notes if header else ()), *_notes(rows)), str(path)
    )


def _first_row(rows: RowReader, dialect: Dialect) -> list[str] | None:
    if dialect.hint:
        rows.header()
    return rows.header(dialect.header_cells)


def _row_of_text(cells: list[str], delimiter: str) -> bytes:
    quoted = ('"' + cell.replace('"', '""') + '"' for cell in cells)
    return (delimiter.join(quoted) + "\n").encode("utf-8")


def _first_reject(rows: RowReader) -> str:
    one = rows.rejects[0] if rows.rejects else None
    return "" if one is None else f" (line {one.line}: {one.reason})"


def _frame(names: list[str], blocks: Iterator[bytes], delimiter: str) -> pd.DataFrame:
    numbered = list(map(str, range(len(names))))
    schema = pa.schema([(number, pa.large_string()) for number in numbered])
    tables = [_parsed(block, schema, delimiter) for block in blocks]
    table = pa.concat_tables(tables) if tables else schema.empty_table()
    del tables
    return text_frame(names, table.columns)


def _parsed(block: bytes, schema: pa.Schema, delimiter: str) -> pa.Table:
    """Correct text as a table; Arrow agrees with the scanner on what a quote and a line end are."""
    # the line feed keeps a first cell that begins with U+FEFF from being taken for a byte-order mark
    buffer = pa.py_buffer(b"\n" + block)
    return csv.read_csv(
        pa.BufferReader(buffer),
        csv.ReadOptions(column_names=schema.names, block_size=len(block) + 2),
        csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        csv.ConvertOptions(column_types=schema, null_values=[""], strings_can_be_null=True),
    )


def _header_guess(first: list[str], frame: pd.DataFrame, header: bool) -> Guess:
    """How far the first row looks like names: filled, no numbers, not among the values below."""
    looks = 0
    for cell, column in zip(first, frame.columns, strict=True):
        below = set(frame[column].iloc[0 if header else 1 : _LOOKED_AT].dropna().tolist())
        looks += bool(cell.strip()) and not _NUMBER.fullmatch(cell.strip()) and cell not in below
    share = looks / len(first)
    sure = share if header else 1 - share
    what = "the first row" if header else "no row"
    return Guess(what, round(sure, 3), f"{looks} of {len(first)} cells of the first row look like names of columns")


def _notes(rows: RowReader) -> list[str]:
    counted = (
        ("blank lines skipped", rows.blank),
        ("rows with empty cells beyond the last column, which were cut off", rows.trimmed),
        ("rows with too few cells, which got missing ones at the end", rows.filled),
    )
    return [f"{what}: {count}" for what, count in counted if count]
