"""The study of the core's parts: four sets of tables, each resumable by itself."""

import os
import re
from pathlib import Path

from rich.console import Console

from benchmarks.losses.costs import cost_records
from benchmarks.losses.precision import precision_records
from benchmarks.losses.reduction_cost import reduction_records
from benchmarks.losses.speed import speed_records
from benchmarks.losses.systems import peer_forms
from core.errors import UserError
from core.reporting import ResultRecord, environment, write_records

__all__ = ["PROFILES", "run"]

SEEDS = 3

PROFILES = {
    "quick": {512: 3, 2048: 1},
    "cpu": {256: 3, 512: 7, 2048: 3, 8192: 0},
    "paper": {256: 9, 512: 21, 2048: 9, 8192: 3},
}
"""Profile to n to rounds for each seed of the table of times; 0 times the pass whose memory is measured."""
ITEMS = {"quick": 10_000, "cpu": 1_000_000, "paper": 1_000_000}
"""Profile to the largest set that is searched for near-copies."""
STEPS = {"quick": 3, "cpu": 9, "paper": 27}
"""Profile to rounds for each seed of the tables of costs."""


def run(profile: str, seeds: int | None, out: Path) -> list[ResultRecord]:
    """Time the losses, measure their precision, and what samplers and adversaries cost.

    Args:
        profile: "quick", "cpu" (n to 8192, the committed one), or "paper" (three times the rounds).
        seeds: repeats, each with its own batch, at least 3 for a spread; None takes 3.
        out: folder of results; the records go to ``losses/<profile>-speed-<n>.json`` below it,
            ``<profile>-speed.json`` (growth), ``-precision.json``, ``-reduction.json`` and ``-costs.json``.

    Returns:
        The records.

    Raises:
        UserError: a profile that is not known, or no seeds.
    """
    if profile not in PROFILES:
        raise UserError(f"--profile must be one of {', '.join(PROFILES)}, got {profile!r}")
    repeats = SEEDS if seeds is None else seeds
    if repeats < 1:
        raise UserError(f"--seeds must be at least 1, got {seeds}")
    console = Console(stderr=True)
    if len(peer_forms()) < 4:
        console.print(
            "pytorch-metric-learning or MONAI is not installed, so their rows are missing; "
            "pip install 'counterpoint[peers]'",
            markup=False,
        )
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None  # Windows has none
    if load is not None and load > 0.5:
        console.print(f"the machine is busy (load {load:.1f}): every parallel step waits for the slowest core")
    folder, numbers, facts = out / "losses", tuple(range(repeats)), environment()
    studies = {
        "-speed": lambda cells: speed_records(PROFILES[profile], numbers, profile, cells, facts),
        "-precision": lambda cells: precision_records(numbers, profile, cells, facts),
        "-reduction": lambda cells: reduction_records(ITEMS[profile], numbers, profile, cells, facts),
        "-costs": lambda cells: cost_records(STEPS[profile], numbers, profile, cells, facts),
    }
    records = []
    for name, study in studies.items():
        found = study(folder / "cells" / f"{profile}{name}")
        for part, rows in _files(found).items():
            write_records(rows, folder / f"{profile}{name}{part}.json")
        records += found
    return records


def _files(records: list[ResultRecord]) -> dict[str, list[ResultRecord]]:
    """The records of a study by the end of their file's name: one file for each N, in the order of N."""
    files: dict[str, list[ResultRecord]] = {}
    for record in records:
        size = re.match(r"N=(\d+)", record.dataset)
        files.setdefault(f"-{int(size[1]):05d}" if size else "", []).append(record)
    return files
