"""Excel workbooks as the text that a person sees."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError

import pyarrow as pa

from core.errors import UserError, unknown_name
from domains.tables.data.columns_of_text import text_frame
from domains.tables.data.headers import unique_headers
from domains.tables.data.source import Guess, Source

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook

__all__ = ["cell_text", "read_workbook"]

_ROWS = 50_000
_ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")  # how the format writes control characters
_PLAIN = re.compile(r"([#0,]*)(?:\.(0+))?(%?)")
_DECORATION = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.|_.|\*.|[$€£¥ ]')


def read_workbook(path: Path, name: str, *, sheet: str | None = None, header: bool = True) -> Source:
    """Read one sheet of a workbook (``.xlsx``).

    Cells become text as `cell_text` says. The table begins with the first row that has a filled cell; rows of empty
    cells after its last filled one are left out. Formulas count by the value that was stored with them.

    Args:
        path: the file.
        name: of the source.
        sheet: its name; None takes the first one with a filled cell.
        header: whether the first row names the columns.

    Raises:
        UserError: no workbook, no such sheet, nothing in it, or openpyxl is not installed.
    """
    with _opened(path) as book:
        names = [one.title for one in book.worksheets]
        if sheet is not None and sheet not in names:
            raise unknown_name(f"sheet of {path}", sheet, names)
        chosen, rows = _first_filled(book, names if sheet is None else [sheet])
        if rows is None:
            raise UserError(f"{path}: {'the sheet ' + repr(sheet) if sheet else 'every sheet'} is empty")
        first, columns = _columns(rows, header=header)
        others = [one for one in names if one != chosen]
    headers, notes = unique_headers(first if header else [""] * len(first))
    kept = notes if header else []
    if others and sheet is None:
        kept.append(f"only the sheet {chosen!r} was read; there are also {', '.join(map(repr, others))}")
    unknown = _formulas_without_value(path, chosen)
    if unknown:
        kept.append(
            f"{len(unknown)} formulas, first that in {unknown[0]}, have no stored value and are missing: open the file "
            "in a spreadsheet program and save it"
        )
    why = "it was given" if sheet else "it is the first one that is not empty"
    guess = {"sheet": Guess(chosen, 1.0 if sheet or not others else round(1 / len(names), 3), why)}
    return Source(name, text_frame(headers, columns), guess=guess, notes=tuple(kept), origin=str(path))


def cell_text(value: Any, number_format: str = "General") -> str | None:
    """The text of a cell.

    Numbers have at most 15 digits, as the program shows them, and those that their format adds: leading zeros
    (``00000``), places after the point (``0.00``), per cent. Separators of thousands and signs of currencies are left
    out. Dates and times are ISO 8601 whatever their format, which says different things on different machines; the time
    is left out at midnight where the format has none. TRUE and FALSE are written so.

    Args:
        value: as openpyxl gives it.
        number_format: of the cell.

    >>> cell_text(1234, "00000"), cell_text(0.1 + 0.2), cell_text(0.256, "0.0%"), cell_text(date(2020, 3, 1))
    ('01234', '0.3', '25.6%', '2020-03-01')
    """
    if value is None or isinstance(value, str):
        return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), value) if value and "_x" in value else value
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, datetime):
        dated = value.time() == time() and not re.search(r"[hs]", _DECORATION.sub("", number_format), re.IGNORECASE)
        return value.date().isoformat() if dated else value.isoformat(sep=" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        minutes, seconds = divmod(int(value.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
    return _number(value, number_format)


def _number(value: float, number_format: str) -> str:
    plain = f"{value:.15g}"
    if "General" in number_format:
        return plain
    found = _PLAIN.fullmatch(_DECORATION.sub("", number_format.split(";")[0]))
    if found is None or "0" not in found[0]:
        return plain
    whole, places, percent = found[1], len(found[2] or ""), found[3]
    shown = f"{abs(value) * (100 if percent else 1):.{places}f}"
    digits = whole.count("0") + (places + 1 if places else 0)
    sign = "-" if value < 0 and float(shown) else ""
    return sign + shown.rjust(digits, "0") + percent


@contextmanager
def _opened(path: Path, *, values: bool = True) -> Iterator[Workbook]:
    try:
        from openpyxl import load_workbook
        from openpyxl.utils.exceptions import InvalidFileException
    except ImportError as error:
        raise UserError(f"{path}: Excel files need openpyxl; install counterpoint[tables]") from error
    damaged = (InvalidFileException, zipfile.BadZipFile, KeyError, ParseError, OSError, ValueError, EOFError)
    try:
        with path.open("rb") as file:
            book = load_workbook(file, read_only=True, data_only=values, keep_links=False)
            try:
                yield book
            finally:
                book.close()
    except UserError:
        raise
    except damaged as error:
        raise UserError(f"{path} cannot be read as an Excel workbook: {error}; save it as .xlsx again") from error


def _first_filled(book: Workbook, names: Sequence[str]) -> tuple[str, Iterator[list[str | None]] | None]:
    for name in names:
        rows = _rows(book, name)
        first = next((row for row in rows if _filled(row)), None)
        if first is not None:
            return name, _with(first, rows)
    return names[0] if names else "", None


def _with(first: list[str | None], rows: Iterator[list[str | None]]) -> Iterator[list[str | None]]:
    yield first
    yield from rows


def _rows(book: Workbook, name: str) -> Iterator[list[str | None]]:
    sheet = book[name]
    sheet.reset_dimensions()  # what a file says of its size is often wrong
    for row in sheet.iter_rows():
        cells = [None if cell.value is None else cell_text(cell.value, cell.number_format) for cell in row]
        while cells and cells[-1] is None:
            cells.pop()
        yield cells


def _filled(row: list[str | None]) -> bool:
    return any(cell is not None and cell.strip() for cell in row)


def _columns(rows: Iterator[list[str | None]], *, header: bool) -> tuple[list[str], list[pa.ChunkedArray]]:
    """The first row, with empty cells up to the widest row, and the columns below it."""
    first = [cell or "" for cell in next(rows)]
    waiting: list[list[str | None]] = [] if header else [list(first)]
    blocks: list[list[pa.Array]] = []
    lengths: list[int] = []
    filled = len(waiting)

    def flush(count: int) -> None:
        width = max(map(len, waiting[:count]), default=0)
        padded = [row + [None] * (width - len(row)) for row in waiting[:count]]
        blocks.append([pa.array(column, pa.large_string()) for column in zip(*padded, strict=True)])
        lengths.append(count)
        del waiting[:count]

    for row in rows:
        waiting.append(row)
        if _filled(row):
            filled = len(waiting)
        if filled >= _ROWS:
            flush(filled)
            filled = 0
    flush(filled)
    width = max(len(first), *map(len, blocks))
    first += [""] * (width - len(first))
    columns = []
    for place in range(width):
        chunks = [
            block[place] if place < len(block) else pa.nulls(length, pa.large_string())
            for block, length in zip(blocks, lengths, strict=True)
        ]
        columns.append(pa.chunked_array(chunks, pa.large_string()))
    return first, columns


def _formulas_without_value(path: Path, sheet: str) -> list[str]:
    """Cells of a sheet with a formula that no program has computed yet."""
    with zipfile.ZipFile(path) as archive:
        inside = [name for name in archive.namelist() if name.startswith("xl/worksheets/") and name.endswith(".xml")]
        if not any(_has_formula(archive, name) for name in inside):
            return []
    with _opened(path, values=False) as formulas, _opened(path) as values:
        for book in (formulas, values):
            book[sheet].reset_dimensions()
        pairs = zip(formulas[sheet].iter_rows(), values[sheet].iter_rows(), strict=True)
        return [
            cell.coordinate
            for row, stored in pairs
            for cell, value in zip(row, stored, strict=True)
            if cell.data_type == "f" and value.value is None
        ]


def _has_formula(archive: zipfile.ZipFile, name: str) -> bool:
    with archive.open(name) as file:
        before = b""
        while block := file.read(1 << 20):
            if re.search(rb"<(\w+:)?f[ >/]", before + block):
                return True
            before = block[-16:]
    return False
