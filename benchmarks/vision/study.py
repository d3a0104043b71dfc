"""Run the vision study."""

import csv
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from benchmarks.vision.claims import claim_records, row_verdicts
from benchmarks.vision.parts import FURTHER, TIMED
from benchmarks.vision.plan import PARTS, plan, settings_of
from benchmarks.vision.published import PUBLISHED
from benchmarks.vision.records import CPU, part_records
from core.errors import UserError, unknown_name
from core.evaluation import alignment, effective_rank, uniformity
from core.registry import resolve
from core.reporting import Cell, ResultRecord, run_cells, write_records
from core.training import FitSettings, load_method, resolve_settings, train
from domains.vision import METHODS
from domains.vision.data.images import ImageSet
from domains.vision.data.imbalance import long_tailed
from domains.vision.data.read import read_images
from domains.vision.evaluate import EvaluationSettings, score_classes
from domains.vision.task import VisionTask, split

__all__ = ["pretrained", "run", "run_cell"]

_EVALUATION = EvaluationSettings(online_every=0)
_COMPONENTS = 128
_LOGGED = ("proxy accuracy", "false-negative share", "gate activation")


class _CachedTask(VisionTask):
    """The task with each data set read once per process, and the sets that the study cuts."""

    @staticmethod
    @lru_cache(maxsize=2)
    def _read(data: str) -> ImageSet:
        name, _, cut = data.partition(", ")
        images = read_images(name)
        return long_tailed(images, factor=100, seed=0) if cut == "long tail" else images

    def load(self, data: str | None) -> ImageSet:
        return self._read(data or "digits")


def run(profile: str, seeds: int | None, out: Path, only: Sequence[str] = ()) -> list[ResultRecord]:
    """Run one profile and write ``<out>/vision/<profile>-<part>.json``.

    Every cell is stored when it ends and every run inside it can be resumed, so a study that was stopped goes on where
    it was. One torch thread, so that the numbers do not depend on the number of cores; two processes may run different
    parts at once.

    Args:
        profile: "quick" (digits, three minutes), "cpu" (cifar10_13k, under three hours on two cores) or "paper".
        seeds: number of seeds; None is 3.
        out: folder of results.
        only: parts to run; empty means all.

    Raises:
        UserError: an unknown part.
    """
    further = FURTHER if profile != "quick" else {}
    timed = TIMED if profile == "cpu" else {}
    parts = [*PARTS[profile], *further, *timed]
    for name in only:
        if name not in parts:
            raise unknown_name(f"part of the {profile} profile", name, parts)
    torch.set_num_threads(1)
    records: list[ResultRecord] = []
    for part in only or parts:
        if part in timed:
            found = resolve(timed[part])(profile)
        else:
            with threadpool_limits(limits=1):  # the solvers of the probes have threads of their own
                found = _run_part(profile, part, seeds, out / "vision" / "cells" / profile)
        write_records(found, out / "vision" / f"{profile}-{part.replace(' ', '-')}.json")
        records += found
    return records


def _run_part(profile: str, part: str, seeds: int | None, folder: Path) -> list[ResultRecord]:
    if part in FURTHER:
        cells, run_one = resolve(FURTHER[part])(profile, seeds, folder)
    else:
        cells = plan(profile, part, seeds)

        def run_one(cell: Cell) -> tuple[dict[str, float], dict[str, Any]]:
            return run_cell(cell, profile, folder)

    results = run_cells(cells, run_one, folder)
    rows = part_records(results, profile, published=PUBLISHED, verdicts=row_verdicts(part, results))
    return [*rows, *claim_records(part, profile, results)]


