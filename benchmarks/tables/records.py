"""From cells to records: scores of sets and of values in per cent, processor seconds, what stopped a row."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from numpy.typing import NDArray

from core.reporting import Cell, CellResult, Published, ResultRecord, collect
from domains.tables.evaluate import score_sets

__all__ = ["BCUBED", "CPU", "NOTE", "PAIRWISE", "Scored", "part_records", "set_scores", "stopped", "timed"]

Scored = tuple[dict[str, float], dict[str, Any]]
"""Scores by name, and settings."""

CPU = "CPU s"
"""Processor seconds of all threads: unlike the time on the clock, nearly the same beside other work."""
NOTE = "note"
"""Key of the settings under which stands why a row has no scores."""
PAIRWISE = "pairwise F1"
BCUBED = "B-cubed F1"
_NAMES = {
    PAIRWISE: "pairwise_f1",
    BCUBED: "bcubed_f1",
    "set similarity": "set_similarity",
    "pairwise precision": "pairwise_precision",
    "pairwise recall": "pairwise_recall",
}
_COUNTS = {"sets": "found_sets", "largest set": "largest_found"}


def set_scores(true: NDArray[Any], found: NDArray[Any]) -> dict[str, float]:
    """The scores of the tables of sets, in [0, 1] but for the counts.

    Args:
        true: ``(n,)`` label of each row.
        found: ``(n,)`` label of each row.
    """
    scores = score_sets(true, found)
    return {shown: scores[name] for shown, name in {**_NAMES, **_COUNTS}.items()}


def stopped(metrics: Sequence[str], why: str) -> Scored:
    """What a system gets that gave no result: scores that are not finite, and the reason.

    Args:
        metrics: names of the scores that it would have had.
        why: in a few words.
    """
    return dict.fromkeys(metrics, math.nan), {NOTE: why}


def timed(run: Callable[[Cell], Scored]) -> Callable[[Cell], Scored]:
    """The same with its processor seconds, unless it measured them itself.

    Args:
        run: runs one cell.
    """

    def measured(cell: Cell) -> Scored:
        started = time.process_time()
        scores, settings = run(cell)
        return {CPU: time.process_time() - started, **scores}, settings

    return measured


def part_records(
    results: Mapping[Cell, CellResult],
    profile: str,
    *,
    metrics: Sequence[str] = tuple(_NAMES),
    counts: Sequence[str] = tuple(_COUNTS),
    split: Callable[[str], str] = lambda dataset: "",
    published: Mapping[tuple[str, str], Published] | None = None,
) -> list[ResultRecord]:
    """Records of one part.

    Args:
        results: of its cells.
        profile: of the study.
        metrics: scores in [0, 1], shown in per cent; the first one leads.
        counts: scores that are shown as they are.
        split: protocol of a data set.
        published: numbers beside the first of the metrics, by row and data set.
    """
    found = collect(
        results,
        domain="tables",
        profile=profile,
        metrics=metrics,
        scale=100.0,
        unit="%",
        split=split,
        published=published,
    )
    found += collect(results, domain="tables", profile=profile, metrics=counts, split=split)
    seconds: dict[tuple[str, str], list[float]] = {}
    notes: dict[tuple[str, str], str] = {}
    for cell, result in results.items():
        key = cell.system.name, cell.dataset
        seconds.setdefault(key, []).append(result.scores[CPU])
        notes[key] = str(result.settings.get(NOTE, notes.get(key, "")))
    records = []
    for record in found:
        key = record.system, record.dataset
        taken = seconds[key]
        name = f"{record.system} ({notes[key]})" if notes[key] else record.system
        spent = round(fmean(taken), 2) if all(map(math.isfinite, taken)) else None
        records.append(replace(record, system=name, seconds=spent))
    order = {key: number for number, key in enumerate(dict.fromkeys((r.dataset, r.split) for r in records))}
    records.sort(key=lambda r: order[r.dataset, r.split])
    return records
