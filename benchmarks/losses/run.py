"""Times every system in one process, round by round, and turns the rounds into result records."""

import os
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import torch
from rich.console import Console
from rich.progress import Progress

from benchmarks.losses.systems import (
    BFLOAT16,
    FIVE_LINES,
    NT_XENT,
    TEMPERATURE,
    Batch,
    System,
    kernel_nt_xent,
    peer_installed,
    systems,
)
from core.errors import UserError
from core.reporting import ResultRecord, environment, measure, write_records

__all__ = ["PROFILES", "run"]

WIDTH = 128
SEEDS = 3

PROFILES = {
    "quick": {512: 9, 2048: 3},
    "cpu": {256: 15, 512: 15, 2048: 7, 4096: 3, 8192: 1},
    "paper": {256: 45, 512: 45, 2048: 21, 4096: 9, 8192: 3},
}
"""Profile to n to rounds for each seed."""


class Timing(NamedTuple):
    """One system on one batch: median milliseconds of its rounds, and peak extra memory in MB where it is known."""

    milliseconds: float
    peak_mb: float | None


def run(profile: str, seeds: int | None, out: Path) -> list[ResultRecord]:
    """Time the softmax losses, forward and backward, and write one file of records.

    All systems of a size take turns, so that a drifting clock meets them alike; a seed draws a new batch, its value is
    the median of its rounds, and a ratio is taken between medians of the same seed.

    Args:
        profile: "quick" (half a minute), "cpu" (a few minutes, to n = 8192), or "paper" (three times the rounds).
        seeds: repeats, each with its own batch, at least 3 for a spread; None takes 3.
        out: folder of results; the records go to ``losses/<profile>.json`` below it.

    Returns:
        The records: milliseconds, ratios to floor, to five lines and to NTXentLoss, MB, and rounding errors.

    Raises:
        UserError: a profile that is not known, or no seeds.
    """
    if profile not in PROFILES:
        raise UserError(f"--profile must be one of {', '.join(PROFILES)}, got {profile!r}")
    repeats = SEEDS if seeds is None else seeds
    if repeats < 1:
        raise UserError(f"--seeds must be at least 1, got {seeds}")
    console = Console(stderr=True)
    if not peer_installed():
        console.print(
            "pytorch-metric-learning is not installed, so its rows are missing; pip install 'counterpoint[peers]'",
            markup=False,
        )
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None  # Windows has none
    if load is not None and load > 0.5:
        console.print(f"the machine is busy (load {load:.1f}): every parallel step waits for the slowest core")
    sizes = PROFILES[profile]
    facts = {"profile": profile, **environment()}
    records: list[ResultRecord] = []
    with _all_threads() as threads, Progress(console=console, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("losses", total=len(sizes) * repeats)
        for count, rounds in sizes.items():
            timings, errors = [], []
            for seed in range(repeats):
                progress.update(task, description=f"losses, n = {count}, repeat {seed + 1} of {repeats}")
                batch = Batch.draw(count, WIDTH, seed)
                timings.append(_rounds(batch, count, rounds))
                errors.append(_rounding(batch))
                progress.advance(task)
            settings = {"temperature": TEMPERATURE, "threads": threads, "rounds": rounds, "load": load}
            records += _records(count, timings, errors, settings, facts)
    write_records(records, out / "losses" / f"{profile}.json")
    return records


@contextmanager
def _all_threads() -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def _rounds(batch: Batch, count: int, rounds: int) -> dict[str, Timing]:
    running = [system for system in systems() if count <= system.largest]
    peaks = {}
    for system in running:  # also the warm-up
        with measure() as cost:
            system.step(batch)
        peaks[system.name] = cost.peak_mb
    times: dict[str, list[float]] = {system.name: [] for system in running}
    for _ in range(rounds):
        for system in running:
            start = perf_counter()
            system.step(batch)
            times[system.name].append(1e3 * (perf_counter() - start))
    return {name: Timing(statistics.median(values), peaks[name]) for name, values in times.items()}


def _rounding(batch: Batch) -> dict[str, float]:
    """What bfloat16 products change, relative to float32 ones: the loss, and the norm of its gradient."""
    results = []
    for matmul_dtype in (None, torch.bfloat16):
        query, key = batch.leaves()
        value = kernel_nt_xent(query, key, matmul_dtype=matmul_dtype)
        value.backward()
        assert query.grad is not None
        results.append((value.detach(), query.grad))
    (value, gradient), (rounded, rounded_gradient) = results
    return {
        "relative error of the loss": float((rounded - value).abs() / value.abs()),
        "relative error of the gradient": float((rounded_gradient - gradient).norm() / gradient.norm()),
    }


def _records(
    count: int,
    timings: list[dict[str, Timing]],
    errors: list[dict[str, float]],
    settings: dict[str, Any],
    facts: dict[str, Any],
) -> list[ResultRecord]:
    records = []
    for system in systems():
        if system.name not in timings[0]:
            continue
        times = [timing[system.name].milliseconds for timing in timings]
        peaks = [peak for timing in timings if (peak := timing[system.name].peak_mb) is not None]
        metrics = {"ms": times}
        if system.floor:
            metrics["x floor"] = _ratios(timings, system.name, system.floor)
        if system.method == "NT-Xent" and system.name != FIVE_LINES:
            metrics["times faster than five lines"] = _ratios(timings, FIVE_LINES, system.name)
        if "x NTXentLoss" in system.bars:
            metrics["x NTXentLoss"] = _ratios(timings, system.name, NT_XENT)
        if peaks:
            metrics["MB"] = peaks
        if system.name == BFLOAT16:
            metrics |= {metric: [error[metric] for error in errors] for metric in errors[0]}
        for metric, values in metrics.items():
            bar = {"bar": system.bars[metric]} if metric in system.bars and count >= 2048 else {}
            records.append(
                _record(system, count, metric, values, times, peaks, settings | system.settings | bar, facts)
            )
    return records


def _ratios(timings: list[dict[str, Timing]], above: str, below: str) -> list[float]:
    return [timing[above].milliseconds / timing[below].milliseconds for timing in timings]


def _record(
    system: System,
    count: int,
    metric: str,
    values: list[float],
    times: list[float],
    peaks: list[float],
    settings: dict[str, Any],
    facts: dict[str, Any],
) -> ResultRecord:
    return ResultRecord(
        system=system.name,
        domain="losses",
        dataset=f"N={count}, d={WIDTH}",
        split="",
        method=system.method,
        metric=metric,
        mean=statistics.fmean(values),
        std=statistics.stdev(values) if len(values) > 1 else None,
        values=tuple(values),
        seeds=tuple(range(len(values))),
        higher_is_better=metric.startswith("times faster"),
        role=system.role,
        published=None,
        verdict=None,
        seconds=statistics.fmean(times) / 1e3,
        peak_mb=statistics.fmean(peaks) if peaks else None,
        settings=settings,
        **facts,
    )
