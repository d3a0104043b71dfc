"""Parquet files as text."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from core.errors import UserError
from domains.tables.data.columns_of_text import text_column, text_frame
from domains.tables.data.headers import unique_headers
from domains.tables.data.source import Source

__all__ = ["read_parquet"]


def read_parquet(path: Path, name: str) -> Source:
    """Read a Parquet file; values as `domains.tables.data.columns_of_text.text_column` writes them.

    An index that pandas kept as a column is a column like others.

    Args:
        path: the file.
        name: of the source.

    Raises:
        UserError: not a Parquet file, or a damaged one.
    """
    pa.array(pd.PeriodIndex([], freq="D"))  # with the first one pandas tells Arrow how its own types are stored
    try:
        with parquet.ParquetFile(path) as file:
            table = file.read()
            columns = [text_column(column) for column in table.columns]
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} cannot be read as Parquet: {_short(error)}; is it damaged or cut off?") from error
    if not columns:
        raise UserError(f"{path} has no columns; give a table, or take the file away")
    names, notes = unique_headers(table.column_names)
    return Source(name, text_frame(names, columns), notes=tuple(notes), origin=str(path))


def _short(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".")
