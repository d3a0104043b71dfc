"""Tables as Excel workbooks whose text is text."""

from __future__ import annotations

import math
import re
from datetime import date, datetime, time
from pathlib import Path

import pandas as pd

from core.atomic import atomic_write
from core.errors import UserError
from domains.tables.data.columns_of_text import text_of

__all__ = ["write_workbook"]

_MOST_ROWS, _MOST_COLUMNS, _MOST_TEXT = 1_048_576, 16_384, 32_767
# what XML cannot hold or would change, and text that looks like the escape of it
_ESCAPED = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")


def write_workbook(frame: pd.DataFrame, path: Path) -> None:
    """Write one sheet called table; text is marked as such, so ``=1`` is text and no formula.

    Control characters are escaped as the format has it (``_x000D_``). Numbers, dates and truth values keep their types.

    Args:
        frame: any columns.
        path: the file.

    Raises:
        UserError: more rows, columns or text in a cell than a sheet can hold, or openpyxl is not installed.
        OperationError: the file cannot be written.
    """
    try:
        from openpyxl import Workbook
        from openpyxl.cell import WriteOnlyCell
    except ImportError as error:
        raise UserError(f"{path}: Excel files need openpyxl; install counterpoint[tables]") from error
    if len(frame) >= _MOST_ROWS or frame.shape[1] > _MOST_COLUMNS:
        raise UserError(
            f"{path}: a sheet holds {_MOST_ROWS - 1} rows under names and {_MOST_COLUMNS} columns, the table has "
            f"{len(frame)} and {frame.shape[1]}; write .csv or .parquet"
        )
    names = [str(column) for column in frame.columns]
    columns = [[_value(value) for value in frame.iloc[:, place].astype(object).tolist()] for place in range(len(names))]
    for name, column in zip(names, columns, strict=True):
        for number, value in enumerate([name, *column]):
            if isinstance(value, str) and len(value) > _MOST_TEXT:
                raise UserError(
                    f"{path}: row {number}, column {name!r}: a sheet holds {_MOST_TEXT} characters a cell and this has "
                    f"{len(value)}; write .csv or .parquet"
                )
    book = Workbook(write_only=True)
    sheet = book.create_sheet("table")
    for row in ([_escaped(name) for name in names], *zip(*columns, strict=True)):
        cells = []
        for value in row:
            cell = WriteOnlyCell(sheet, value)
            if isinstance(value, str):
                cell.data_type = "s"
            cells.append(cell)
        sheet.append(cells)
    with atomic_write(path, "wb") as file:
        book.save(file)


def _value(value: object) -> object:
    if value is pd.NaT:
        return None
    if isinstance(value, bool | int | date | time) and not (isinstance(value, datetime) and value.tzinfo is not None):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    text = text_of(value)
    return None if text is None else _escaped(text)


def _escaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: f"_x{ord(found[0]):04X}_", text)
