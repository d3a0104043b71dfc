"""What dropping near-copies costs: hash codes and embeddings, from scan-like to hopeless."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.losses.speed import all_threads
from core.reporting import ResultRecord, measure
from core.reporting.study import Cell, run_cells
from core.reporting.study import System as Row
from core.samplers import RedundancyFilter

__all__ = ["CASES", "ReductionCase", "reduction_records"]

Measure = Literal["hamming", "cosine"]
TITLE = "Dropping near-copies, all items as one set"
LENGTH = 100
"""Items of a synthetic scan."""


class ReductionCase(NamedTuple):
    """One reduction to time.

    Attributes:
        name: what is reduced, and how.
        count: items.
        measure: of the filter.
        threshold: of the filter.
        draw: makes so many items from a seed.
        bar: what its seconds have to hold, empty for none.
    """

    name: str
    count: int
    measure: Measure
    threshold: float
    draw: Callable[..., Tensor]
    bar: str = ""


def scan_codes(count: int, *, seed: int = 0) -> Tensor:
    """Codes of scans of 100 slices, ``(count, 64)`` bool; a slice differs from the one before in a bit, on average."""
    draw = np.random.default_rng(seed)
    codes = np.empty((count, 64), dtype=bool)
    for start in range(0, count, 1000 * LENGTH):
        part = codes[start : start + 1000 * LENGTH]
        flips = draw.random(part.shape) < 1 / 64
        first = np.arange(len(part)) % LENGTH == 0
        flips[first] = False
        begin = draw.random((int(first.sum()), 64)) < 0.5
        steps = np.cumsum(flips, axis=0, dtype=np.int32)
        steps -= np.repeat(steps[first], LENGTH, axis=0)[: len(part)]
        part[:] = np.repeat(begin, LENGTH, axis=0)[: len(part)] ^ (steps % 2 == 1)
    return torch.from_numpy(codes)


def random_codes(count: int, *, seed: int = 0) -> Tensor:
    """Codes without near-copies: the worst case, in which all is kept."""
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 2, (count, 64), dtype=np.int8).astype(bool))


def embedding_scans(count: int, *, width: int = 64, seed: int = 0) -> Tensor:
    """Rows around one centre for each 20 of them, at a cosine distance of about 0.08 from each other."""
    draw = torch.Generator().manual_seed(seed)
    centres = torch.randn(-(-count // 20), width, generator=draw).repeat_interleave(20, 0)[:count]
    return centres + 0.3 * torch.randn(count, width, generator=draw)


def random_rows(count: int, *, width: int = 64, seed: int = 0) -> Tensor:
    """Rows without near-copies."""
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


CASES = (
    ReductionCase("scans, 6 of 64 bits", 10_000, "hamming", 6, scan_codes),
    ReductionCase("scans, 6 of 64 bits", 100_000, "hamming", 6, scan_codes, "<= 60"),
    ReductionCase("scans, 12 of 64 bits", 100_000, "hamming", 12, scan_codes, "<= 60"),
    ReductionCase("random, 6 of 64 bits", 100_000, "hamming", 6, random_codes, "<= 60"),
    ReductionCase("groups of 20, cosine 0.1, d = 64", 100_000, "cosine", 0.1, embedding_scans, "<= 60"),
    ReductionCase("random, cosine 0.1, d = 64", 100_000, "cosine", 0.1, random_rows, "<= 60"),
    ReductionCase("scans, 6 of 64 bits", 1_000_000, "hamming", 6, scan_codes),
    ReductionCase("random, 6 of 64 bits", 1_000_000, "hamming", 6, random_codes),
)
"""All as one set: no group makes it easier. Random items are the worst case, in which all are kept."""


def reduction_records(
    largest: int, seeds: Sequence[int], profile: str, folder: Path, facts: dict[str, Any]
) -> list[ResultRecord]:
    """Seconds, peak memory and share kept of each reduction.

    Args:
        largest: leave out the cases of more items.
        seeds: of the items.
        profile: of the records.
        folder: where ended cells are kept.
        facts: commit, versions, machine and date.
    """
    chosen = {f"{case.name}, {case.count:,} items": case for case in CASES if case.count <= largest}
    cells = [Cell(Row(name, "RedundancyFilter"), TITLE, seed) for name in chosen for seed in seeds]

    def reduce(cell: Cell) -> tuple[dict[str, float], dict[str, Any]]:
        case = chosen[cell.system.name]
        items = case.draw(case.count, seed=cell.seed)
        with measure() as cost:
            share = RedundancyFilter(case.measure, case.threshold).fit(items).ratio_
        scores = {"seconds": cost.seconds, "share kept": share}
        return scores if cost.peak_mb is None else {**scores, "MB": cost.peak_mb}, {}

    with all_threads() as threads:
        results = run_cells(cells, reduce, folder, measured=False)
    records = []
    for name, case in chosen.items():
        found = [result.scores for cell, result in results.items() if cell.system.name == name]
        for metric in found[0]:
            values = [scores[metric] for scores in found]
            bar = {"bar": case.bar} if case.bar and metric == "seconds" else {}
            records.append(
                ResultRecord.over(
                    values,
                    system=name,
                    domain="losses",
                    dataset=TITLE,
                    method="RedundancyFilter",
                    metric=metric,
                    seeds=seeds,
                    profile=profile,
                    settings={"threads": threads, "measure": case.measure, "threshold": case.threshold} | bar,
                    **facts,
                )
            )
    return records
