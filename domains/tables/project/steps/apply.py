"""New rows against a trained project: which entity each one is, without learning anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import UserError
from domains.tables.align.columns import align as match_columns
from domains.tables.align.mapping import ColumnMapping
from domains.tables.blocking.default import blocker_of
from domains.tables.blocking.identical import WithoutCopies
from domains.tables.blocking.pairs import Candidates
from domains.tables.data.read import read_source
from domains.tables.data.table import Table
from domains.tables.matching.likelihood_matcher import IDENTICAL, LikelihoodMatcher
from domains.tables.outcome import entity_names
from domains.tables.project.folder import Project
from domains.tables.project.freshness import require
from domains.tables.project.present_sets import smallest_rows
from domains.tables.project.stored import load_table
from domains.tables.sets.discover import discover_sets
from domains.tables.sets.graph import PairGraph

__all__ = ["Applied", "apply"]

LARGEST = 50
"""Of an entity of more rows so many stand for it, evenly drawn: all of them would be too many to compare."""


@dataclass(frozen=True, eq=False)
class Applied:
    """What became of new rows.

    Attributes:
        rows: one for each new row, in their order: ``row`` (from 0), ``entity`` (an id of the project, or ``new1``,
            ``new2``, ... for things that the project does not have), ``probability`` (mean over the entity's rows,
            of a large entity over fifty of them; missing for new things), then the columns of the union.
        matched: number of rows of known entities.
        things: number of new things among the others.
        ignored: columns of the new table that have no place in the union.
        rejected: rows of the file that could not be read.
    """

    rows: pd.DataFrame
    matched: int
    things: int
    ignored: tuple[str, ...]
    rejected: int


def apply(project: Project, new: str | Path) -> Applied:
    """Find the entity of each row of a new table.

    Columns are matched with the union, pairs are scored by the matcher as it was trained, and a new row joins the
    entity whose rows are on average at least as probable as the threshold. Entities stay as they are: a new row never
    joins two of them. New rows may be one new thing together. The project is not changed; to keep the rows, name the
    file in ``project.yaml`` and run the steps again, which keeps all ids.

    Args:
        project: after `resolve`.
        new: any table, see `domains.tables.data.read.read_source`.

    Raises:
        UserError: no column of the new table fits the union, or an earlier step has to be run first.
    """
    require(project, "resolve")
    entity = project.read_frame("resolve", "entities.parquet")["entity"].to_numpy(np.int64)
    threshold = float(project.finished("cluster").facts["threshold"])
    thin = WithoutCopies.of(load_table(project))
    table, entity, settings = thin.table, entity[thin.rows], project.settings
    source = read_source(new)
    name = _free_name(source.name, table.sources)
    frame, ignored = _under_union(project, table, source.frame, name)
    joined = _joined(table, frame, name)
    first = len(table)
    found = blocker_of(settings.block.method, joined, settings.block.neighbours).candidates(joined)
    found = _with_whole_entities(found, entity, first)
    graph = LikelihoodMatcher.load(project.file("match", "matcher.json")).predict(joined, found)
    label, probability = _assign(graph, entity, first, threshold)
    _follow_copies(graph.copies, entity, first, label, probability)
    known = label >= 0
    names = np.where(known, entity_names(np.where(known, label, 0)), "")
    things = np.unique(label[~known])
    for number, thing in enumerate(things[::-1], start=1):
        names[label == thing] = f"new{number}"
    rows = pd.DataFrame({"row": np.arange(len(frame)), "entity": names, "probability": probability})
    clash = [column for column in rows.columns if column in frame.columns]
    if clash:
        raise UserError(f"a column of the union is called {clash[0]!r}; rename the target in {project.mapping_path}")
    project.log("apply", rows=len(frame), matched=int(known.sum()))
    return Applied(rows.join(frame), int(known.sum()), len(things), ignored, len(source.rejects))


def _free_name(name: str, taken: list[str]) -> str:
    """A source of the same name may be the same list again; its rows are other rows all the same."""
    while name in taken:
        name = f"{name} (new)"
    return name


def _under_union(project: Project, table: Table, new: pd.DataFrame, name: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The new rows under the columns of the union, and the columns that have no place there.

    A column that is called as one of the sources' columns goes where that one went; the others are matched by all that
    speaks for it.
    """
    mapping = ColumnMapping.from_yaml(project.mapping_path.read_text("utf-8"), name=project.mapping_path)
    place: dict[str, str] = {}
    for column in map(str, new.columns):
        called = {t.name for t in mapping.targets if any(_same(m.ref.column, column) for m in t.members)}
        called |= {target for target in table.columns if _same(target, column)}
        if len(called) == 1 and (target := called.pop()) not in place:
            place[target] = column
    left = table.frame.drop(columns=list(place))
    rest = new.drop(columns=list(place.values()))
    if left.shape[1] and rest.shape[1]:
        matched = match_columns([SimpleNamespace(name="union", frame=left), SimpleNamespace(name="new", frame=rest)])
        for group in matched.targets:
            known, own = group.column_of("union"), group.column_of("new")
            if known is not None and own is not None:
                place[known] = own
    if not place:
        raise UserError(
            f"no column of {name!r} ({', '.join(map(str, new.columns))}) is like one of the union "
            f"({', '.join(table.columns)}); rename its columns"
        )
    missing = pd.Series(pd.NA, index=range(len(new)), dtype="string")
    frame = pd.DataFrame({column: new[place[column]] if column in place else missing for column in table.columns})
    return frame.reset_index(drop=True), tuple(str(c) for c in new.columns if str(c) not in place.values())


