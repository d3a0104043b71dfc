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
from domains.tables.data.database import quoted
from domains.tables.data.locate import Location
from domains.tables.data.workbook_write import write_workbook

__all__ = ["Written", "output_place", "write_table"]

_ROWS = 50_000
_DELIMITED = (".csv", ".tsv")


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
    for number, name in enumerate(names):
        if name in names[:number]:
            raise UserError(f"{path}: two columns are called {name!r}; rename one of them")
    if not names:
        raise UserError(f"{path}: the table has no columns")
    place = output_place(path)
    if place.database is not None:
        return _write_duckdb(frame, place)
    ending = place.path.suffix.lower()
    if ending in _DELIMITED:
        return _write_delimited(frame, place.path, guard=guard_formulas)
    _WRITERS[ending](frame, place.path)
    return Written(place.path, len(frame))


def output_place(path: str | Path) -> Location:
    """The place that a table would be written to; nothing is looked at but the name.

    Args:
        path: as of `write_table`.

    Raises:
        UserError: no form of tables that can be written.
    """
    place = Location.of(str(path))
    if place.database is not None:
        if place.database.system != "duckdb" or place.database.table is None:
            raise UserError(f"{path!r}: a table is written to duckdb:///FILE?table=T")
        return place
    ending = place.path.suffix.lower()
    if ending not in (*_DELIMITED, *_WRITERS):
        raise UserError(
            f"{path}: tables are written as .csv, .tsv, .parquet, .jsonl, .xlsx or duckdb:///FILE?table=T, "
            f"not as {ending or 'a file without ending'}"
        )
    return place


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


def _write_duckdb(frame: pd.DataFrame, place: Location) -> Written:
    address, target = place.spec, place.database.table if place.database else None
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
            connection.execute(f"CREATE OR REPLACE TABLE {quoted(str(target))} AS SELECT * FROM rows_to_write")
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


_WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    ".parquet": _write_parquet,
    ".jsonl": _write_json_lines,
    ".xlsx": write_workbook,
}
