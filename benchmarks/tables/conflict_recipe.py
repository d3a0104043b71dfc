"""Conflicts made from a clean table: pretended sources that are right with a probability of their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from domains.tables.data.table import Table

__all__ = ["MadeConflicts", "make_conflicts"]

_SOURCES = 5
_FEWEST, _MOST = 3, 5
_RELIABILITY = (0.3, 0.8)
_COLLUDING = 3
"""Sources that repeat what the first of them says, in the variant in which the majority fails."""
_COLLUDING_RELIABILITY = 0.3


@dataclass(frozen=True, eq=False)
class MadeConflicts:
    """Rows of pretended sources about the things of a clean table.

    Attributes:
        table: one row for each claim: a thing with one attribute as the source has it.
        labels: ``(n,)`` int64, row of the clean table.
        attribute: ``(g,)`` object, the attribute that is claimed of each thing.
        truth: ``(g,)`` object, its true value.
    """

    table: Table
    labels: NDArray[np.int64]
    attribute: NDArray[np.object_]
    truth: NDArray[np.object_]


def make_conflicts(clean: pd.DataFrame, *, colluding: bool, seed: int) -> MadeConflicts:
    """The recipe of Ji et al. (2412.00324): for each thing one text attribute, claimed by 3 to 5 pretended sources.

    Each of five sources has a reliability from U(0.3, 0.8) and gives the true value with that probability, otherwise
    another value of the column. That five sources serve all things is ours; the report does not say how many there are.
    In the colluding variant three of them say what the first of them says, which is right in 30 % of its claims.

    Args:
        clean: text columns, missing values ``pd.NA``; each row has a value in a column that is not of numbers.
        colluding: the variant.
        seed: of everything.
    """
    rng = np.random.default_rng(seed)
    reliability = rng.uniform(*_RELIABILITY, _SOURCES)
    if colluding:
        reliability[:_COLLUDING] = _COLLUDING_RELIABILITY
    text = [c for c in clean.columns if not clean[c].dropna().str.fullmatch(r"[\d.,\s]*").all()]
    rows, labels, sources, attributes, truths = [], [], [], [], []
    for thing, row in enumerate(clean.to_dict("records")):
        known = [c for c in text if isinstance(row[c], str)]
        attribute = known[rng.integers(len(known))]
        truth = row[attribute]
        others = [value for value in clean[attribute].dropna().unique() if value != truth]
        said: dict[int, str] = {}
        for source in np.sort(rng.permutation(_SOURCES)[: rng.integers(_FEWEST, _MOST + 1)]).tolist():
            right = rng.random() < reliability[source]
            value = truth if right or not others else others[rng.integers(len(others))]
            if colluding and source < _COLLUDING:
                value = said.setdefault(0, value)
            rows.append({**row, attribute: value})
            labels.append(thing)
            sources.append(f"source {source + 1}")
        attributes.append(attribute)
        truths.append(truth)
    table = Table.of(pd.DataFrame(rows, columns=clean.columns), source=sources, name="made conflicts")
    return MadeConflicts(table, np.array(labels), np.array(attributes, dtype=object), np.array(truths, dtype=object))
