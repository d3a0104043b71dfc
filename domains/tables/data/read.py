"""One door for all tables: a file of any known form, a table of a database, or a data frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from core.errors import UserError
from domains.tables.data.columns_of_text import Column, text_column, text_frame, text_of
from domains.tables.data.database import read_database
from domains.tables.data.headers import unique_headers
from domains.tables.data.locate import Location, file_kind, locate, unique_names
from domains.tables.data.source import Source

__all__ = ["Source", "read_source", "read_sources"]

_FRAME = "table"
"""Name of a data frame that has none."""


def read_source(
    spec: str | Path | pd.DataFrame,
    *,
    name: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
    header: bool = True,
    fill_short_rows: bool = False,
) -> Source:
    """Read one table as text: no value is changed, no row is lost.

    Args:
        spec: a file (CSV, TSV or other delimited text, compressed or not; JSON lines or an array of objects; Parquet;
            Excel), told by its content first and its ending second; ``book.xlsx?sheet=Two``; a table of a database,
            ``duckdb:///FILE?table=T`` or ``sqlite:///FILE?query=SELECT...``; or a data frame, whose index is dropped.
        name: of the source; by default that of the file or the table.
        encoding: of text files; guessed if None.
        delimiter: of delimited text; guessed if None.
        sheet: of a workbook; the first that is not empty if None.
        header: whether the first row of delimited text or of a sheet names the columns.
        fill_short_rows: of delimited text: give rows with too few cells missing ones instead of rejecting them.

    Returns:
        Empty cells, NULL and cells of white space are missing; everything else is text as it stands, with the exact
        rules of `domains.tables.data.delimited.read_delimited`, `domains.tables.data.workbook.read_workbook`,
        `domains.tables.data.json_lines.read_json_lines` and `domains.tables.data.columns_of_text.text_column`.

    Raises:
        UserError: no such file or table, several where one is wanted, or nothing in it that can be read.

    >>> source = read_source(pd.DataFrame({"id": ["007", ""], "born": [1952.0, None]}))
    >>> source.frame.values.tolist()
    [['007', '1952'], [<NA>, <NA>]]
    """
    if isinstance(spec, pd.DataFrame):
        return _from_frame(spec, name or _FRAME)
    found = locate(spec)
    if len(found) > 1:
        shown = ", ".join(str(one.path) for one in found[:5])
        raise UserError(f"{spec} holds {len(found)} tables, and one is wanted: {shown}{' ...' if found[5:] else ''}")
    place = found[0]
    name = name or unique_names(found)[0]
    if place.database is not None:
        return read_database(place.database, name)
    kind = file_kind(place.path)
    if kind == "parquet":
        from domains.tables.data.parquet import read_parquet

        return read_parquet(place.path, name)
    if kind == "excel":
        from domains.tables.data.workbook import read_workbook

        return read_workbook(place.path, name, sheet=place.sheet or sheet, header=header)
    if kind == "json":
        from domains.tables.data.json_lines import read_json_lines

        return read_json_lines(place.path, name, encoding=encoding)
    from domains.tables.data.delimited import read_delimited

    return read_delimited(
        place.path,
        name,
        encoding=encoding,
        delimiter=delimiter,
        header=header,
        fill_short_rows=fill_short_rows,
    )


def read_sources(
    specs: Sequence[str | Path | pd.DataFrame | Source],
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
    header: bool = True,
    fill_short_rows: bool = False,
) -> list[Source]:
    """Read several tables; folders and wildcards stand for all tables in them, sorted by name.

    Args:
        specs: as `read_source`, folders and wildcards too; and sources that were read already, which stay as they are
            but for a name that another one has too.
        encoding: of all text files; guessed for each if None.
        delimiter: of all delimited text.
        sheet: of all workbooks.
        header: whether first rows name the columns.
        fill_short_rows: of delimited text.

    Returns:
        Sources with names that differ: files of one name are told apart by ending, then by folder.

    Raises:
        UserError: nothing to read, or as `read_source`.
    """
    places: list[Location | pd.DataFrame | Source] = []
    for spec in specs:
        places += [spec] if isinstance(spec, pd.DataFrame | Source) else locate(spec)
    if not places:
        raise UserError("there is no table to read; name at least one file, folder or database")
    sources = []
    for place, name in zip(places, unique_names([_named(place) for place in places]), strict=True):
        if isinstance(place, Source):
            sources.append(replace(place, name=name))
            continue
        spec = place if isinstance(place, pd.DataFrame) else place.spec
        source = read_source(
            spec,
            name=name,
            encoding=encoding,
            delimiter=delimiter,
            sheet=sheet,
            header=header,
            fill_short_rows=fill_short_rows,
        )
        sources.append(source)
    return sources


def _named(place: Location | pd.DataFrame | Source) -> Location | str:
    if isinstance(place, Location):
        return place
    return place.name if isinstance(place, Source) else _FRAME


def _from_frame(frame: pd.DataFrame, name: str) -> Source:
    names, notes = unique_headers([str(column) for column in frame.columns])
    if not names:
        raise UserError("the data frame has no columns")
    columns = [_arrow(frame.iloc[:, place]) for place in range(len(names))]
    return Source(name, text_frame(names, columns), notes=tuple(notes), origin="data frame")


def _arrow(column: pd.Series) -> Column:
    if isinstance(column.dtype, pd.SparseDtype):
        column = pd.Series(np.asarray(column), name=column.name)
    try:
        return _values(column) if column.dtype == object else text_column(pa.Array.from_pandas(column))
    except pa.ArrowException:  # it has no complex numbers, no categories of several types, no types of other packages
        return _values(column)
    except UnicodeEncodeError as error:
        raise UserError(f"column {column.name!r} of the data frame holds half of a surrogate pair") from error


def _values(column: pd.Series) -> Column:
    known = zip(column.tolist(), column.notna().tolist(), strict=True)
    return pa.array([text_of(value) if there else None for value, there in known], pa.large_string())
