"""Claims: what several sources say about the same things, and what is true."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import UserError, unknown_name
from domains.tables.data.read import read_source
from domains.tables.data.roles import find_role
from domains.tables.data.table import Table

__all__ = ["Claims", "read_claims"]


@dataclass(frozen=True, eq=False)
class Claims:
    """n claims; a conflict is an attribute with several values in the rows of one thing.

    Attributes:
        table: one row a claim, with the source that made it; attributes only.
        labels: ``(n,)`` int64, number of the thing that the claim is about, by first row.
        entities: names of the things, by number.
        truth: the true values, one row for each claim, or None.
    """

    table: Table
    labels: NDArray[np.int64]
    entities: NDArray[np.object_]
    truth: pd.DataFrame | None = None

    def conflicts(self) -> pd.DataFrame:
        """One row for each thing and attribute with more than one distinct value.

        Returns:
            Columns ``entity`` (number), ``attribute``, ``candidates`` (distinct values) and, with truth, ``truth``.
        """
        parts = []
        for column in self.table.columns:
            counts = self.table.frame[column].groupby(self.labels).nunique()
            several = counts.index[counts > 1]
            part = pd.DataFrame({"entity": several, "attribute": column, "candidates": counts[several].to_numpy()})
            if self.truth is not None:
                part["truth"] = self.truth[column].groupby(self.labels).first()[several].to_numpy(dtype=object)
            parts.append(part)
        return pd.concat(parts, ignore_index=True)


def read_claims(
    path: str | Path, truth: str | Path | None = None, *, source: str | None = None, entity: str | None = None
) -> Claims:
    """Read any table of claims (source, thing, attribute values), and the clean version of it.

    Args:
        path: the claims: CSV, Parquet or whatever `domains.tables.data.read.read_source` reads.
        truth: the same rows with true values, in any order; rows are found by source and thing.
        source: the column that names the source; by default one called source or src.
        entity: the column that names the thing; by default the first column that repeats and of which each source has
            every value once.

    Raises:
        UserError: no such file or column, a claim without source or thing, or truth that does not fit the claims.
    """
    path = Path(path)
    frame = read_source(str(path)).frame
    names = [str(column) for column in frame.columns]
    source = find_role(names, "source", source)
    if source is None:
        raise UserError(f"{path} has no column of sources; name it with source=, one of {', '.join(names)}")
    entity = _entity_column(path, frame, source, entity)
    for column in (source, entity):
        missing = np.flatnonzero(frame[column].isna().to_numpy())
        if missing.size:
            raise UserError(f"{path}: row {missing[0] + 1} has no value in {column!r}; every claim needs one")
    attributes = [name for name in names if name not in (source, entity)]
    if not attributes:
        raise UserError(f"{path} has no attributes besides {source!r} and {entity!r}")
    labels, entities = pd.factorize(frame[entity])
    table = Table.of(frame[attributes], source=frame[source].tolist(), name=path.stem)
    true = None if truth is None else _truth(frame, Path(truth), source, entity, attributes)
    return Claims(table, labels.astype(np.int64), np.asarray(entities, dtype=object), true)


def _entity_column(path: Path, frame: pd.DataFrame, source: str, given: str | None) -> str:
    others = [str(column) for column in frame.columns if column != source]
    if given is not None:
        if given not in others:
            raise unknown_name("entity column", given, others)
        return given
    for column in others:
        repeats = frame[column].notna().all() and frame[column].duplicated().any()
        if repeats and not frame.duplicated([source, column]).any():
            return column
    raise UserError(
        f"{path}: no column tells what a claim is about (repeated, and once for each source); name it with entity=, "
        f"one of {', '.join(others)}"
    )


def _truth(frame: pd.DataFrame, path: Path, source: str, entity: str, attributes: list[str]) -> pd.DataFrame:
    clean = read_source(str(path)).frame
    for column in (source, entity, *attributes):
        if column not in clean.columns:
            raise unknown_name(f"column of {path}", column, map(str, clean.columns))
    keys = [source, entity]
    if not clean.duplicated(keys).any() and not frame.duplicated(keys).any():
        clean = frame[keys].merge(clean, on=keys, how="left", indicator="found")
        lost = np.flatnonzero((clean["found"] != "both").to_numpy())
        if lost.size:
            what = " of ".join(map(repr, frame[[entity, source]].iloc[lost[0]]))
            raise UserError(f"{path} lacks {lost.size} of the claims, first that about {what}")
    elif len(clean) != len(frame) or not clean[keys].equals(frame[keys]):
        raise UserError(
            f"{path}: claims are not told apart by {source!r} and {entity!r}, so its rows must stand in the same order"
        )
    return pd.DataFrame({column: clean[column].astype("string") for column in attributes})
