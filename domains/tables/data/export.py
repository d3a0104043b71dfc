"""Tables written to files: CSV, Parquet, JSON lines, Excel, DuckDB."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from core.atomic import atomic_write, make_folder
from core.errors import OperationError, UserError
from domains.tables.data import formulas
from domains.tables.data.columns_of_text import text_column
from domains.tables.data.csv_write import write_delimited
from domains.tables.data.database import DatabaseAddress, quoted
from domains.tables.data.workbook_write import write_workbook

__all__ = ["Written", "write_table"]

_ROWS = 50_000


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        path: the file.
        rows: number of rows.
        guarded: cells and column names that got an apostrophe, see `domains.tables.data.formulas.guard_formulas`.
    """

    path: Path
    rows: int
    guarded: int = 0


def write_table(frame: pd.DataFrame, path: str | Path, *, guard_formulas: bool = True) -> Written:
    """Write a table; the file is whole or not there, an old one stays until the new one is complete.

    The ending says the form: ``.csv`` and ``.tsv`` (UTF-8, quotes where needed), ``.parquet``, ``.jsonl``, ``.xlsx``,
    or ``duckdb:///FILE?table=T``, which replaces one table and leaves the others of that database alone. Missing cells
    are empty in CSV and Excel, else NULL. The index is not written.

    Args:
        frame: any columns with names that differ.
        path: where to.
        guard_formulas: in CSV and TSV, put an apostrophe before text cells that a spreadsheet program would run as
            formulas. It changes the values; turn it off where only programs read the file. The other forms keep text
            apart from formulas and need none.

    Raises:
        UserError: another ending, a column name twice, or content that the form cannot hold.
        OperationError: disk full, folder not writable.
    """
    names = [str(column) for column in frame.columns]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise UserError(f"{path}: two columns are called {name!r}; rename one of them")
    if not names:
        raise UserError(f"{path}: the table has no columns")
    if "://" in str(path):
        return _write_duckdb(frame, str(path))
    target = Path(path)
    ending = target.suffix.lower()
    if ending in (".csv", ".tsv"):
        return _write_delimited(frame, target, guard=guard_formulas)
    writers: dict[str, Callable[[pd.DataFrame, Path], None]] = {
        ".parquet": _write_parquet,
        ".jsonl": _write_json_lines,
        ".xlsx": write_workbook,
    }
    if ending not in writers:
        raise UserError(
            f"{target}: tables are written as .csv, .tsv, .parquet, .jsonl, .xlsx or duckdb:///FILE?table=T, "
            f"not as {ending or 'a file without ending'}"
        )
    writers[ending](frame, target)
    return Written(target, len(frame))


def _write_delimited(frame: pd.DataFrame, path: Path, *, guard: bool) -> Written:
    names = pa.array([str(column) for column in frame.columns], pa.large_string())
    columns = list(_arrow(frame, path).columns)
    count = 0
    if guard:
        names, count = formulas.guard_formulas(names)
        for place, column in enumerate(columns):
            if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
                columns[place], changed = formulas.guard_formulas(column)
                count += changed
    text = [text_column(column) for column in columns]
    with atomic_write(path, "wb") as file:
        write_delimited(file, names.to_pylist(), text, "," if path.suffix.lower() == ".csv" else "\t")
    return Written(path, len(frame), count)


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    table = _arrow(frame, path)
    with atomic_write(path, "wb") as file:
        parquet.write_table(table, file, compression="zstd")


def _write_json_lines(frame: pd.DataFrame, path: Path) -> None:
    frame = frame.set_axis([str(column) for column in frame.columns], axis=1)
    with atomic_write(path, "wb") as file:
        for start in range(0, len(frame), _ROWS):
            part = frame.iloc[start : start + _ROWS].to_json(orient="records", lines=True, force_ascii=False)
            file.write(part.encode("utf-8"))


def _write_duckdb(frame: pd.DataFrame, address: str) -> Written:
    place = DatabaseAddress.parse(address)
    if place.system != "duckdb" or place.table is None:
        raise UserError(f"{address!r}: a table is written to duckdb:///FILE?table=T")
    try:
        import duckdb
    except ImportError as error:
        raise UserError(f"{address}: DuckDB files need duckdb; install counterpoint[tables]") from error
    folded: dict[str, str] = {}
    for name in map(str, frame.columns):
        other = folded.setdefault(name.lower(), name)
        if other != name:
            raise UserError(f"{address}: DuckDB takes the columns {other!r} and {name!r} for one; rename one of them")
    table = _arrow(frame, place.path)
    make_folder(place.path.parent)
    # an existing database changes in one transaction; a new one is made beside its place and then moved there
    new = not place.path.exists()
    file = place.path.with_name(f".{place.path.name}.{os.getpid()}.part") if new else place.path
    try:
        with duckdb.connect(str(file)) as connection:
            connection.register("rows_to_write", table)
            connection.execute(f"CREATE OR REPLACE TABLE {quoted(place.table)} AS SELECT * FROM rows_to_write")
        if new:
            os.replace(file, place.path)
    except (duckdb.Error, OSError) as error:
        raise OperationError(f"cannot write {address}: {error}; nothing was changed") from error
    finally:
        if new:
            file.unlink(missing_ok=True)
    return Written(place.path, len(frame))


def _arrow(frame: pd.DataFrame, path: Path) -> pa.Table:
    try:
        arrays = [pa.Array.from_pandas(frame.iloc[:, place]) for place in range(frame.shape[1])]
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise UserError(f"{path}: a column holds values of several types: {error}; make them text first") from error
    return pa.Table.from_arrays(arrays, names=[str(column) for column in frame.columns])
