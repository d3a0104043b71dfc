"""What samplers and adversaries cost: each beside the step without it, all steps of a table in turns."""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.losses.sampler_steps import moco_loss_steps, moco_steps
from benchmarks.losses.speed import all_threads
from benchmarks.losses.steps import Step, adversary_steps
from core.reporting import ResultRecord, measure
from core.reporting.study import Cell, CellResult, run_cells
from core.reporting.study import System as Row

__all__ = ["TABLES", "cost_records"]

TABLES: dict[str, Callable[[int], list[Step]]] = {
    "Adversaries, 128 images of 32 x 32": adversary_steps,
    "MoCHi in a MoCo step, 128 images of 32 x 32, queue of 4096": moco_steps,
    "MoCHi in MoCo's loss, 128 queries, queue of 4096": moco_loss_steps,
}
"""Title to what makes the steps for a seed; the first step of a table is what the others are divided by."""


def cost_records(
    rounds: int, seeds: Sequence[int], profile: str, folder: Path, facts: dict[str, Any]
) -> list[ResultRecord]:
    """Milliseconds of each step, and how many times the first step of its table that is.

    Args:
        rounds: steps of each kind for a seed; its value is the median.
        seeds: of the data and the network.
        profile: of the records.
        folder: where ended cells are kept.
        facts: commit, versions, machine and date.
    """
    cells = [
        Cell(Row("all steps", "cost", settings={"rounds": rounds}), title, seed) for title in TABLES for seed in seeds
    ]
    with all_threads() as threads:
        results = run_cells(cells, _turns, folder, measured=False)
    settings = {"threads": threads, "rounds": rounds}
    records = []
    for title, make in TABLES.items():
        found = [result for cell, result in results.items() if cell.dataset == title]
        steps = make(seeds[0])
        for step in steps:
            for metric, values in _metrics(step, steps[0], found).items():
                bar = {"bar": step.bar} if step.bar and metric.startswith("x ") else {}
                records.append(
                    ResultRecord.over(
                        values,
                        system=step.name,
                        domain="losses",
                        dataset=title,
                        method=step.name.partition(",")[0],
                        metric=metric,
                        seeds=seeds,
                        role="baseline" if step is steps[0] else "method",
                        profile=profile,
                        settings=settings | bar,
                        **facts,
                    )
                )
    return records


def _metrics(step: Step, first: Step, results: Sequence[CellResult]) -> dict[str, list[float]]:
    times = [result.scores[f"{step.name}|ms"] for result in results]
    metrics = {"ms": times}
    if step is not first:
        below = [result.scores[f"{first.name}|ms"] for result in results]
        metrics[f"x {first.name}"] = [a / b for a, b in zip(times, below, strict=True)]
    metrics["MB"] = [result.scores[f"{step.name}|MB"] for result in results if f"{step.name}|MB" in result.scores]
    return {metric: values for metric, values in metrics.items() if values}


def _turns(cell: Cell) -> tuple[dict[str, float], dict[str, Any]]:
    steps = TABLES[cell.dataset](cell.seed)
    scores = {}
    for step in steps:  # also the warm-up
        with measure() as cost:
            step.run()
        if cost.peak_mb is not None:
            scores[f"{step.name}|MB"] = cost.peak_mb
    times: dict[str, list[float]] = {step.name: [] for step in steps}
    for _ in range(int(cell.system.settings["rounds"])):
        for step in steps:
            start = perf_counter()
            step.run()
            times[step.name].append(1e3 * (perf_counter() - start))
    return scores | {f"{name}|ms": statistics.median(values) for name, values in times.items()}, {}