def _same(one: str, other: str) -> bool:
    return " ".join(one.casefold().split()) == " ".join(other.casefold().split())


def _joined(table: Table, frame: pd.DataFrame, name: str) -> Table:
    both = pd.concat([table.frame, frame], ignore_index=True).astype("string")
    source = np.concatenate([table.source, np.full(len(frame), name, dtype=object)])
    return Table(both, source, np.concatenate([table.row, np.arange(len(frame))]), table.name)


def _with_whole_entities(found: Candidates, entity: NDArray[np.int64], first: int) -> Candidates:
    """Pairs of new rows, and of each new row with the rows that stand for the entities of its candidates.

    A mean over an entity must count no row as unlike because blocking did not name it, nor the most alike ones alone.
    """
    fresh = found.right >= first
    left, right = found.left[fresh], found.right[fresh]
    old = left < first
    order = np.argsort(entity, kind="stable")
    _, start, code, size = np.unique(entity[order], return_index=True, return_inverse=True, return_counts=True)
    number = np.empty(first, dtype=np.int64)
    number[order] = code.reshape(-1)
    asked, row = np.unique(np.column_stack([number[left[old]], right[old]]), axis=0).T
    taken = np.minimum(size[asked], LARGEST)
    rank = np.arange(taken.sum()) - np.repeat(np.cumsum(taken) - taken, taken)
    place = rank * np.repeat(size[asked], taken) // np.repeat(taken, taken)
    more = order[np.repeat(start[asked], taken) + place]
    return Candidates.of(
        found.count, np.concatenate([left[~old], more]), np.concatenate([right[~old], np.repeat(row, taken)])
    )


def _assign(
    graph: PairGraph, entity: NDArray[np.int64], first: int, threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """``(k,)`` number of the entity of each new row, below 0 for new things; and the mean probability.

    The graph has the pairs of `_with_whole_entities`.

    Nodes are entities and new rows; of two entities at most one is in a set.
    """
    numbers, code, size = np.unique(entity, return_inverse=True, return_counts=True)
    count = graph.count - first
    node = np.concatenate([code.reshape(-1), len(numbers) + np.arange(count)])
    kept = graph.right >= first
    left, right, weight = node[graph.left[kept]], node[graph.right[kept]], graph.weight[kept].astype(np.float64)
    nodes = len(numbers) + count
    key, inverse = np.unique(left * nodes + right, return_inverse=True)
    one, two = np.divmod(key, nodes)
    members = np.concatenate([np.minimum(size, LARGEST), np.ones(count, dtype=np.int64)])
    mean = np.bincount(inverse.reshape(-1), weight, len(key)) / members[one]
    small = PairGraph.of(nodes, one, two, np.minimum(mean, 1.0))
    source = np.concatenate([np.zeros(len(numbers), dtype=np.int64), 1 + np.arange(count)])
    label = smallest_rows(discover_sets(small, threshold=threshold, sources=source, one_per_source=True))[
        len(numbers) :
    ]
    known = label < len(numbers)
    result = np.where(known, numbers[np.minimum(label, len(numbers) - 1)], -1 - label)
    wanted = label * nodes + len(numbers) + np.arange(count)
    at = np.minimum(np.searchsorted(key, wanted), max(len(key) - 1, 0))
    there = known & (key[at] == wanted) if len(key) else np.zeros(count, dtype=np.bool_)
    chance = np.where(there, mean[at] if len(key) else np.nan, np.nan)
    rounded: NDArray[np.float64] = np.round(chance, 4).astype(np.float64)
    return result.astype(np.int64), rounded


def _follow_copies(
    copies: NDArray[np.int64],
    entity: NDArray[np.int64],
    first: int,
    label: NDArray[np.int64],
    probability: NDArray[np.float64],
) -> None:
    """Of a thousand identical new rows most were not compared (`PairGraph.copies`); they go where their row goes."""
    row, copy = copies[:, 0], copies[:, 1] - first
    old = row < first
    label[copy[old]], probability[copy[old]] = entity[row[old]], IDENTICAL
    label[copy[~old]], probability[copy[~old]] = label[row[~old] - first], probability[row[~old] - first]
