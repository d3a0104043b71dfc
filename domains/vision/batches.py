"""Which images meet in a batch: shuffled, or by a sampler of the core."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch

from core.errors import UserError
from core.parts import find_part
from core.samplers import RedundancyFilter, cluster_features
from core.samplers.epoch_batches import EpochBatchSampler
from core.training.artifact import load_method
from core.training.loader import shuffled
from domains.vision import METHODS
from domains.vision.data.images import ImageBatch, ImageSet
from domains.vision.data.splits import few_labels
from domains.vision.methods.base import VisionMethod
from domains.vision.methods.objective import make_part
from domains.vision.methods.one_network import BATCH_SAMPLERS

__all__ = ["SampledLoader", "make_loader"]

_log = logging.getLogger(__name__)


class SampledLoader:
    """Batches of images in the order that a batch sampler gives.

    Args:
        data: the training images.
        sampler: of positions in them.
    """

    def __init__(self, data: ImageSet, sampler: EpochBatchSampler) -> None:
        self.data = data
        self.sampler = sampler

    def set_epoch(self, epoch: int) -> None:
        """Which epoch the next iteration is."""
        self.sampler.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[ImageBatch]:
        return (self.data.batch(torch.tensor(rows)) for rows in self.sampler)


def make_loader(method: VisionMethod[Any], train: ImageSet, seed: int) -> Iterable[Any]:
    """Batches of the training images.

    All are full, as contrastive training wants them: what does not fill a batch is left out, other images in each
    epoch. Fewer images than a batch make one batch.

    Args:
        method: its settings say how large batches are and which sampler chooses them.
        train: the training images.
        seed: of the order.

    Raises:
        UserError: fewer than two images, none with a class where the method needs them, or a sampler that does not suit
            them.
    """
    train = _to_learn_from(method, train, seed)
    if len(train) < 2:
        raise UserError(f"{train.name} leaves {len(train)} training image; two or more are needed")
    own = method.loader(train, seed)
    if own is not None:
        return own
    settings = method.settings
    sampler = getattr(settings, "sampler", "none")
    if sampler in BATCH_SAMPLERS:
        options = dict(settings.sampler_settings)
        if sampler == "redundancy":
            train = _without_copies(train, options)
        else:
            return SampledLoader(train, _batch_sampler(sampler, train, options, settings.batch_size, seed))
    return shuffled(len(train), settings.batch_size, seed, train.batch, drop_last=True)


def _to_learn_from(method: VisionMethod[Any], train: ImageSet, seed: int) -> ImageSet:
    """For a method that needs classes the images that have one, or the few of each class that its settings allow."""
    if method.needs != "labels" or train.labels is None:
        return train
    few = getattr(method.settings, "labels_per_class", 0)
    share = getattr(method.settings, "labels_share", 0.0)
    rows = few_labels(train.labels, per_class=few or None, share=None if few else share or 1.0, seed=seed)
    if len(rows) == 0:
        raise UserError(f"{method.name} needs labels, and no training image of {train.name} has one")
    if len(rows) < len(train):
        _log.info("%s learns from %d of %d training images", method.name, len(rows), len(train))
    return train.select(rows)


def _without_copies(train: ImageSet, options: Mapping[str, Any]) -> ImageSet:
    """One image of every group of near-copies."""
    chosen: RedundancyFilter = make_part(find_part("RedundancyFilter"), options)
    kept = chosen.fit(train.images.float().mean(1)).keep_indices_
    _log.info("the redundancy filter keeps %d of %d images", len(kept), len(train))
    return train.select(kept)


def _batch_sampler(
    name: str, train: ImageSet, options: dict[str, Any], batch_size: int, seed: int
) -> EpochBatchSampler:
    given: dict[str, Any] = {"batch_size": batch_size, "seed": seed}
    if name == "feature_aware":
        given["labels"] = _clusters(train, options, seed)
        return _made("FeatureAwareBatchSampler", options, given)
    if train.labels is None or bool((train.labels < 0).any()):
        raise UserError(f"the sampler {name} needs a label for every training image; {train.name} has some without")
    given["labels"] = train.labels
    if name == "pk":
        classes = min(options.pop("classes_per_batch", 8), len(train.labels.unique()))
        given |= {"classes_per_batch": classes}
        options.setdefault("samples_per_class", max(2, batch_size // classes))
        return _made("PKBatchSampler", options, given)
    return _made("ClassBalancedBatchSampler", options, given)


def _made(name: str, options: Mapping[str, Any], given: Mapping[str, Any]) -> EpochBatchSampler:
    sampler: EpochBatchSampler = make_part(find_part(name, "sampler"), options, **given)
    return sampler


def _clusters(train: ImageSet, options: dict[str, Any], seed: int) -> torch.Tensor:
    """Clusters of the features of an earlier model, which ``model`` names."""
    folder = options.pop("model", None)
    if folder is None:
        raise UserError(
            "the sampler feature_aware needs sampler_settings.model, the folder of the model whose clusters it takes; "
            "the method mcl trains all stages by itself"
        )
    earlier = load_method(folder, METHODS)
    clusters: torch.Tensor = cluster_features(earlier.embed(train.images), options.pop("num_clusters", 10), seed=seed)
    return clusters
