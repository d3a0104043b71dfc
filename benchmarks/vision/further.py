"""The cells of the parts that are more than training one method: suppression, regression, heads, transfer."""

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from benchmarks.vision import projection, regression, suppression, transfer
from benchmarks.vision.budget import BUDGETS
from benchmarks.vision.records import CPU
from benchmarks.vision.trained import few, untrained
from core.reporting import Cell, System
from core.reporting.records import Role
from core.training import load_method
from domains.vision import METHODS
from domains.vision.data.images import ImageSet
from domains.vision.data.read import read_images
from domains.vision.methods.base import VisionMethod

__all__ = ["heads_part", "regression_part", "suppression_part", "transfer_part"]

Scores = tuple[dict[str, float], dict[str, Any]]
Part = tuple[Sequence[Cell], Callable[[Cell], Scores]]
_IMAGES = {"cpu": 5_500, "paper": 0}
"""Training images of these parts; 0 takes all."""
_SETS = {
    "suppression": "digits over cifar10_13k",
    "heads": "cifar10_13k, half",
    "dropped": "digits over cifar10_13k, digit dropped from a view",
}
_BASELINE: Role = "baseline"
_ROLES: dict[str, Role] = {"untrained start": "untrained"}
_DROP = "MLP head, digit dropped with p = "
_SHARES = (0.0, 0.5, 0.9)


def _cells(
    names: Sequence[str], method: str, dataset: str, seeds: int | None, baselines: Sequence[str] = ()
) -> list[Cell]:
    roles: dict[str, Role] = {**_ROLES, **dict.fromkeys(baselines, _BASELINE)}
    systems = [System(name, method, roles.get(name, "method")) for name in names]
    return [Cell(system, dataset, seed) for seed in range(3 if seeds is None else seeds) for system in systems]


def _leading(scores: dict[str, float], name: str) -> dict[str, float]:
    """The score that leads the table under the name that all tables lead with."""
    return {"accuracy": scores[name], **scores}


def _timed(run: Callable[[Cell], Scores]) -> Callable[[Cell], Scores]:
    """The same with the processor seconds that it took."""

    def timed(cell: Cell) -> Scores:
        started = time.process_time()
        found, settings = run(cell)
        return {**found, CPU: time.process_time() - started}, settings

    return timed


def suppression_part(profile: str, seeds: int | None, folder: Path) -> Part:
    """MCL on digits drawn over pictures, beside plain runs and their ensemble."""
    names = [suppression.UNTRAINED, "one plain run", suppression.MULTISTAGE, suppression.ENSEMBLE]
    cells = _cells(names, "mcl", _SETS["suppression"], seeds, baselines=["one plain run", names[-1]])
    budget = BUDGETS[profile]

    def run(cell: Cell) -> Scores:
        data = _suppressed(_IMAGES[profile])
        found = suppression.suppression_cell(
            cell.system.name, cell.seed, data=data, budget=budget, folder=folder / "runs" / "suppression"
        )
        return _leading(found, "accuracy mean"), budget

    return cells, _timed(run)


@lru_cache(maxsize=1)
def _suppressed(images: int) -> ImageSet:
    return suppression.suppression_data(images=images)


def regression_part(profile: str, seeds: int | None, folder: Path) -> Part:
    """SupReMix against L1 and SupCR on rotation angles and on a table, full and imbalanced."""
    cells = []
    for dataset in regression.DATASETS:
        for cut in ("", ", imbalanced"):
            names = [name for name in regression.SYSTEMS if dataset == "diabetes" or name not in _TABLE_ONLY]
            cells += _cells(names, "supremix", dataset + cut, seeds, baselines=["L1"])
    budget = BUDGETS[profile]

    def run(cell: Cell) -> Scores:
        dataset, _, cut = cell.dataset.partition(", ")
        values = dict(budget)
        if dataset == "diabetes":
            values["epochs"] = 100
        data = None if dataset == "diabetes" else _rotated(bool(cut), _IMAGES[profile])
        found = regression.regression_cell(
            dataset,
            bool(cut),
            cell.system.name,
            cell.seed,
            data=data,
            budget=values,
            folder=folder / "runs" / cell.key(),
        )
        return found, values

    return cells, _timed(run)


_TABLE_ONLY = ("SupCon of equal targets",)


@lru_cache(maxsize=2)
def _rotated(imbalanced: bool, images: int) -> ImageSet:
    return regression.rotation_data(imbalanced, images=images)


def heads_part(profile: str, seeds: int | None, folder: Path) -> Part:
    """Before and after each head, on clean and on shifted images, and where a view loses what is probed."""
    names = [name for name in projection.HEADS if name != "three-layer head"]
    cells = _cells(names, "simclr", _SETS["heads"], seeds)
    cells += _cells([f"{_DROP}{share:g}" for share in _SHARES], "simclr", _SETS["dropped"], seeds)
    budget = BUDGETS[profile]

    def run(cell: Cell) -> Scores:
        place = folder / "runs" / cell.key()
        images = _IMAGES[profile]
        if cell.system.name.startswith(_DROP):
            found = projection.dropped_digit_cell(
                "MLP head",
                float(cell.system.name.removeprefix(_DROP)),
                cell.seed,
                data=_suppressed(images),
                backgrounds=_half(images),
                budget=budget,
                folder=place,
            )
        else:
            found = projection.projection_cell(
                cell.system.name, cell.seed, data=_half(images), budget=budget, folder=place
            )
        return _leading(found, "accuracy pre, clean"), budget

    return cells, _timed(run)


@lru_cache(maxsize=1)
def _half(images: int) -> ImageSet:
    return few(read_images("cifar10_13k"), images)


def transfer_part(profile: str, seeds: int | None, folder: Path) -> Part:
    """A probe on each domain of PACS, on encoders that were trained on cifar10_13k."""
    from benchmarks.vision.study import pretrained

    names = ["128 principal components", "untrained start", *_SOURCES]
    cells = _cells(names, "simclr", "pacs64", seeds, baselines=names[:1])
    budget = BUDGETS[profile]

    def run(cell: Cell) -> Scores:
        data = _pacs()
        name = cell.system.name
        if name == "128 principal components":
            method: VisionMethod[Any] | None = None
        elif name == "untrained start":
            method = untrained("simclr", _half(0), cell.seed, budget)
        else:
            source = load_method(pretrained(profile, cell.seed, folder, _SOURCES[name]), METHODS)
            assert isinstance(source, VisionMethod)
            method = source
        return _leading(transfer.transfer_scores(method, cell.seed, data=data), "accuracy mean"), budget

    return cells, _timed(run)


_SOURCES = {"SimCLR on cifar10_13k": "SimCLR (NT-Xent)", "MoCo v2 on cifar10_13k": "MoCo v2"}


@lru_cache(maxsize=1)
def _pacs() -> ImageSet:
    return transfer.transfer_data(32)
