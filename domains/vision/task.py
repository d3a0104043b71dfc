"""The domain's side of a training job."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch import Callback
from torch import Tensor

from core.checks import check_at_least
from core.errors import UserError
from core.evaluation import KnnEvaluator
from core.training.method import Method, MethodSettings
from core.training.online import OnlineEvaluation
from domains.vision import METHODS
from domains.vision.batches import make_loader
from domains.vision.data.images import ImageSet
from domains.vision.data.read import read_images
from domains.vision.data.splits import test_rows
from domains.vision.evaluate import EvaluationSettings, score_classes, score_targets
from domains.vision.methods.base import VisionMethod

__all__ = ["ReadSettings", "VisionTask", "split", "split_rows"]

_log = logging.getLogger(__name__)

_ONLINE_SHARE = 0.5
"""Images embedded for an online score, as a share of the training images: half of them forward, every five epochs,
beside five epochs of two views forward and backward, is 2 % of the work."""
_ONLINE_MOST = 2500


def split_rows(data: ImageSet, settings: EvaluationSettings, seed: int) -> tuple[Tensor, Tensor]:
    """Positions of the training and of the test images: the official parts, or a drawn share.

    Args:
        data: all images.
        settings: the share.
        seed: of the draw.
    """
    test = test_rows(data, settings.test_share, seed)
    kept = torch.ones(len(data), dtype=torch.bool)
    kept[test] = False
    return kept.nonzero().flatten(), test


def split(data: ImageSet, settings: EvaluationSettings, seed: int) -> tuple[ImageSet, ImageSet]:
    """Copies of the training and of the test images, see `split_rows`.

    Args:
        data: all images.
        settings: the share.
        seed: of the draw.
    """
    train, test = split_rows(data, settings, seed)
    return data.select(train), data.select(test)


@dataclass(frozen=True)
class ReadSettings:
    """How images are read.

    Attributes:
        size: side of the square that images are brought to, in pixels; 0 leaves images of one size up to 64 pixels as
            they are and brings others to at most 64.
        skip_broken: leave out images that cannot be read, and name them, instead of stopping.
        labels: a table with the columns file and label (or target) for a folder of images; empty for none.
    """

    size: int = 0
    skip_broken: bool = False
    labels: str = ""

    def __post_init__(self) -> None:
        check_at_least("size", self.size, 0)


class VisionTask:
    """Load, build, batch, score: what `core.training.Task` asks of a domain.

    Attributes:
        evaluation_settings: the dataclass of the protocol.
        read_settings: the dataclass of what the reader can be told.
        reading: what it is told.
    """

    evaluation_settings: type = EvaluationSettings
    read_settings: type = ReadSettings

    def __init__(self) -> None:
        self.reading = ReadSettings()

    def load(self, data: str | None) -> ImageSet:
        """A catalogue name, a path, or (None) scikit-learn's digits."""
        r = self.reading
        return read_images(data or "digits", size=r.size or None, skip_broken=r.skip_broken, labels=r.labels or None)

    def build(
        self, method: str, settings: MethodSettings, data: ImageSet, generator: torch.Generator
    ) -> VisionMethod[Any]:
        """The untrained method.

        Raises:
            UserError: it needs labels or targets that the images do not have.
        """
        needs = METHODS.get(method).needs
        if needs == "labels" and data.num_classes < 2:
            raise UserError(f"{method} needs images of two classes or more; {data.name} has {data.num_classes}")
        if needs == "targets" and data.targets is None:
            raise UserError(f"{method} needs a number for each image (a column 'target'); {data.name} has none")
        if len(data) < 2:
            raise UserError(f"{data.name} has {len(data)} image; training needs two or more")
        official = data.images if data.test is None else data.images[~data.test]
        if len(official) < 2:
            raise UserError(
                f"{data.name} has {len(official)} images outside of its test part; training needs two or more"
            )
        mean, std = channel_statistics(official)
        target_mean, target_std = _target_statistics(data)
        built: VisionMethod[Any] = METHODS.get(method)(
            settings,
            size=data.size,
            mean=mean,
            std=std,
            num_images=len(data),
            num_classes=data.num_classes,
            grey=bool(
                (data.images[:, 0] == data.images[:, 1]).all() and (data.images[:, 1] == data.images[:, 2]).all()
            ),
            target_mean=target_mean,
            target_std=target_std,
            generator=generator,
        )
        return built

    def loader(self, method: Method[Any], data: ImageSet, evaluation: EvaluationSettings, seed: int) -> Iterable[Any]:
        """Shuffled batches of the training part, or what the method's sampler draws.

        Raises:
            UserError: fewer training images than two, or a sampler that does not suit the data.
        """
        train, _ = split_rows(data, evaluation, seed)
        return make_loader(_vision(method), data.select(train), seed)

    def callbacks(
        self, method: Method[Any], data: ImageSet, evaluation: EvaluationSettings, seed: int
    ) -> Sequence[Callback]:
        """KNN accuracy on a part of the test images every few epochs, where there are labels."""
        if evaluation.online_every == 0 or data.labels is None:
            return ()
        labels = data.labels
        train, test = split_rows(data, evaluation, seed)
        most = min(_ONLINE_MOST, int(_ONLINE_SHARE * len(train)))
        draw = torch.Generator().manual_seed(seed)
        bank, queries = (
            data.select(rows[torch.randperm(len(rows), generator=draw)[:count]])
            for rows, count in ((train[labels[train] >= 0], most * 4 // 5), (test[labels[test] >= 0], most // 5))
        )
        if len(queries) == 0 or len(bank) == 0:
            return ()

        def knn(model: Method[Any]) -> dict[str, float]:
            assert bank.labels is not None
            assert queries.labels is not None
            rated = KnnEvaluator(k=evaluation.k, temperature=evaluation.knn_temperature)
            rated.fit(model.embed(bank.images), bank.labels)
            return {"kNN accuracy": rated.score(model.embed(queries.images), queries.labels)}

        return (OnlineEvaluation("online", evaluation.online_every, knn),)

    def evaluate(
        self, method: Method[Any], data: ImageSet, settings: EvaluationSettings, seed: int
    ) -> dict[str, float]:
        """The domain's protocol on frozen features; a classifier's own answers beside it.

        Raises:
            UserError: data that the model was not made for, or that the protocol cannot score.
        """
        method = _vision(method)
        train, test = split(data, settings, seed)
        if train.targets is not None and test.targets is not None:
            found = score_targets(method.embed(train.images), train.targets, method.embed(test.images), test.targets)
        else:
            found = self._score_classes(method, _labelled(train), _labelled(test), settings, seed)
        return {**method.own_scores(test), **found}

    def _score_classes(
        self, method: VisionMethod[Any], train: ImageSet, test: ImageSet, settings: EvaluationSettings, seed: int
    ) -> dict[str, float]:
        if train.labels is None or test.labels is None:
            return {}
        if len(test) == 0 or len(train.labels.unique()) < 2:  # the model is kept all the same
            _log.warning(
                "%s gets no score by class: there is one class only, or no labelled image to test on",
                train.name,
            )
            return {}
        return score_classes(
            method.embed(train.images), train.labels, method.embed(test.images), test.labels, settings, seed
        )

    def describe(self, data: ImageSet) -> dict[str, Any]:
        """Facts for the artifact."""
        shown: dict[str, Any] = {
            "name": data.name,
            "images": len(data),
            "size": list(data.images.shape[-2:]),
            "classes": list(data.class_names),
            "input": "RGB, uint8, 0 to 255",
        }
        return {**shown, **{key: value for key, value in data.facts.items() if isinstance(value, str | int | float)}}


def _vision(method: Method[Any]) -> VisionMethod[Any]:
    if not isinstance(method, VisionMethod):
        raise UserError(f"{method.name} is no method of the vision domain")
    return method


def channel_statistics(images: Tensor) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel, in units of [0, 1]; a constant channel has deviation 1.

    Args:
        images: ``(n, 3, h, w)`` uint8.
    """
    counts = torch.stack([torch.bincount(images[:, c].flatten(), minlength=256) for c in range(3)]).double()
    levels = torch.arange(256).double() / 255
    share = counts / counts.sum(1, keepdim=True)
    mean = share @ levels
    std = (share @ levels.square() - mean.square()).clamp(min=0).sqrt()
    return mean.tolist(), torch.where(std > 1e-6, std, torch.ones_like(std)).tolist()


def _target_statistics(data: ImageSet) -> tuple[float, float]:
    """Mean and deviation of the targets outside an official test part; 0 and 1 without targets, 1 if all are equal."""
    if data.targets is None:
        return 0.0, 1.0
    known = (data.targets if data.test is None else data.targets[~data.test]).double()
    std = float(known.std(correction=0))
    return float(known.mean()), std if std > 0 else 1.0


def _labelled(data: ImageSet) -> ImageSet:
    """Only the images whose class is known."""
    return data if data.labels is None else data.select(data.labels >= 0)
