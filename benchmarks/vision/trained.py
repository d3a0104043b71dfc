"""Train a method on images in memory and probe its frozen rows: what the further parts of the study share."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.errors import UserError
from core.evaluation import logistic_regression
from core.training import FitSettings, fit, resolve_settings, seed_everything
from domains.vision import METHODS
from domains.vision.data.images import ImageSet
from domains.vision.evaluate import PROBE_GRID, EvaluationSettings, validation_rows
from domains.vision.methods.base import VisionMethod
from domains.vision.task import VisionTask

__all__ = ["EVALUATION", "few", "probe", "train_on", "untrained"]

EVALUATION = EvaluationSettings(online_every=0)


def untrained(name: str, data: ImageSet, seed: int, settings: Mapping[str, Any]) -> VisionMethod[Any]:
    """A method of the registry before its first step.

    Args:
        name: its name.
        data: decides normalisation and sizes.
        seed: of weights and views.
        settings: what differs from the defaults.
    """
    resolved = resolve_settings(METHODS.settings(name), (f"study, {name}", settings))
    return VisionTask().build(name, resolved, data, seed_everything(seed))


def train_on(method: VisionMethod[Any], data: ImageSet, seed: int, folder: Path) -> VisionMethod[Any]:
    """Train on the training part; what the folder already holds of this run is not done again.

    Args:
        method: as `untrained` makes it.
        data: the images with their test part.
        seed: of the order.
        folder: of the run's checkpoints.
    """
    loader = VisionTask().loader(method, data, EVALUATION, seed)
    # one thread, so that the numbers do not depend on the number of cores
    quiet = FitSettings(seed=seed, threads=1, progress=False, checkpoint_seconds=60.0)
    fit(method, loader, folder=folder, settings=quiet, resume=True)
    return method


def few(data: ImageSet, images: int, seed: int = 0) -> ImageSet:
    """The set with at most so many training images, drawn evenly over their order; the test part stays.

    Args:
        data: with a test part.
        images: of the training part; 0 keeps all.
        seed: of the draw.
    """
    if data.test is None:
        raise UserError(f"{data.name} has no test part")
    rows = (~data.test).nonzero().flatten()
    if images == 0 or images >= len(rows):
        return data
    drawn = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:images]]
    return data.select(torch.cat([drawn, data.test.nonzero().flatten()]).sort().values)


def probe(train: Tensor, labels: Tensor, tests: Mapping[str, tuple[Tensor, Tensor]], seed: int) -> dict[str, float]:
    """Accuracy of one linear probe on several test parts.

    Its strength is chosen on a fifth of the training rows, as in the domain's protocol, and is the same for all parts.

    Args:
        train: ``(n, d)`` frozen rows to learn from.
        labels: ``(n,)`` their classes.
        tests: by name, frozen rows and their classes.
        seed: of the fifth.
    """
    learn, choose = validation_rows(labels, seed)
    found: dict[str, float] = {}
    grid: tuple[float, ...] = PROBE_GRID
    for name, (rows, classes) in tests.items():
        result = logistic_regression(
            torch.cat([train, rows]),
            torch.cat([labels, classes]),
            train=learn,
            val=choose,
            test=torch.arange(len(rows)) + len(train),
            grid=grid,
        )
        found[name], grid = result.test, (result.c,)
    return found
