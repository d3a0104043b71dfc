"""Delimited text, written block by block with quotes only where they are needed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import IO

import pyarrow as pa
from pyarrow import compute

from domains.tables.data.columns_of_text import Column

__all__ = ["write_delimited"]

_ROWS = 50_000


def write_delimited(file: IO[bytes], names: Sequence[str], columns: Sequence[Column], delimiter: str) -> None:
    """Write rows as RFC 4180 says, in UTF-8, with line feeds.

    Cells with a delimiter, quote or line end stand in quotes. Missing cells are empty; in a table of one column they
    are a pair of quotes, since many readers skip blank lines.

    Args:
        file: open for bytes.
        names: of the columns.
        columns: of text, all of one length.
        delimiter: one ASCII character.
    """
    special = "[" + re.escape(delimiter) + '"\r\n]'
    header = [pa.array([name], pa.large_string()) for name in names]
    _write_rows(file, header, delimiter, special)
    for start in range(0, len(columns[0]), _ROWS):
        _write_rows(file, [column.slice(start, _ROWS) for column in columns], delimiter, special)


def _write_rows(file: IO[bytes], columns: Sequence[Column], delimiter: str, special: str) -> None:
    text = pa.large_string()
    cells = [compute.fill_null(compute.cast(column, text), "") for column in columns]
    quote = pa.scalar('"', text)
    for place, cell in enumerate(cells):
        wanted = compute.match_substring_regex(cell, special)
        if len(cells) == 1:
            wanted = compute.or_(wanted, compute.equal(cell, ""))
        if compute.any(wanted).as_py():
            doubled = compute.replace_substring(cell, '"', '""')
            quoted = compute.binary_join_element_wise(quote, doubled, quote, pa.scalar("", text))
            cells[place] = compute.if_else(wanted, quoted, cell)
    lines = compute.binary_join_element_wise(*cells, pa.scalar(delimiter, text))
    lines = lines.combine_chunks() if isinstance(lines, pa.ChunkedArray) else lines
    file.write("\n".join(lines.to_pylist()).encode("utf-8") + b"\n")
