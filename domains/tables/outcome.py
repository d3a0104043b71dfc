"""The tables that an integration gives: the golden table, and where each row and each value went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.atomic import make_folder
from core.errors import UserError
from domains.tables.data.export import write_table
from domains.tables.data.locate import Location
from domains.tables.data.output import check_file

__all__ = ["FileKind", "WrittenTables", "check_tables", "entity_names", "outcome_tables", "write_tables"]

FileKind = Literal["csv", "parquet", "jsonl", "xlsx", "duckdb"]
_TABLES = ("golden", "rows", "provenance", "conflicts")


@dataclass(frozen=True)
class WrittenTables:
    """What was written.

    Attributes:
        folder: where to.
        rows: number of rows of each table.
        guarded: cells that got an apostrophe so that no spreadsheet runs them.
    """

    folder: Path
    rows: dict[str, int]
    guarded: int


def entity_names(number: NDArray[np.int64]) -> NDArray[np.object_]:
    """``(n,)`` ids as people see them; "" for a negative number, which is none.

    >>> entity_names(np.array([1, 12])).tolist()
    ['E1', 'E12']
    """
    numbers, codes = np.unique(number, return_inverse=True)
    shown = np.array([f"E{one}" if one >= 0 else "" for one in numbers.tolist()], dtype=object)
    named: NDArray[np.object_] = shown[codes.reshape(-1)]
    return named


def outcome_tables(
    golden: pd.DataFrame,
    rows: pd.DataFrame,
    provenance: pd.DataFrame,
    conflicts: pd.DataFrame,
) -> dict[str, pd.DataFrame]:
    """The tables by name, entities shown by their ids; tables without columns are left out.

    - golden: ``entity`` (``entity_2`` where a column of the union is called that) and the columns of the union;
    - rows: ``source``, ``row`` (from 0), ``entity``;
    - provenance: ``entity``, ``attribute``, ``rule``, ``source``, ``row``: the input rows that support each value;
    - conflicts: ``entity``, ``attribute``, ``candidates``, ``chosen``, ``support``, ``rule``, ``margin``, ``why``,
      ``open``.

    Args:
        golden: columns of the union; the index holds the numbers of the entities.
        rows: ``source``, ``row``, ``entity`` (number).
        provenance: as `domains.tables.conflicts.resolution.Resolution.provenance`.
        conflicts: as `domains.tables.conflicts.resolution.Resolution.conflicts`.
    """
    shown = golden.reset_index(drop=True)
    shown.insert(0, _free(golden.columns), entity_names(golden.index.to_numpy()))
    provenance = provenance.drop(columns="position")
    provenance["attribute"] = provenance["attribute"].astype("string")
    found = dict(zip(_TABLES, (shown, rows, provenance, conflicts), strict=True))
    named = {
        name: frame if name == "golden" else frame.assign(entity=entity_names(frame["entity"].to_numpy()))
        for name, frame in found.items()
        if len(frame.columns)
    }
    return named


def _free(columns: pd.Index) -> str:
    names = ["entity", *(f"entity_{number}" for number in range(2, len(columns) + 2))]
    return next(name for name in names if name not in columns)


def check_tables(out: str | Path, kind: FileKind, inputs: Sequence[Location]) -> None:
    """Refuse a folder that `write_tables` could not write to, or where it would replace an input.

    Args:
        out: folder for the files.
        kind: form of the tables.
        inputs: what is read.

    Raises:
        UserError: names the file.
    """
    _check_folder(Path(out))
    for name in _TABLES:
        check_file(_file_of(Path(out), kind, name), inputs)


def _check_folder(out: Path) -> None:
    if out.is_file():
        raise UserError(f"{out} is a file; name a folder, into which several files are written")


def _file_of(out: Path, kind: FileKind, name: str) -> Path:
    return out / ("result.duckdb" if kind == "duckdb" else f"{name}.{kind}")


def write_tables(
    tables: dict[str, pd.DataFrame], out: str | Path, *, kind: FileKind = "csv", guard_formulas: bool = True
) -> WrittenTables:
    """Write each table to a file of its name.

    Args:
        tables: by name.
        out: folder for the files; those of the same names are replaced.
        kind: form of the tables; "duckdb" writes all of them into one file ``result.duckdb``.
        guard_formulas: see `domains.tables.data.export.write_table`.

    Raises:
        UserError: ``out`` is a file.
        OperationError: the folder cannot be written.
    """
    out = Path(out)
    _check_folder(out)
    make_folder(out)
    rows, guarded = {}, 0
    for name, frame in tables.items():
        path: str | Path = _file_of(out, kind, name)
        if kind == "duckdb":
            path = f"duckdb:///{Path(path).resolve()}?table={name}"
        written = write_table(frame, path, guard_formulas=guard_formulas)
        rows[name] = written.rows
        guarded += written.guarded
    return WrittenTables(out, rows, guarded)