def run_cell(cell: Cell, profile: str, folder: Path) -> tuple[dict[str, float], dict[str, Any]]:
    """Train and score one system with one seed.

    Args:
        cell: the system, data set and seed.
        profile: decides the budget.
        folder: of the stored cells; runs go below it.

    Returns:
        Scores by name, and the resolved settings.
    """
    task = _CachedTask()
    name = cell.dataset.partition(", 100 labels")[0]
    if cell.system.method == "raw pixels":
        return _raw_pixels(task.load(name), cell.seed), {}
    values = settings_of(cell.system, profile)
    if values.get("pretrained"):
        values["pretrained"] = str(pretrained(profile, cell.seed, folder, values["pretrained"]))
    settings = resolve_settings(METHODS.settings(cell.system.method), (f"system {cell.system.name}", values))
    run_folder = folder / "runs" / cell.key()
    started = time.process_time()
    result = train(
        task,
        METHODS,
        cell.system.method,
        data=name,
        settings=settings,
        evaluation=_EVALUATION,
        fit_settings=FitSettings(seed=cell.seed, threads=1, progress=False, checkpoint_seconds=60.0),
        folder=run_folder,
        resume=True,
    )
    seconds = time.process_time() - started
    geometry = _geometry(load_method(run_folder, METHODS), task.load(name), cell.seed)
    scores = {**result.scores, **geometry, CPU: seconds}
    return {**scores, **_last_logged(run_folder / "metrics.csv")}, asdict(settings)


def pretrained(profile: str, seed: int, folder: Path, system: str) -> Path:
    """The model of a system of the first part with this seed, trained first if it is not there.

    Args:
        profile: decides the budget.
        seed: of the run.
        folder: of the stored cells.
        system: row of the part "instance discrimination".
    """
    cells = plan(profile, "instance discrimination", seed + 1)
    cell = next(c for c in cells if c.seed == seed and c.system.name == system)
    run_cells([cell], lambda one: run_cell(one, profile, folder), folder, measured=False)
    return folder / "runs" / cell.key() / "model"


def _raw_pixels(data: ImageSet, seed: int) -> dict[str, float]:
    """The floor: nothing learned but the principal components of the pixels, as many as the network has features."""
    train_set, test_set = split(data, _EVALUATION, seed)
    rows = [part.images.flatten(1).float() / 255 for part in (train_set, test_set)]
    if train_set.labels is None or test_set.labels is None:
        raise UserError(f"{data.name} has no labels")
    started = time.process_time()
    mean = rows[0].mean(0)
    centred = rows[0] - mean
    _, directions = torch.linalg.eigh(centred.T @ centred)  # in rising order
    directions = directions[:, -_COMPONENTS:]
    features = [(part - mean) @ directions for part in rows]
    found = score_classes(features[0], train_set.labels, features[1], test_set.labels, _EVALUATION, seed)
    return {**found, CPU: time.process_time() - started}


def _geometry(method: Any, data: ImageSet, seed: int) -> dict[str, float]:
    """Alignment of two mild views and uniformity of the projections of the test images, where there is a head."""
    head = getattr(method, "head", None)
    if head is None:
        return {}
    _, test = split(data, _EVALUATION, seed)
    view = method.view_generator("mild")
    draw = torch.Generator().manual_seed(seed)
    last_norm = getattr(method, "last_norm", torch.nn.Identity())
    with torch.no_grad():
        one, two = (last_norm(head(method.encoder(view(test.images, draw)))) for _ in range(2))
    return {
        "alignment": float(alignment(one, two)),
        "uniformity": float(uniformity(one)),
        "rank of projections": effective_rank(one, centre=True),
    }


def _last_logged(path: Path) -> dict[str, float]:
    """What the method logged of itself in the last epoch, averaged: proxy accuracy and the like."""
    if not path.exists():  # nothing was trained
        return {}
    values: dict[tuple[str, int], list[float]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["name"] in _LOGGED:
                values.setdefault((row["name"], int(row["epoch"])), []).append(float(row["value"]))
    found: dict[str, float] = {}
    for name, epoch in sorted(values):  # the last epoch of a name wins
        found[name] = fmean(values[name, epoch])
    return found
