"""What 10,000 to 1,000,000 rows cost: seconds and memory of the tool, of splink and of TF-IDF, each in a process."""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from benchmarks.tables.apart import DidNotFinish, run_apart
from benchmarks.tables.bars import COST, bar_records
from benchmarks.tables.ours import found_sets
from benchmarks.tables.plain_rivals import linked, tfidf_pairs
from benchmarks.tables.records import BCUBED, CPU, PAIRWISE, Scored, part_records, set_scores, stopped
from benchmarks.tables.splink_peer import THRESHOLDS, SplinkModel, run_splink, splink_installed
from core.reporting import Cell, ResultRecord, System, collect, run_cells
from domains.tables.data.persons import persons

__all__ = ["cost_records"]

_ROWS = (10_000, 100_000, 1_000_000)
_LIMIT = 1800.0
_SECONDS, _MEMORY = "seconds", "peak memory, GiB"
_NAME = ("JaroWinklerAtThresholds", (0.92, 0.8))
_EDITS = ("LevenshteinAtThresholds", (1, 2))
_COLUMNS = ("given_name", "surname", "street_number", "address", "suburb", "postcode", "date_of_birth")
_NARROW = SplinkModel(
    {name: name for name in _COLUMNS},
    {"given_name": _NAME, "surname": _NAME, "street_number": ("ExactMatch", ()), "address": _NAME, "suburb": _NAME,
     "postcode": _EDITS, "date_of_birth": _EDITS},
    (("given_name", "surname"), ("date_of_birth", "surname"), ("date_of_birth", "given_name"), ("address", "postcode")),
    (("given_name", "surname", "date_of_birth"),),
    0.5,
    (("date_of_birth", "surname"), ("given_name", "address")),
    ("given_name", "surname", "suburb"),
)  # fmt: skip
_WIDE = replace(
    _NARROW,
    blocking=(*_NARROW.blocking, ("date_of_birth",), ("surname", "postcode"), ("given_name", "postcode"),
              ("surname", "address"), ("given_name", "address"), ("surname", "suburb")),
)  # fmt: skip


def cost_records(profile: str, seeds: int | None, out: Path) -> list[ResultRecord]:
    """Records of made persons (synthetic): seven columns, typing errors, a fifth duplicates, no identifier.

    Seconds are those on the clock, from the table in memory to the sets; the machine should have nothing else to do.
    Memory is the most that the process ever held.

    Args:
        profile: of the study.
        seeds: of the persons; None is 1.
        out: folder of results.
    """
    systems = {
        System("ours, no labels", "ours"): _ROWS,
        System("splink, narrow blocking, .9", "splink narrow", "baseline"): _ROWS,
        System("splink, wide blocking, .9", "splink wide", "baseline"): _ROWS,
        System("splink, wide blocking, best threshold", "splink best", "ablation"): _ROWS,
        System("TF-IDF, top 10, .5, components", "tfidf", "baseline"): _ROWS[:2],
    }
    cells = [
        Cell(system, f"{rows:,} persons (synthetic)", seed)
        for seed in range(1 if seeds is None else seeds)
        for rows in _ROWS
        for system, sizes in systems.items()
        if rows in sizes
    ]
    results = run_cells(cells, _run, out / "tables" / "cells" / profile / "cost")
    split = "seven columns, a fifth duplicates"
    records = part_records(results, profile, metrics=(PAIRWISE, BCUBED), counts=("sets",), split=lambda _: split)
    records += collect(
        results, domain="tables", profile=profile, metrics=(_SECONDS, _MEMORY), split=lambda _: split,
    )  # fmt: skip
    return [*records, *bar_records(COST, results, profile)]


def _run(cell: Cell) -> Scored:
    rows = int(cell.dataset.partition(" ")[0].replace(",", ""))
    if cell.system.method.startswith("splink") and not splink_installed():
        return stopped([PAIRWISE, CPU], "not installed")
    try:
        scores, seconds = run_apart(_measured, cell.system.method, rows, cell.seed, limit=_LIMIT)
    except DidNotFinish:
        return stopped([PAIRWISE, CPU], f"did not finish in {_LIMIT:.0f} s")
    return {**scores, CPU: seconds}, {"rows": rows}


def _measured(method: str, rows: int, seed: int) -> dict[str, float]:
    table, truth = persons(rows, duplicates=0.2, seed=seed)
    start = time.perf_counter()
    kinds: Mapping[str, Callable[[], dict[float, object]]] = {
        "ours": lambda: {0.9: found_sets(table, seed)},
        "splink narrow": lambda: dict(run_splink(table.frame, _NARROW, seed, (0.9,))),
        "splink wide": lambda: dict(run_splink(table.frame, _WIDE, seed, (0.9,))),
        "splink best": lambda: dict(run_splink(table.frame, _WIDE, seed, THRESHOLDS)),
        "tfidf": lambda: {0.9: linked(pairs := tfidf_pairs(table, 10), pairs.cosine, 0.5)},
    }
    found = kinds[method]()
    seconds = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    scores = [set_scores(truth, labels) for labels in found.values()]
    best = max(scores, key=lambda one: one[PAIRWISE] if math.isfinite(one[PAIRWISE]) else -1)
    return {**best, _SECONDS: seconds, _MEMORY: memory}
