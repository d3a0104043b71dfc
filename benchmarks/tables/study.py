"""Run the tables study."""

from collections.abc import Sequence
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from benchmarks.tables.parts import PARTS, QUICK
from core.errors import unknown_name
from core.registry import resolve
from core.reporting import ResultRecord, write_records

__all__ = ["run"]


def run(profile: str, seeds: int | None, out: Path, only: Sequence[str] = ()) -> list[ResultRecord]:
    """Run one profile and write ``<out>/tables/<profile>-<part>.json``.

    Every cell is stored when it ends, so a study that was stopped goes on where it was. One thread, so that processor
    seconds can be compared; the part "cost" sets its own.

    Args:
        profile: "quick" (the embedded synthetic libraries, half a minute), "cpu" (real data, hours) or "paper", which
            is the same as "cpu": the papers' data are not to be had.
        seeds: number of seeds of what draws; None is each part's own number.
        out: folder of results.
        only: parts to run; empty means all.

    Raises:
        UserError: an unknown part.
    """
    parts = QUICK if profile == "quick" else PARTS
    for name in only:
        if name not in parts:
            raise unknown_name(f"part of the {profile} profile", name, parts)
    torch.set_num_threads(1)
    records: list[ResultRecord] = []
    for part in only or parts:
        with threadpool_limits(limits=None if part == "cost" else 1):
            found = resolve(parts[part])(profile, seeds, out)
        write_records(found, out / "tables" / f"{profile}-{part.replace(' ', '-')}.json")
        records += found
    return records
