"""Where to cut without labels: rules for the threshold on the same predicted graph, beside the best of all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from benchmarks.tables.matching import labelled
from benchmarks.tables.ours import THRESHOLD, predicted_graph
from benchmarks.tables.records import Scored, part_records, set_scores, timed
from core.reporting import Cell, ResultRecord, System, run_cells
from domains.tables.blocking.made import with_made_duplicates
from domains.tables.data.table import Table
from domains.tables.evaluate import pairwise
from domains.tables.matching.otsu import otsu
from domains.tables.project.present_sets import smallest_rows
from domains.tables.project.threshold_curve import expected_errors
from domains.tables.sets.discover import discover_sets
from domains.tables.sets.graph import PairGraph

__all__ = ["RULES", "chosen_threshold", "threshold_records"]

_DATASETS = ("chicago_early_childhood", "cora", *(f"febrl_dataset{number}_cut" for number in (1, 2, 3)))
_GRID = np.round(np.arange(0.1, 0.951, 0.05), 2)
_MADE = 500
_CERTAIN = 1e-6
EVEN_ODDS, BY_TRUTH = "even odds (the tool's)", "oracle threshold"


@lru_cache(maxsize=1)
def _graph(dataset: str, seed: int) -> PairGraph:
    return predicted_graph(labelled(dataset).table, seed)


def threshold_records(profile: str, seeds: int | None, out: Path) -> list[ResultRecord]:
    """Records of the sets that average linkage finds at the threshold of each rule.

    Args:
        profile: of the study.
        seeds: of the matcher; None is 3.
        out: folder of results.
    """
    cells = [
        Cell(System(name, "threshold", "ablation" if name == BY_TRUTH else "method"), dataset, seed)
        for seed in range(3 if seeds is None else seeds)
        for dataset in _DATASETS
        for name in (*RULES, BY_TRUTH)
    ]
    results = run_cells(cells, timed(_run), out / "tables" / "cells" / profile / "thresholds")
    counts = ("threshold", "sets", "largest set")
    return part_records(results, profile, counts=counts, split=lambda _: "average linkage on one predicted graph")


def _run(cell: Cell) -> Scored:
    data, graph = labelled(cell.dataset), _graph(cell.dataset, cell.seed)
    if cell.system.name == BY_TRUTH:
        threshold = max(_GRID, key=lambda at: pairwise(data.labels, discover_sets(graph, threshold=at)).f1)
    else:
        threshold = chosen_threshold(cell.system.name, data.table, graph, cell.seed)
    scores = set_scores(data.labels, discover_sets(graph, threshold=float(threshold)))
    return {**scores, "threshold": float(threshold)}, {}


def chosen_threshold(rule: str, table: Table, graph: PairGraph, seed: int) -> float:
    """The threshold in (0, 1) that a rule chooses without labels.

    Args:
        rule: one of `RULES`.
        table: the rows.
        graph: their pairs with probabilities.
        seed: of what draws.
    """
    return RULES[rule](table, graph, seed)


def _even_odds(table: Table, graph: PairGraph, seed: int) -> float:
    return THRESHOLD


def _expected_f1(table: Table, graph: PairGraph, seed: int) -> float:
    """The best expected F1, taking the probabilities at their word."""

    def expected(at: float) -> float:
        return expected_errors(graph, smallest_rows(discover_sets(graph, threshold=at)))[2]

    return float(max(_GRID.tolist(), key=expected))


def _otsu(table: Table, graph: PairGraph, seed: int) -> float:
    odds = logit(np.clip(graph.weight.astype(np.float64), _CERTAIN, 1 - _CERTAIN))
    return float(expit(otsu(odds)))


def _made(table: Table, graph: PairGraph, seed: int) -> float:
    """The best F1 on made duplicates: pairs of a copy with its original are right, any other pair of a copy is wrong.

    Where originals have true duplicates, that counts right pairs as wrong and cuts too high.
    """
    joined, rows = with_made_duplicates(table, _MADE, np.random.default_rng(seed))
    made = predicted_graph(joined, seed)

    def f1(at: float) -> float:
        return _copies_f1(discover_sets(made, threshold=at), rows, len(table))

    return float(max(_GRID.tolist(), key=f1))


def _copies_f1(found: NDArray[np.int64], rows: NDArray[np.int64], count: int) -> float:
    copies = found[count:]
    right = int((copies == found[rows]).sum())
    size = np.bincount(found)
    mates = int((size[copies] - 1).sum())  # pairs of two copies are counted from both, as what they are: two errors
    return 2 * right / (mates + len(rows))


RULES: Mapping[str, Callable[[Table, PairGraph, int], float]] = {
    EVEN_ODDS: _even_odds,
    "best expected F1": _expected_f1,
    "Otsu's split of the log odds": _otsu,
    "best on made duplicates": _made,
}
"""By name: from the table, its graph and a seed to a threshold."""
