"""Every way to find sets on the same predicted graph; and what it costs to take at most one row of a source."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.tables.matching import labelled
from benchmarks.tables.ours import THRESHOLD, found_sets, predicted_graph
from benchmarks.tables.records import BCUBED, PAIRWISE, Scored, part_records, set_scores, stopped, timed
from core.errors import UserError
from core.reporting import Cell, ResultRecord, System, run_cells
from core.reporting.records import Role
from domains.tables.sets import SET_METHODS
from domains.tables.sets.discover import discover_sets
from domains.tables.sets.graph import PairGraph

__all__ = ["best_under_constraint", "one_per_source_records", "set_records"]

_DATASETS = ("chicago_early_childhood", "cora")
_NOTHING = "components"
_BY_TRUTH = "one per source, the best sets"
_ACROSS = "true pairs across sources"
_DRAWING = ("louvain", "label_propagation", "spectral", "gnn", "leiden", "infomap")


@lru_cache(maxsize=2)
def _graph(dataset: str) -> PairGraph:
    return predicted_graph(labelled(dataset).table, 0)


def _role(method: str) -> Role:
    return "baseline" if method == _NOTHING else "method"


def set_records(profile: str, seeds: int | None, out: Path) -> list[ResultRecord]:
    """Records of all methods on the graphs that the matcher predicts with seed 0, at threshold .5.

    The processor seconds are those of the sets alone.

    Args:
        profile: of the study.
        seeds: of the methods that draw; None is 3.
        out: folder of results.
    """
    cells = [
        Cell(System(method, method, _role(method)), dataset, seed)
        for seed in range(3 if seeds is None else seeds)
        for dataset in _DATASETS
        for method in SET_METHODS.names()
        if seed == 0 or method in _DRAWING
    ]
    results = run_cells(cells, _run, out / "tables" / "cells" / profile / "sets")
    return part_records(results, profile, split=lambda _: "sets on one predicted graph, threshold .5")


def _run(cell: Cell) -> Scored:
    graph, truth = _graph(cell.dataset), labelled(cell.dataset).labels

    def find(cell: Cell) -> Scored:
        try:
            found = discover_sets(graph, cell.system.method, threshold=THRESHOLD, seed=cell.seed)
        except UserError as error:  # too slow for this graph, or a package is missing: that is its result
            return stopped([PAIRWISE], str(error).partition(";")[0].partition(". ")[0])
        return set_scores(truth, found), {"threshold": THRESHOLD}

    return timed(find)(cell)


def one_per_source_records(profile: str, seeds: int | None, out: Path) -> list[ResultRecord]:
    """Records of chicago with and without the constraint; the last row is the best that sets under it can be.

    Args:
        profile: of the study.
        seeds: of the matcher; None is 3.
        out: folder of results.
    """
    systems = (
        System("no constraint", "one_per_source"),
        System("one per source", "one_per_source", "ablation"),
        System(_BY_TRUTH, "one_per_source", "ablation"),
    )
    cells = [
        Cell(system, _DATASETS[0], seed)
        for seed in range(3 if seeds is None else seeds)
        for system in systems
        if seed == 0 or system.name != _BY_TRUTH
    ]
    results = run_cells(cells, timed(_constrained), out / "tables" / "cells" / profile / "one-per-source")
    names = (PAIRWISE, BCUBED, "set similarity", "pairwise precision", "pairwise recall", _ACROSS)
    return part_records(results, profile, metrics=names, split=lambda _: "at most one row of a source in a set")


def _constrained(cell: Cell) -> Scored:
    data = labelled(cell.dataset)
    if cell.system.name == _BY_TRUTH:
        apart = pd.factorize(pd.Series(data.labels).astype(str) + " " + pd.Series(data.table.source).astype(str))[0]
        across = 1 - _pairs(apart) / _pairs(data.labels)
        return {**set_scores(data.labels, best_under_constraint(data.labels, data.table.source)), _ACROSS: across}, {}
    constrained = cell.system.name != "no constraint"
    return set_scores(data.labels, found_sets(data.table, cell.seed, one_per_source=constrained)), {}


def best_under_constraint(labels: NDArray[np.int64], source: NDArray[np.object_]) -> NDArray[np.int64]:
    """``(n,)`` the sets with the most true pairs of those that are all true and take one row of a source at most.

    The first rows that the sources have about a thing make a set, their second rows another, and so on: no other way
    has larger sets.

    Args:
        labels: ``(n,)`` thing of each row.
        source: ``(n,)`` source of each row.

    >>> best_under_constraint(np.array([7, 7, 7, 8]), np.array(["a", "a", "b", "a"], dtype=object)).tolist()
    [0, 1, 0, 2]
    """
    rows = pd.DataFrame({"label": labels, "source": source})
    turn = rows.groupby(["label", "source"]).cumcount()
    found: NDArray[np.int64] = pd.MultiIndex.from_arrays([rows["label"], turn]).factorize()[0].astype(np.int64)
    return found


def _pairs(labels: NDArray[np.int64]) -> int:
    sizes = np.bincount(labels)
    return int((sizes * (sizes - 1) // 2).sum())
