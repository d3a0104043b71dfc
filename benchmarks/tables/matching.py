"""Which rows are the same thing, without labels: the tool beside plain rivals, splink and dedupe."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.tables import dedupe_peer, plain_rivals, splink_peer
from benchmarks.tables.apart import DidNotFinish, run_apart
from benchmarks.tables.bars import MATCHING, bar_records
from benchmarks.tables.ours import found_sets
from benchmarks.tables.records import CPU, PAIRWISE, Scored, part_records, set_scores, stopped, timed
from core.reporting import Cell, ResultRecord, System, run_cells
from core.reporting.records import Role
from domains.tables.data.datasets import read_dataset
from domains.tables.data.labelled import LabelledTable
from domains.tables.data.table import Table
from domains.tables.matching.otsu import otsu

__all__ = ["DATASETS", "SYSTEMS", "labelled", "matching_records", "plan", "run_plain"]

_FEBRL = tuple(f"febrl_dataset{number}" for number in (1, 2, 3))
DATASETS = ("chicago_early_childhood", "cora", *(f"{name}_cut" for name in _FEBRL), *_FEBRL)
"""The febrl sets cut down to four columns tell methods apart, the whole ones hardly do."""
_COMPARED = {
    "chicago_early_childhood": ("Site name", "Address", "Zip", "Phone"),
    "cora": ("author", "title", "venue", "year", "pages", "volume", "publisher"),
}
"""Columns that the rivals get, chosen by hand to their benefit; all of the columns of the other sets. The tool chooses
for itself."""
_KEY = {"chicago_early_childhood": ("Site name", "Address"), "cora": ("title", "year")}
_NAMES = ("given_name", "surname", "suburb", "state")
_NOT_ASKED = (*_FEBRL, "febrl_dataset3_cut")
"""Sets without a row of dedupe, which takes minutes: on whole records all rows are alike, and on the second cut set,
which is as large as the third, it did not finish."""
_ASKED_ONCE = ("febrl_dataset2_cut",)
"""One run of dedupe, as it did not finish."""
_LIMIT = 300.0
"""Seconds that splink and dedupe get for a data set."""
_NEIGHBOURS = 10
_MORE_NEIGHBOURS = {"cora": 20}
"""Of TF-IDF with average linkage: cora's sets are large; on the other sets more neighbours do not help."""
_THRESHOLDS = np.arange(0.2, 0.96, 0.02)
_BASELINE: Role = "baseline"
_ORACLE: Role = "ablation"

OURS = "ours, no labels"
SPLINK = "splink, EM, threshold .9"
DEDUPE = "dedupe, 30 labels, threshold .5"
OTSU = "TF-IDF, Otsu's threshold, average linkage"
SYSTEMS: Mapping[str, Role] = {
    "exact key": _BASELINE,
    "TF-IDF, threshold .5": _BASELINE,
    "TF-IDF, oracle threshold": _ORACLE,
    OTSU: _BASELINE,
    "TF-IDF, oracle threshold, average linkage": _ORACLE,
    "rapidfuzz token_set, threshold .8": _BASELINE,
    SPLINK: _BASELINE,
    "splink, oracle threshold": _ORACLE,
    DEDUPE: _BASELINE,
    "dedupe, oracle threshold": _ORACLE,
    OURS: "method",
}
"""Rows and their roles; an oracle threshold is chosen by the truth and is no fair rival."""


def plan(seeds: int | None) -> list[Cell]:
    """Cells; only what draws has several seeds.

    Args:
        seeds: None is 3.
    """
    count = 3 if seeds is None else seeds
    drawing = (OURS, SPLINK, "splink, oracle threshold")
    asking = (DEDUPE, "dedupe, oracle threshold")
    cells = []
    for seed in range(count):
        for dataset in DATASETS:
            for name, role in SYSTEMS.items():
                if name in asking and dataset in (*_NOT_ASKED, *(_ASKED_ONCE if seed else ())):
                    continue
                if seed == 0 or name in drawing or name in asking:
                    cells.append(Cell(System(name, "matching", role), dataset, seed))
    return cells


@lru_cache(maxsize=2)
def labelled(name: str) -> LabelledTable:
    """A set with its truth.

    Args:
        name: see `domains.tables.data.datasets.dataset_names`.
    """
    found = read_dataset(name)
    if not isinstance(found, LabelledTable):
        raise TypeError(f"{name} must be a table with clusters")
    return found


