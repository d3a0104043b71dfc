"""Outer union: the rows of all sources under the columns of a mapping, with where each came from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from core.errors import UserError
from domains.tables.align.mapping import ColumnMapping, NamedFrame
from domains.tables.data.table import Table

__all__ = ["outer_union"]


def outer_union(sources: Sequence[NamedFrame], mapping: ColumnMapping, *, name: str = "table") -> Table:
    """All rows of all sources, in their order; cells of columns that a source does not have are missing.

    Values are copied as they are; rows are neither merged nor dropped.

    Args:
        sources: with the names that the mapping knows.
        mapping: see `domains.tables.align.columns.align`.
        name: of the union.

    Raises:
        UserError: the mapping does not fit the sources, or has no targets.

    >>> from types import SimpleNamespace
    >>> from domains.tables.align.columns import align
    >>> text = pd.StringDtype()
    >>> a = SimpleNamespace(name="a", frame=pd.DataFrame({"zip": ["60601"]}, dtype=text))
    >>> b = SimpleNamespace(name="b", frame=pd.DataFrame({"Postal code": ["60602"], "fax": ["1"]}, dtype=text))
    >>> outer_union([a, b], align([a, b])).frame.values.tolist()
    [['60601', <NA>], ['60602', '1']]
    """
    if not mapping.targets:
        raise UserError("the mapping has no targets, so the union would have no columns; give it at least one")
    mapping.check_sources(sources)
    lengths = [len(source.frame) for source in sources]
    columns = {}
    for target in mapping.targets:
        parts = []
        for source, length in zip(sources, lengths, strict=True):
            column = target.column_of(source.name)
            if column is None:
                parts.append(pd.Series(pd.NA, index=range(length), dtype="string"))
            else:
                parts.append(source.frame[column].astype("string"))
        columns[target.name] = pd.concat(parts, ignore_index=True)
    names = np.array([source.name for source in sources], dtype=object)
    rows = [np.arange(length, dtype=np.int64) for length in lengths]
    return Table(
        pd.DataFrame(columns),
        np.repeat(names, lengths),
        np.concatenate(rows),
        name,
    )
