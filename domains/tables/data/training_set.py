"""What a method learns from and is scored on: one table, and what is known of its rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domains.tables.align.columns import align
from domains.tables.align.union import outer_union
from domains.tables.data.claims import Claims
from domains.tables.data.datasets import BenchmarkSet, read_dataset
from domains.tables.data.embedded.load import EMBEDDED, load_embedded
from domains.tables.data.labelled import LabelledTable
from domains.tables.data.pair_set import PairSet
from domains.tables.data.table import Table

__all__ = ["KnownPairs", "TrainingSet", "read_training_set"]


@dataclass(frozen=True, eq=False)
class KnownPairs:
    """Pairs with labels.

    Attributes:
        left: ``(p,)`` int64 rows.
        right: ``(p,)`` int64 rows.
        label: ``(p,)`` float32, 1 for the same thing, 0 for different ones.
        split: ``(p,)`` object, "train", "valid" or "test".
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    label: NDArray[np.float32]
    split: NDArray[np.object_]

    def part(self, split: str) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """The pairs of one part; none if there is no such part."""
        chosen = self.split == split
        return self.left[chosen], self.right[chosen], self.label[chosen]


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """A table to learn from.

    Attributes:
        name: shown to people.
        table: n rows.
        labels: ``(n,)`` which rows are the same thing, or None.
        pairs: pairs with labels, or None.
    """

    name: str
    table: Table
    labels: NDArray[np.int64] | None = None
    pairs: KnownPairs | None = None


def read_training_set(name_or_path: str) -> TrainingSet:
    """Read an embedded set, a set of the catalogue, or tables of your own.

    Rows of a pair set are the distinct rows of both sides. The columns of several tables are brought together first.

    Args:
        name_or_path: ``libraries``, or what `domains.tables.data.datasets.read_dataset` takes.

    Raises:
        UserError: no such name or path.
    """
    if name_or_path in EMBEDDED:
        sources, truth = load_embedded(name_or_path)
        table = outer_union(sources, align(sources), name=name_or_path)
        known = truth.set_index(["source", "row"])["entity"]
        labels = known.loc[list(zip(table.source.tolist(), table.row.tolist(), strict=True))].to_numpy(np.int64)
        return TrainingSet(name_or_path, table, labels)
    return _from_set(name_or_path, read_dataset(name_or_path))


def _from_set(name: str, found: BenchmarkSet) -> TrainingSet:
    if isinstance(found, LabelledTable | Claims):
        return TrainingSet(found.table.name, found.table, found.labels)
    if isinstance(found, PairSet):
        table, left, right = found.records()
        return TrainingSet(
            found.name, table, None, KnownPairs(left, right, found.label.astype(np.float32), found.split)
        )
    return TrainingSet(name, outer_union(found.sources, align(found.sources), name=found.name))
