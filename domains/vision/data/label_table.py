"""A table of labels for the files of a folder: ``file,label`` for classes, ``file,target`` for numbers."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import UserError

__all__ = ["LabelTable", "read_label_table"]

_COLUMNS = ("file", "label", "target")
_NAMED = 3


@dataclass(frozen=True)
class LabelTable:
    """What a table says, by file.

    Attributes:
        path: the table, for messages.
        labels: class name of each file, empty where unknown; None without that column.
        targets: number of each file; None without that column.
    """

    path: Path
    labels: dict[str, str] | None
    targets: dict[str, float] | None

    @property
    def files(self) -> list[str]:
        """Every file that has a row."""
        return list(self.labels if self.labels is not None else self.targets or {})


def read_label_table(path: Path) -> LabelTable:
    """Read a CSV of labels: UTF-8 (with or without a byte order mark), comma, semicolon or tab.

    Columns: ``file``, the path from the folder with slashes, and ``label``, ``target`` or both. An empty label means
    that the class is unknown.

    Raises:
        UserError: no such file, not text, empty, columns missing or unknown, a file twice, a row of another length, a
            target that is no finite number.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"the labels {path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"the labels {path} are not UTF-8 text ({error}); save them as CSV in UTF-8") from error
    if not text.strip():
        raise UserError(
            f"the labels {path} are empty; expected a header file,label or file,target and a row for each file"
        )
    delimiter = max(",;\t", key=text.splitlines()[0].count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise UserError(f"the labels {path} are no CSV: {error}") from error
    header = [name.strip().lower() for name in rows[0]]
    unknown = [name for name in header if name not in _COLUMNS]
    if unknown or len(set(header)) != len(header) or "file" not in header or len(header) == 1:
        raise UserError(
            f"the labels {path} have the columns {', '.join(rows[0])}; expected file and label (a class), target (a "
            "number) or both, each once, and nothing else"
        )
    filled = [
        (line, [cell.strip() for cell in row]) for line, row in enumerate(rows[1:], 2) if any(map(str.strip, row))
    ]
    if not filled:
        raise UserError(f"the labels {path} have a header but no row")
    cells = {name: dict(_column(path, filled, header, header.index(name))) for name in header if name != "file"}
    numbers = None
    if "target" in cells:
        numbers = {file: _number(path, file, cell) for file, cell in cells["target"].items()}
    return LabelTable(path, cells.get("label"), numbers)


def _column(path: Path, rows: Sequence[tuple[int, list[str]]], header: list[str], column: int) -> list[tuple[str, str]]:
    """Pairs of file and cell, each file once."""
    at: dict[str, int] = {}
    pairs = []
    for line, row in rows:
        if len(row) != len(header):
            raise UserError(f"row {line} of the labels {path} has {len(row)} cells, the header has {len(header)}")
        file = row[header.index("file")].replace("\\", "/").removeprefix("./")
        if not file:
            raise UserError(f"row {line} of the labels {path} names no file")
        if file in at:
            raise UserError(f"the labels {path} name {file} twice, in rows {at[file]} and {line}; keep one")
        at[file] = line
        pairs.append((file, row[column]))
    return pairs


def _number(path: Path, file: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"the labels {path}: the target of {file} is {cell!r}; targets are finite numbers")
    return value
