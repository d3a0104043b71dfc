"""What stands in each column: the first look at a table that somebody else made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import compute

from domains.tables.data.dates import DateOrder, date_order, is_date
from domains.tables.data.kinds import Kind, column_kind
from domains.tables.data.source import Source
from domains.tables.data.table import Table

__all__ = ["ColumnProfile", "candidate_keys", "profile"]

_DESCRIBED = 20_000  # distinct values whose kind is looked at, the most frequent first
_EXAMPLE = 60  # characters of an example


@dataclass(frozen=True)
class ColumnProfile:
    """One column.

    Attributes:
        name: of the column.
        rows: of the table.
        missing: share of missing cells, in [0, 1]; 0 in a table without rows.
        distinct: number of different values.
        examples: up to five values, the most frequent first, long ones cut with an ellipsis.
        kind: see `domains.tables.data.kinds.column_kind`.
        sure: share of the filled cells that have the form of the kind, in [0, 1].
        shortest: characters of the shortest value, 0 if there is none.
        longest: characters of the longest value.
        mean_length: characters on average.
        key: whether no value is missing and none stands twice, in a table of at least two rows.
        order: of day, month and year where the kind is date, else None.
    """

    name: str
    rows: int
    missing: float
    distinct: int
    examples: tuple[str, ...]
    kind: Kind
    sure: float
    shortest: int
    longest: int
    mean_length: float
    key: bool
    order: DateOrder | None = None


def profile(source: Source | Table | pd.DataFrame) -> list[ColumnProfile]:
    """Describe every column; the work is over distinct values.

    Kinds and date orders are told from the 20,000 most frequent values of a column, all else is exact.

    Args:
        source: a table of text columns.

    >>> source = pd.DataFrame({"id": ["1", "2"], "born": ["31/12/1999", None]}, dtype="string")
    >>> [(one.name, one.key, one.missing, one.kind, one.order) for one in profile(source)]
    [('id', True, 0.0, 'identifier', None), ('born', False, 0.5, 'date', 'dmy')]
    """
    frame = source if isinstance(source, pd.DataFrame) else source.frame
    return [_column(str(name), frame.iloc[:, place]) for place, name in enumerate(frame.columns)]


def candidate_keys(profiles: Sequence[ColumnProfile]) -> list[str]:
    """Columns that tell every row from every other, those that look like identifiers first."""
    keys = [one for one in profiles if one.key]
    return [one.name for one in sorted(keys, key=lambda one: one.kind != "identifier")]


def _column(name: str, column: pd.Series) -> ColumnProfile:
    rows = len(column)
    text = compute.cast(pa.Array.from_pandas(column.astype("string")), pa.large_string())
    counted = compute.value_counts(text.drop_null())
    values, counts = counted.field("values"), counted.field("counts").to_numpy(zero_copy_only=False)
    filled = int(counts.sum())
    lengths = compute.utf8_length(values).to_numpy(zero_copy_only=False).astype(np.int64)
    order = np.argsort(-counts, kind="stable")  # of equally frequent values the first in the table comes first
    looked_at = order[:_DESCRIBED]
    sample, times = values.take(pa.array(looked_at)), counts[looked_at]
    kind, sure = column_kind(name, sample, times, rows)
    dates: DateOrder | None = None
    if kind == "date":
        fits = is_date(sample)
        dates = date_order(sample.filter(pa.array(fits)), times[fits])
    return ColumnProfile(
        name,
        rows,
        round(1 - filled / rows, 6) if rows else 0.0,
        len(values),
        tuple(_short(value) for value in sample[:5].to_pylist()),
        kind,
        round(sure, 6),
        int(lengths.min()) if len(lengths) else 0,
        int(lengths.max(initial=0)),
        round(float((lengths * counts).sum() / filled), 3) if filled else 0.0,
        rows > 1 and filled == rows and len(values) == rows,
        dates,
    )


def _short(value: str) -> str:
    return value if len(value) <= _EXAMPLE else value[: _EXAMPLE - 1] + "…"