def matching_records(profile: str, seeds: int | None, out: Path) -> list[ResultRecord]:
    """Records of all rows on all sets, and whether the bars are reached.

    Args:
        profile: of the study.
        seeds: None is 3.
        out: folder of results.
    """
    folder = out / "tables" / "cells" / profile / "matching"
    cells = plan(seeds)
    slow_last = sorted(cells, key=lambda cell: cell.system.name.startswith("dedupe"))
    found = run_cells(slow_last, timed(_run), folder)
    results = {cell: found[cell] for cell in cells}
    return [*part_records(results, profile), *bar_records(MATCHING, results, profile)]


def _run(cell: Cell) -> Scored:
    data = labelled(cell.dataset)
    name = cell.system.name
    if name == OURS:
        return set_scores(data.labels, found_sets(data.table, cell.seed)), {"threshold": 0.5}
    if name.startswith("splink"):
        return _peer("splink", cell, data)
    if name.startswith("dedupe"):
        return _peer("dedupe", cell, data)
    columns = _COMPARED.get(cell.dataset, tuple(data.table.columns))
    key = _KEY.get(cell.dataset, tuple(c for c in (*_NAMES, "date_of_birth") if c in data.table.columns))
    table = Table.of(data.table.frame[list(columns)])
    neighbours = _MORE_NEIGHBOURS.get(cell.dataset, _NEIGHBOURS) if name.endswith("average linkage") else _NEIGHBOURS
    found, settings = run_plain(name, table, data.labels, key, neighbours)
    return set_scores(data.labels, found), {"columns": list(columns), **settings}


def run_plain(
    name: str, table: Table, truth: NDArray[np.int64], key: tuple[str, ...], neighbours: int = _NEIGHBOURS
) -> tuple[NDArray[np.int64], dict[str, Any]]:
    """Sets by a plain rival, and its settings.

    Args:
        name: a row of `SYSTEMS`.
        table: the columns that are compared.
        truth: ``(n,)``, by which an oracle chooses its threshold.
        key: columns of the exact key.
        neighbours: rows that each row is compared with.
    """
    if name == "exact key":
        return plain_rivals.exact_key(table, key), {"key": list(key)}
    averaged = name.endswith("average linkage")
    pairs = plain_rivals.tfidf_pairs(table, neighbours)
    settings: dict[str, Any] = {"n-grams": "3 and 4 characters within words", "neighbours": neighbours}
    score = pairs.token_set() if name.startswith("rapidfuzz") else pairs.cosine

    def sets(threshold: float) -> NDArray[np.int64]:
        if averaged:
            return plain_rivals.linked_then_averaged(pairs, threshold)
        return plain_rivals.linked(pairs, score, threshold)

    if "oracle" in name:
        threshold = _best(truth, {float(at): sets(at) for at in _THRESHOLDS})
    elif averaged:
        threshold = otsu(pairs.cosine)
    else:
        threshold = 0.8 if name.startswith("rapidfuzz") else 0.5
    return sets(threshold), {**settings, "threshold": round(threshold, 3)}


def _best(truth: NDArray[np.int64], found: Mapping[float, NDArray[np.int64]]) -> float:
    return max(found, key=lambda threshold: set_scores(truth, found[threshold])[PAIRWISE])


@lru_cache(maxsize=2)
def _peer_sets(peer: str, dataset: str, seed: int) -> tuple[dict[float, NDArray[np.int64]], float] | str:
    """Sets by threshold and processor seconds, or why there are none; one run serves both rows of a peer."""
    data = labelled(dataset)
    module = splink_peer if peer == "splink" else dedupe_peer
    installed = splink_peer.splink_installed() if module is splink_peer else dedupe_peer.dedupe_installed()
    if not installed:
        return "not installed"
    frame = data.table.frame
    try:
        if module is splink_peer:
            return run_apart(splink_peer.run_splink, frame, splink_peer.MODELS[dataset], seed, limit=_LIMIT)
        fields = dedupe_peer.FIELDS[dataset]
        return run_apart(dedupe_peer.run_dedupe, frame, fields, data.labels, seed, limit=_LIMIT)
    except DidNotFinish:
        return f"did not finish in {_LIMIT:.0f} s"


def _peer(peer: str, cell: Cell, data: LabelledTable) -> Scored:
    found = _peer_sets(peer, cell.dataset, cell.seed)
    if isinstance(found, str):
        scores, settings = stopped([PAIRWISE], found)
        return {**scores, CPU: float("nan")}, settings
    sets, seconds = found
    fair = 0.9 if peer == "splink" else 0.5
    threshold = _best(data.labels, sets) if cell.system.name.endswith("oracle threshold") else fair
    return {**set_scores(data.labels, sets[threshold]), CPU: seconds}, {"threshold": threshold}
