"""Time and memory of every system on every size, all of them taking turns."""

import math
import os
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from benchmarks.losses.batch import Batch
from benchmarks.losses.case import PER_PAIR
from benchmarks.losses.systems import BFLOAT16, NT_XENT, TEMPERATURE, System, kernel_nt_xent, systems
from core.reporting import ResultRecord, measure
from core.reporting.study import Cell, CellResult, run_cells
from core.reporting.study import System as Row

__all__ = ["WIDTH", "all_threads", "speed_records"]

WIDTH = 128
ROUNDING = ("relative error of the loss", "relative error of the gradient")


def speed_records(
    sizes: Mapping[int, int], seeds: Sequence[int], profile: str, folder: Path, facts: dict[str, Any]
) -> list[ResultRecord]:
    """Milliseconds, ratios to floor, plain form and NTXentLoss, MB, and what bfloat16 products change.

    All systems of a size take turns, so that a drifting clock meets them alike; a seed draws a new batch, its value is
    the median of its rounds, and a ratio is taken between values of the same seed.

    Args:
        sizes: n to rounds for each seed; 0 takes the time of the one pass whose memory is measured.
        seeds: one batch each.
        profile: of the records.
        folder: where ended cells are kept, so that a stopped run goes on.
        facts: commit, versions, machine and date.
    """
    cells = [
        Cell(Row("all systems", "speed", settings={"rounds": rounds}), f"N={count}", seed)
        for count, rounds in sizes.items()
        for seed in seeds
    ]
    with all_threads() as threads:
        results = run_cells(cells, _turns, folder, measured=False)
    settings = {"temperature": TEMPERATURE, "threads": threads}
    records = []
    for count, rounds in sizes.items():
        found = [result for cell, result in results.items() if cell.dataset == f"N={count}"]
        records += _records(count, found, seeds, settings | {"rounds": rounds}, {**facts, "profile": profile})
    return records + _growth_records(records)


def _growth_records(records: Sequence[ResultRecord]) -> list[ResultRecord]:
    """Exponents of time and memory in N between the two largest sizes: 1 is linear, 2 quadratic."""
    sizes = list(dict.fromkeys(record.dataset for record in records))[-2:]
    if len(sizes) < 2:
        return []
    small, large = (int(name[2 : name.index(",")]) for name in sizes)
    by_key = {(r.dataset, r.system, r.metric): r for r in records}
    found = []
    for record in records:
        below = by_key.get((sizes[0], record.system, record.metric))
        if record.dataset != sizes[1] or record.metric not in ("ms", "MB") or below is None:
            continue
        pairs = [(a, b) for a, b in zip(record.values, below.values, strict=True) if a and b]
        values = [math.log(a / b) / math.log(large / small) for a, b in pairs]
        if len(values) != len(record.values):  # less memory than a page
            continue
        bar = {"bar": "<= 1.2"} if record.metric == "MB" and record.role == "method" else {}
        changes = {
            "dataset": f"Growth from N={small} to {large}",
            "metric": f"exponent of {record.metric}",
            "mean": statistics.fmean(values),
            "std": statistics.stdev(values) if len(values) > 1 else None,
            "values": tuple(values),
            "seconds": None,
            "settings": {key: value for key, value in record.settings.items() if key != "figure"} | bar,
        }
        found.append(replace(record, **changes))
    return found


@contextmanager
def all_threads() -> Iterator[int]:
    """Every core for torch, and afterwards as many threads as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def _turns(cell: Cell) -> tuple[dict[str, float], dict[str, Any]]:
    count, rounds = int(cell.dataset.partition("=")[2]), int(cell.system.settings["rounds"])
    batch = Batch.draw(count, WIDTH, cell.seed)
    running = [system for system in systems() if count <= system.largest]
    scores = {}
    times: dict[str, list[float]] = {system.name: [] for system in running}
    for system in running:  # also the warm-up
        with measure() as cost:
            system.step(batch)
        if cost.peak_mb is not None:
            scores[f"{system.name}|MB"] = cost.peak_mb
        if not rounds:
            times[system.name].append(1e3 * cost.seconds)
    for _ in range(rounds):
        for system in running:
            start = perf_counter()
            system.step(batch)
            times[system.name].append(1e3 * (perf_counter() - start))
    scores |= {f"{name}|ms": statistics.median(values) for name, values in times.items()}
    scores |= {f"{BFLOAT16}|{metric}": value for metric, value in _rounding(batch).items()}
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None  # Windows has none
    return scores, {"load": load}


def _rounding(batch: Batch) -> dict[str, float]:
    """What bfloat16 products change, relative to float32 ones: the loss, and the norm of its gradient."""
    results = []
    for matmul_dtype in (None, torch.bfloat16):
        z = batch.leaf(2)
        value = kernel_nt_xent(z, TEMPERATURE, matmul_dtype=matmul_dtype)
        value.backward()
        assert z.grad is not None
        results.append((value.detach(), z.grad))
    (value, gradient), (rounded, rounded_gradient) = results
    errors = ((rounded - value).abs() / value.abs(), (rounded_gradient - gradient).norm() / gradient.norm())
    return {metric: float(error) for metric, error in zip(ROUNDING, errors, strict=True)}


def _records(
    count: int,
    results: Sequence[CellResult],
    seeds: Sequence[int],
    settings: dict[str, Any],
    facts: dict[str, Any],
) -> list[ResultRecord]:
    def values(name: str, metric: str) -> list[float]:
        return [r.scores[f"{name}|{metric}"] for r in results if f"{name}|{metric}" in r.scores]

    def ratios(above: str, below: str, factor: float = 1.0) -> list[float]:
        return [a / (b * factor) for a, b in zip(values(above, "ms"), values(below, "ms"), strict=True)]

    records = []
    load = max((r.settings["load"] for r in results if r.settings["load"] is not None), default=None)
    for system in systems():
        times = values(system.name, "ms")
        if not times:
            continue
        metrics = {"ms": times}
        if system.floor[0]:
            metrics["x floor"] = ratios(system.name, *system.floor)
        if values(system.plain, "ms"):
            metrics["times faster than plain"] = ratios(system.plain, system.name)
        if system.role == "method" and system.pairs and system.name != NT_XENT:
            metrics[PER_PAIR] = ratios(system.name, NT_XENT, system.pairs)
        metrics["MB"] = values(system.name, "MB")
        if system.name == BFLOAT16:
            metrics |= {metric: values(BFLOAT16, metric) for metric in ROUNDING}
        for metric, found in metrics.items():
            if found:
                records.append(_record(system, count, metric, found, times, seeds, settings | {"load": load}, facts))
    return records


def _record(
    system: System,
    count: int,
    metric: str,
    values: list[float],
    times: list[float],
    seeds: Sequence[int],
    settings: dict[str, Any],
    facts: dict[str, Any],
) -> ResultRecord:
    # a floor of small matrices ends before the threads have met
    least = 512 if metric == PER_PAIR else 2048
    bar = {"bar": system.bars[metric]} if metric in system.bars and count >= least else {}
    return ResultRecord.over(
        values,
        system=system.name,
        domain="losses",
        dataset=f"N={count}, d={WIDTH}",
        method=system.method,
        metric=metric,
        seeds=seeds,
        higher_is_better=metric.startswith("times faster"),
        role=system.role,
        seconds=statistics.fmean(times) / 1e3,
        settings=settings | system.settings | bar,
        **facts,
    )
