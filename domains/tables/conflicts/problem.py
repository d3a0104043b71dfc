"""What rules of survivorship see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import UserError, unknown_name
from domains.tables.conflicts.candidates import Candidates, candidates_of
from domains.tables.conflicts.comparable import comparable
from domains.tables.data.table import Table

__all__ = ["Problem", "problem_of"]


@dataclass(frozen=True, eq=False)
class Problem:
    """The table, its sets of rows, and the candidates of each attribute.

    Attributes:
        table: n rows.
        labels: ``(g,)`` int64, label of each entity, ascending.
        entity: ``(n,)`` int64 in [0, g), entity of each row.
        candidates: by attribute, in the order of the columns.
        given: values that a person has settled, by (entity, attribute).
        known: those of them that are among the candidates, as candidates.
        whole: the table of which the rows are a part; which sources there are, and how dates are written, is read in
            it. The table itself if all is resolved.
    """

    table: Table
    labels: NDArray[np.int64]
    entity: NDArray[np.int64]
    candidates: dict[str, Candidates]
    given: dict[tuple[int, str], str]
    known: dict[tuple[int, str], int]
    whole: Table


def problem_of(
    table: Table,
    labels: NDArray[np.int64],
    known: Mapping[tuple[int, str], str] | None = None,
    whole: Table | None = None,
) -> Problem:
    """Group the values of a table.

    Args:
        table: n rows.
        labels: ``(n,)`` integers, the set of each row.
        known: values that a person has settled, by (label, attribute).
        whole: the table of which the rows are a part; None is the table itself.

    Raises:
        UserError: labels that do not fit, or a known value for a label or an attribute that is not there.
    """
    labels = np.asarray(labels)
    if labels.shape != (len(table),) or not np.issubdtype(labels.dtype, np.integer):
        raise UserError(f"{len(table)} rows need as many whole numbers as labels, got {labels.dtype} {labels.shape}")
    values, entity = np.unique(labels.astype(np.int64), return_inverse=True)
    source = pd.factorize(pd.Series(table.source, dtype=object), sort=True)[0].astype(np.int64)
    candidates = {
        column: candidates_of(table.frame[column], column, entity, len(values), source) for column in table.columns
    }
    found: dict[tuple[int, str], int] = {}
    given: dict[tuple[int, str], str] = {}
    for (label, attribute), text in (known or {}).items():
        if attribute not in candidates:
            raise unknown_name("column of a known value", attribute, table.columns)
        place = int(np.searchsorted(values, label))
        if place == len(values) or values[place] != label:
            raise UserError(f"the known value of {attribute!r} is for entity {label}, which is no label")
        given[place, attribute] = text
        one = candidates[attribute]
        at, end = one.start[place], one.start[place + 1]
        same = np.flatnonzero(one.key[at:end] == comparable([text])[0])
        if same.size:
            found[place, attribute] = int(at + same[0])
    return Problem(table, values, entity.astype(np.int64), candidates, given, found, whole or table)
