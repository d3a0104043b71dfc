"""A table whose true clusters are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import UserError, unknown_name
from domains.tables.data.read import read_source
from domains.tables.data.roles import find_role, need_role
from domains.tables.data.table import Table

__all__ = ["LabelledTable", "read_clusters"]


@dataclass(frozen=True, eq=False)
class LabelledTable:
    """Rows and which of them are the same thing.

    Attributes:
        table: the rows, without the columns of cluster, source and key, which would give the answer away.
        labels: ``(n,)`` int64, rows with equal labels are the same thing; numbered by first row.
        key: ``(n,)`` object array of row identifiers, if the file has any.
    """

    table: Table
    labels: NDArray[np.int64]
    key: NDArray[np.object_] | None = None

    @property
    def true_pairs(self) -> int:
        """Number of pairs of rows that are the same thing."""
        sizes = np.bincount(self.labels)
        return int((sizes * (sizes - 1) // 2).sum())


def read_clusters(
    path: str | Path,
    *,
    cluster: str | None = None,
    source: str | None = None,
    key: str | None = None,
    columns: Sequence[str] = (),
) -> LabelledTable:
    """Read any table with a column of clusters.

    Args:
        path: CSV, Parquet or whatever `domains.tables.data.read.read_source` reads.
        cluster: the column of clusters; by default one called cluster_id, true id and the like.
        source: the column that names the source of each row; by default one called source or src; without it all rows
            are of one source, named as the file.
        key: the column of row identifiers; by default one called id, rec_id, record_id and the like whose values are
            all there and all different.
        columns: attributes to keep; by default all others.

    Raises:
        UserError: no such file or column, or a row without a cluster.
    """
    path = Path(path)
    frame = read_source(str(path)).frame
    names = [str(column) for column in frame.columns]
    cluster = need_role(path, names, "cluster", cluster)
    source = find_role([n for n in names if n != cluster], "source", source)
    key = _key_column(frame, [n for n in names if n not in (cluster, source)], key)
    missing = np.flatnonzero(frame[cluster].isna().to_numpy())
    if missing.size:
        raise UserError(
            f"{path}: row {missing[0] + 1} has no value in {cluster!r} ({missing.size} of {len(frame)} have none); "
            "give rows that are alone a cluster of their own"
        )
    for column in columns:
        if column not in names:
            raise unknown_name(f"column of {path}", column, names)
    kept = list(columns) or [name for name in names if name not in (cluster, source, key)]
    if not kept:
        raise UserError(f"{path} has no attributes besides {', '.join(names)}; nothing is left to compare")
    labels = pd.factorize(frame[cluster])[0].astype(np.int64)
    given = path.stem if source is None else frame[source].fillna("unknown").tolist()
    table = Table.of(frame[kept], source=given, name=path.stem)
    return LabelledTable(table, labels, None if key is None else frame[key].to_numpy(dtype=object))


def _key_column(frame: pd.DataFrame, names: list[str], given: str | None) -> str | None:
    key = find_role(names, "key", given)
    if key is not None and given is None and (frame[key].isna().any() or not frame[key].is_unique):
        return None  # an ordinary attribute that is called id
    return key
