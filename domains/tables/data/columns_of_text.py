"""Columns of any type to columns of text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import compute

__all__ = ["Column", "text_column", "text_frame", "text_of"]

Column: TypeAlias = pa.ChunkedArray | pa.Array
_OF_PANDAS = ("pandas.period", "pandas.interval")
"""What is stored of them, a number of days or months since 1970 or two ends, is not what they say."""
_EXACT = 2**53  # above it a double no longer tells whole numbers apart


def text_frame(names: Sequence[str], columns: Sequence[Column]) -> pd.DataFrame:
    """A frame of string columns, blank cells missing.

    Args:
        names: unique.
        columns: of text, see `text_column`.
    """
    arrays = [_blank_missing(column) for column in columns]
    table = pa.Table.from_arrays(arrays, names=list(map(str, range(len(arrays)))))
    frame: pd.DataFrame = table.to_pandas(types_mapper={pa.large_string(): pd.StringDtype()}.get)
    frame.columns = pd.Index(list(names), dtype=object)
    return frame


def text_column(column: Column) -> Column:
    """The values of a column as text.

    Text stays as it is. Whole numbers are written without a point, also where the column is one of doubles (a column of
    whole numbers with gaps often is); NaN is missing. Dates are ISO 8601 with a blank before the time; the time is left
    out where it is midnight in the whole column. Lists and records become JSON. Bytes are read as UTF-8 where the whole
    column can be, else written in hexadecimal.

    Args:
        column: of any Arrow type.

    Returns:
        Type ``large_string``.
    """
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return _from_pandas(column) if kind.extension_name in _OF_PANDAS else text_column(_storage(column))
    if pa.types.is_dictionary(kind):
        return text_column(_decoded(column))
    if pa.types.is_large_string(kind):
        return column
    if pa.types.is_floating(kind):
        return _from_floats(column)
    if pa.types.is_timestamp(kind):
        return _from_times(column)
    if pa.types.is_time(kind):
        return _without_fraction(compute.cast(column, pa.large_string()))
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return _from_bytes(column)
    if not (pa.types.is_nested(kind) or pa.types.is_duration(kind)):
        return compute.cast(column, pa.large_string())
    return pa.array([text_of(value) for value in column.to_pylist()], pa.large_string())


def text_of(value: Any) -> str | None:
    """One Python value as text, None if it is missing; written as `text_column` writes a column of such values.

    >>> text_of(1999.0), text_of(0.1), text_of({"a": [1, None]}), text_of(float("nan"))
    ('1999', '0.1', '{"a": [1, null]}', None)
    """
    if isinstance(value, str):
        return value
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, np.datetime64 | np.timedelta64):
        return None if np.isnat(value) else str(value.astype(f"{value.dtype.kind}8[us]").item())
    if isinstance(value, bool | np.bool_):
        return str(value).lower()
    if isinstance(value, float | np.floating):
        near = float(value)
        if near != near:
            return None
        return str(int(near)) if near.is_integer() and near == value and abs(near) < _EXACT else str(value)
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value.hex()
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=text_of)
    return str(value)


def _from_pandas(column: Column) -> Column:
    texts = iter([text_of(value) for value in column.drop_null().to_pandas()])  # missing ends of whole numbers warn
    return pa.array([next(texts) if known else None for known in column.is_valid().to_pylist()], pa.large_string())


def _decoded(column: Column) -> Column:
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    return pa.chunked_array([one.dictionary.take(one.indices) for one in chunks], column.type.value_type)


def _storage(column: Column) -> Column:
    if isinstance(column, pa.ChunkedArray):
        return pa.chunked_array([chunk.storage for chunk in column.chunks], type=column.type.storage_type)
    return column.storage


def _from_floats(column: Column) -> Column:
    single = column.type != pa.float64()
    text = compute.cast(column, pa.large_string())  # the shortest digits of its own width: 0.1, not 0.10000000149
    wide = compute.cast(column, pa.float64()) if single else column
    whole = compute.and_(compute.equal(compute.floor(wide), wide), compute.less(compute.abs(wide), _EXACT))
    whole = compute.fill_null(whole, False)
    number = compute.cast(compute.if_else(whole, wide, pa.scalar(None, pa.float64())), pa.int64())
    text = compute.coalesce(compute.cast(number, pa.large_string()), text)
    return compute.if_else(compute.is_nan(wide), pa.scalar(None, pa.large_string()), text)


def _from_times(column: Column) -> Column:
    text = _without_fraction(compute.cast(column, pa.large_string()))
    midnight = compute.match_substring_regex(text, r"^-?\d{4,}-\d\d-\d\d 00:00:00$")
    if compute.all(midnight, min_count=1).as_py():
        return compute.replace_substring(text, " 00:00:00", "")
    return text


def _without_fraction(text: Column) -> Column:
    return compute.replace_substring_regex(text, r"(:\d\d)\.0+(Z|[+-]\d{4})?$", r"\1\2")


def _from_bytes(column: Column) -> Column:
    try:
        return compute.cast(compute.cast(column, pa.large_binary()), pa.large_string())
    except pa.ArrowInvalid:
        return pa.array([None if v is None else v.hex() for v in column.to_pylist()], pa.large_string())


def _blank_missing(column: Column) -> Column:
    blank = compute.equal(compute.utf8_trim_whitespace(column), "")
    if not compute.any(blank).as_py():
        return column
    return compute.if_else(blank, pa.scalar(None, pa.large_string()), column)
