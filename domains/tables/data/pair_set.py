"""Labelled pairs of rows: columns left_* and right_*, or the text lines of Ditto."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import UserError
from domains.tables.data.read import read_source
from domains.tables.data.roles import find_role, need_role
from domains.tables.data.table import Table

__all__ = ["PairSet", "ditto_frame", "is_ditto", "read_ditto", "read_pairs"]

_FIELD = re.compile(r"COL (\S+) VAL(?: |$)")
_PARTS = ("train", "valid", "test")


@dataclass(frozen=True, eq=False)
class PairSet:
    """p pairs of rows; row i of ``left`` with row i of ``right``.

    Attributes:
        left: the first row of each pair.
        right: the second one, under the same columns.
        label: ``(p,)`` int8, 1 where both are the same thing.
        split: ``(p,)`` object array, "train", "valid" or "test" (or what the file says).
        name: shown to people.
    """

    left: Table
    right: Table
    label: NDArray[np.int8]
    split: NDArray[np.object_]
    name: str = "pairs"

    def __len__(self) -> int:
        return len(self.label)

    def part(self, split: str) -> PairSet:
        """The pairs of one part of the split.

        Raises:
            UserError: there is no such part.
        """
        rows = np.flatnonzero(self.split == split).astype(np.int64)
        if not rows.size:
            parts = ", ".join(dict.fromkeys(map(str, self.split)))
            raise UserError(f"{self.name} has no part {split!r}; it has {parts or 'no pairs'}")
        return PairSet(self.left.select(rows), self.right.select(rows), self.label[rows], self.split[rows], self.name)

    def records(self) -> tuple[Table, NDArray[np.int64], NDArray[np.int64]]:
        """The distinct rows of both sides as one table of two sources, and the rows of each pair in it.

        Returns:
            The table; ``(p,)`` row of the left side; ``(p,)`` row of the right side.
        """
        places, frames, base = [], [], 0
        for side in (self.left.frame, self.right.frame):
            number = side.groupby(list(side.columns), dropna=False, sort=False).ngroup().to_numpy()
            first = np.unique(number, return_index=True)[1]
            frames.append(side.iloc[first])
            places.append(number.astype(np.int64) + base)
            base += len(first)
        source = ["left"] * len(frames[0]) + ["right"] * len(frames[1])
        return Table.of(pd.concat(frames, ignore_index=True), source=source, name=self.name), places[0], places[1]


def read_pairs(path: str | Path, *, label: str | None = None, split: str | None = None) -> PairSet:
    """Read a table of pairs: columns ``left_*`` and ``right_*``, a label, and a part of the split.

    Args:
        path: CSV, Parquet or whatever `domains.tables.data.read.read_source` reads.
        label: the column of labels, 0 or 1; by default one called label, match and the like.
        split: the column of parts; by default one called split; without it all pairs are "test".

    Raises:
        UserError: no such file or column, or a label that is neither 0 nor 1.
    """
    path = Path(path)
    return _pair_set(read_source(str(path)).frame, path, path.stem, label, split)


def read_ditto(path: str | Path) -> PairSet:
    """Read Ditto's text form: a folder with train.txt, valid.txt and test.txt (what is there of them), or one file.

    A line is ``left TAB right TAB label``; a side is a run of ``COL name VAL value``.

    Raises:
        UserError: no such file, or a line in another form; the message names it.
    """
    path = Path(path)
    files = {path.stem: path} if path.is_file() else {part: path / f"{part}.txt" for part in _PARTS}
    files = {part: file for part, file in files.items() if file.is_file()}
    if not files:
        raise UserError(f"{path} is no file and holds none of {', '.join(f'{part}.txt' for part in _PARTS)}")
    frame = pd.concat([ditto_frame(file, part) for part, file in files.items()], ignore_index=True)
    name = path.name if path.is_dir() else path.stem
    return _pair_set(frame, path, name, "label", "split")


def is_ditto(path: Path) -> bool:
    """Whether a file begins as Ditto's text form does, or a folder holds such files."""
    if path.is_dir():
        return any(is_ditto(path / f"{part}.txt") for part in _PARTS)
    if path.suffix.lower() != ".txt" or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"COL "


def ditto_frame(path: Path, part: str) -> pd.DataFrame:
    """Columns split, label, left_* and right_* of one file; an empty value is the empty text.

    Args:
        path: the file.
        part: its part of the split.

    Raises:
        UserError: a line in another form.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as UTF-8 text ({error})") from error
    rows: list[dict[str, str]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        cells = line.split("\t")
        if len(cells) != 3 or cells[2].strip() not in ("0", "1"):
            raise UserError(f"{path} line {number}: expected left TAB right TAB 0 or 1, got {line[:60]!r}")
        row = {"split": part, "label": cells[2].strip()}
        for side, text in zip(("left", "right"), cells, strict=False):
            pieces = _FIELD.split(text)
            if pieces[0].strip() or len(pieces) < 3:
                raise UserError(
                    f"{path} line {number}: the {side} side must be COL name VAL value ..., got {text[:60]!r}"
                )
            for name, value in zip(pieces[1::2], pieces[2::2], strict=True):
                row[f"{side}_{name}"] = value.strip()
        rows.append(row)
    frame = pd.DataFrame(rows, dtype="str")
    order = [column for side in ("left_", "right_") for column in map(str, frame) if column.startswith(side)]
    return frame[["split", "label", *order]] if rows else pd.DataFrame(columns=["split", "label"], dtype="str")


def _pair_set(frame: pd.DataFrame, path: Path, name: str, label: str | None, split: str | None) -> PairSet:
    names = [str(column) for column in frame.columns]
    sides = {side: [n.removeprefix(side) for n in names if n.startswith(side)] for side in ("left_", "right_")}
    shared = list(dict.fromkeys([*sides["left_"], *sides["right_"]]))
    if not sides["left_"] or not sides["right_"]:
        raise UserError(f"{path} needs columns left_* and right_* of the same names, it has {', '.join(names)}")
    others = [n for n in names if not n.startswith(("left_", "right_"))]
    label = need_role(path, others, "label", label)
    split = find_role(others, "split", split)
    wrong = np.flatnonzero(~frame[label].isin(["0", "1"]).to_numpy())
    if wrong.size:
        found = frame[label].iloc[wrong[0]]
        raise UserError(f"{path}: row {wrong[0] + 1}: {label!r} must be 0 or 1, got {found!r}")
    tables = []
    for side in ("left_", "right_"):
        # a column that only one side has is empty on the other
        cells = {n: frame[side + n] if n in sides[side] else pd.Series(pd.NA, frame.index, "string") for n in shared}
        tables.append(Table.of(pd.DataFrame(cells), source=side.strip("_"), name=name))
    parts = frame[split].fillna("").to_numpy(dtype=object) if split else np.full(len(frame), "test", dtype=object)
    return PairSet(tables[0], tables[1], frame[label].to_numpy(dtype=object).astype(np.int8), parts, name)
