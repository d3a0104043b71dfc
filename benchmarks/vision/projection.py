"""The projection-head study: rows before and after the head, on clean and shifted images, and with a dropped digit."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.vision.trained import EVALUATION, probe, train_on, untrained
from core.errors import unknown_name
from core.evaluation import KnnEvaluator
from core.training import seed_everything
from domains.vision.data.compose import SHIFTS, shifted
from domains.vision.data.images import ImageBatch, ImageSet
from domains.vision.methods.base import VisionMethod
from domains.vision.methods.simclr import SimCLR, SimCLRSettings
from domains.vision.task import split

__all__ = ["HEADS", "DroppedDigits", "dropped_digit_cell", "projection_cell"]

HEADS: Mapping[str, Mapping[str, Any]] = {
    "MLP head": {"layers": 2},
    "three-layer head": {"layers": 3},
    "linear head": {"layers": 1},
    "no head": {"layers": 0},
    "fixed reweighting": {"reweighting": 1000.0},
}
"""Heads of SimCLR by name, with the settings that make them."""


def projection_cell(
    head: str, seed: int, *, data: ImageSet, budget: Mapping[str, Any], folder: Path
) -> dict[str, float]:
    """Train SimCLR with a head, probe what goes into it, its hidden layers and what comes out.

    Probes learn on clean images: the linear one, which sees standardised rows, so that no fixed weights of the features
    matter to it, and kNN by cosine, to which they do. Shifted images are the test images under each of
    `domains.vision.data.compose.SHIFTS`, all together.

    Args:
        head: a key of `HEADS`.
        seed: of everything.
        data: images with labels and a test part.
        budget: settings of the run.
        folder: of the run; what is there is not done again.

    Returns:
        "accuracy pre, clean", "accuracy post, shifted", "accuracy hidden:1, clean" and so on, in [0, 1], the same with
        ", kNN", and what is gained before the head: "accuracy pre - post, clean" and so on.

    Raises:
        UserError: an unknown head.
    """
    method = train_on(untrained("simclr", data, seed, {**budget, **_settings(head)}), data, seed, folder)
    train, test = split(data, EVALUATION, seed)
    conditions = {"clean": [test], "shifted": [shifted(test, kind, seed=seed) for kind in SHIFTS]}
    return _by_stage(method, train, conditions, lambda images: torch.as_tensor(images.labels), seed)


class DroppedDigits(SimCLR):
    """SimCLR whose second view loses the digit at times: an augmentation that disturbs one feature.

    Args:
        settings: of SimCLR.
        without: ``(n, 3, h, w)`` uint8, the training pictures before the digits were drawn.
        p_drop: probability that the second view comes from such a picture, in [0, 1].
        **spec: see `domains.vision.methods.base.VisionMethod`.
    """

    def __init__(self, settings: SimCLRSettings, *, without: Tensor, p_drop: float, **spec: Any) -> None:
        super().__init__(settings, **spec)
        self.without = without
        self.p_drop = p_drop

    def training_step(self, batch: ImageBatch, batch_idx: int) -> Tensor:
        """The loss of fresh views; scalar."""
        dropped = torch.rand(len(batch), generator=self.generator) < self.p_drop
        second = torch.where(dropped[:, None, None, None], self.without[batch.index], batch.images)
        views = [self.random_views(images, 1)[0] for images in (batch.images, second)]
        z = self.head(self.encoder(torch.cat(views))).unflatten(0, (len(views), len(batch)))
        return self.log_loss(self.objective(z, batch), batch)


def dropped_digit_cell(
    head: str,
    p_drop: float,
    seed: int,
    *,
    data: ImageSet,
    backgrounds: ImageSet,
    budget: Mapping[str, Any],
    folder: Path,
) -> dict[str, float]:
    """Train on digits over pictures where the second view loses the digit, and probe for the digit.

    After Xue et al. 2024, arXiv 2403.11391: the less a feature survives augmentation, the more the head takes it out,
    and the more is gained before it.

    Args:
        head: a key of `HEADS`.
        p_drop: probability of the loss, in [0, 1].
        seed: of everything.
        data: of `domains.vision.data.compose.digit_on_image`.
        backgrounds: the pictures that it was made from, in the same order.
        budget: settings of the run.
        folder: of the run; what is there is not done again.

    Returns:
        As `projection_cell`, on clean images only.

    Raises:
        UserError: an unknown head.
    """
    settings = {**budget, **_settings(head), "recipe": "crop_flip"}
    plain = untrained("simclr", data, seed, settings)
    without, _ = split(backgrounds, EVALUATION, seed)
    method = DroppedDigits(
        plain.settings, without=without.images, p_drop=p_drop, generator=seed_everything(seed), **plain.input_spec
    )
    train_on(method, data, seed, folder)
    train, test = split(data, EVALUATION, seed)
    return _by_stage(method, train, {"clean": [test]}, lambda images: images.attributes["digit"], seed)


def _settings(head: str) -> Mapping[str, Any]:
    if head not in HEADS:
        raise unknown_name("head", head, HEADS)
    return HEADS[head]


def _by_stage(
    method: VisionMethod[Any],
    train: ImageSet,
    conditions: Mapping[str, list[ImageSet]],
    classes: Callable[[ImageSet], Tensor],
    seed: int,
) -> dict[str, float]:
    """Accuracy at each stage of the head under each condition."""
    assert isinstance(method, SimCLR)
    found: dict[str, float] = {}
    for stage in method.head.stages:
        tests = {
            name: (
                torch.cat([method.embed_stage(part.images, stage) for part in parts]),
                torch.cat([classes(part) for part in parts]),
            )
            for name, parts in conditions.items()
        }
        label = {"backbone": "pre", "projection": "post"}.get(stage, stage)
        rows = method.embed_stage(train.images, stage)
        scores = probe(rows, classes(train), tests, seed)
        found |= {f"accuracy {label}, {name}": value for name, value in scores.items()}
        knn = KnnEvaluator(k=EVALUATION.k, temperature=EVALUATION.knn_temperature).fit(rows, classes(train))
        found |= {f"accuracy {label}, {name}, kNN": knn.score(*test) for name, test in tests.items()}
    for name in [name for condition in conditions for name in (condition, f"{condition}, kNN")]:
        found[f"accuracy pre - post, {name}"] = found[f"accuracy pre, {name}"] - found[f"accuracy post, {name}"]
    return found
