"""Every way to find sets on the same predicted graph; and what it costs to take at most one row of a source."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.tables.matching import labelled
from benchmarks.tables.ours import THRESHOLD, predicted_graph
from benchmarks.tables.records import PAIRWISE, Scored, part_records, set_scores, stopped, timed
from core.errors import UserError
from core.reporting import Cell, ResultRecord, System, run_cells
from core.reporting.records import Role
from domains.tables.sets import SET_METHODS
from domains.tables.sets.discover import discover_sets
from domains.tables.sets.graph import PairGraph

__all__ = ["one_per_source_records", "set_records"]

_DATASETS = ("chicago_early_childhood", "cora")
_NOTHING = "components"
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
    """Records of chicago with and without the constraint; the last row shows the cap of the recall.

    Args:
        profile: of the study.
        seeds: of the matcher; None is 3.
        out: folder of results.
    """
    systems = (
        System("no constraint", "one_per_source"),
        System("one per source", "one_per_source", "ablation"),
        System("one per source on the true graph", "one_per_source", "ablation"),
    )
    cells = [
        Cell(system, _DATASETS[0], seed)
        for seed in range(3 if seeds is None else seeds)
        for system in systems
        if seed == 0 or system is not systems[2]
    ]
    results = run_cells(cells, timed(_constrained), out / "tables" / "cells" / profile / "one-per-source")
    return part_records(results, profile, split=lambda _: "at most one row of a source in a set")


def _constrained(cell: Cell) -> Scored:
    data = labelled(cell.dataset)
    if cell.system.name.endswith("true graph"):
        graph = _true_graph(data.labels)
    else:
        graph = predicted_graph(data.table, cell.seed)
    found = discover_sets(
        graph,
        threshold=THRESHOLD,
        sources=data.table.source,
        one_per_source=cell.system.name != "no constraint",
        seed=cell.seed,
    )
    return set_scores(data.labels, found), {"threshold": THRESHOLD}


def _true_graph(labels: NDArray[np.int64]) -> PairGraph:
    """All true pairs with probability 1, no others."""
    order = np.argsort(labels, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(labels))[:-1])
    pairs = np.concatenate(
        [np.array(list(combinations(part.tolist(), 2)), dtype=np.int64).reshape(-1, 2) for part in parts]
    )
    return PairGraph.of(len(labels), pairs[:, 0], pairs[:, 1], np.ones(len(pairs), dtype=np.float32))
