"""Time of one random view of a batch: ours against the same chain in kornia."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch

from benchmarks.vision.plain_simclr import kornia_chain
from core.reporting import ResultRecord, environment
from core.reporting.records import Role
from domains.vision.augment import RECIPES, ViewGenerator

__all__ = ["augment_speed_records", "measure_views"]

_SHAPES = ((128, 32), (256, 32), (64, 96))
"""Images in a batch, and their side in pixels."""
_RECIPE = "vicreg"
"""The one recipe with every operation: crop, flip, jitter, grey, blur, solarise."""
_REPEATS = 3
_ROUNDS = {"quick": 7}


def measure_views(count: int, size: int, rounds: int) -> dict[str, float]:
    """Median seconds for one view of a batch, ours and kornia's, taking turns in one process.

    Both begin with uint8 images and end with normalised floats; every sample has its own parameters. kornia's blur
    has the kernel that SimCLR proposes, a tenth of the side and at least 3; ours has 13 taps at every size.

    Args:
        count: images in the batch.
        size: side of images and views, in pixels.
        rounds: timed calls of each, after two that are not timed.
    """
    recipe, mean, std = RECIPES[_RECIPE], (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)
    view = ViewGenerator(recipe, size, mean, std)
    chain = kornia_chain(recipe, size, torch.tensor(mean), torch.tensor(std))
    calls: dict[str, Callable[[], Any]] = {
        "views": lambda: view(images, generator),
        "kornia": lambda: chain(images.float() / 255),
    }
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 2):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            if turn > 1:
                seconds[name].append(time.perf_counter() - started)
    return {name: median(values) for name, values in seconds.items()}


def augment_speed_records(profile: str) -> list[ResultRecord]:
    """Records of `measure_views` for each shape, with one thread and with two, and the ratio of each repeat.

    Args:
        profile: of the study; "quick" times fewer calls.
    """
    rounds = _ROUNDS.get(profile, 21)
    before = torch.get_num_threads()
    records = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            for count, size in _SHAPES:
                repeats = [measure_views(count, size, rounds) for _ in range(_REPEATS)]
                records += _rows(repeats, profile, count, size, threads)
    finally:
        torch.set_num_threads(before)
    return records


def _rows(repeats: list[dict[str, float]], profile: str, count: int, size: int, threads: int) -> list[ResultRecord]:
    rows: dict[str, tuple[Role, list[float], str]] = {
        "kornia": ("baseline", [1000 * r["kornia"] for r in repeats], "ms per batch"),
        "fused views": ("method", [1000 * r["views"] for r in repeats], "ms per batch"),
        "fused views over kornia": ("method", [r["views"] / r["kornia"] for r in repeats], "ratio"),
    }
    kind = f"{size} px, {threads} thread" + "s" * (threads > 1)
    where = environment()
    return [
        ResultRecord.over(
            values,
            system=system,
            domain="vision",
            dataset=f"random pixels, {kind}" + (" (ratio)" if metric == "ratio" else ""),
            split=f"one view, batch {count}",
            method="augment",
            metric=metric,
            role=role,
            profile=profile,
            settings={"threads": threads, "recipe": _RECIPE, "batch": count, "size": size},
            **where,
        )
        for system, (role, values, metric) in rows.items()
    ]
