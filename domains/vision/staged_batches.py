"""Batches of multistage training: shuffled at first, from one group of images at a time in later stages."""

import logging
import warnings
from collections.abc import Iterator
from itertools import count, islice

import torch
from jaxtyping import Int64
from torch import Tensor

from core.checks import check_labels
from core.errors import UserError
from core.samplers import FeatureAwareBatchSampler, joint_labels
from core.samplers.feature_aware import SmallGroups
from core.training.loader import shuffled
from domains.vision.data.images import ImageBatch, ImageSet

__all__ = ["StagedLoader"]

_log = logging.getLogger(__name__)


class StagedLoader:
    """Batches of stage 0 are shuffled; those of later stages lie in one joint cluster of all stages before.

    An epoch has equally many batches in every stage. Groups leave rests that fill no batch, so one pass over them is
    shorter than that; the passes of the group sampler follow each other and are cut into epochs of that length.

    The clusters are the whole state: ``begin_stage`` with each of them in turn brings a new loader into the same stage.

    Args:
        data: the training images.
        batch_size: images in a batch, of all processes together.
        seed: of the order.
        num_clusters: K of each stage, >= 2.
        small_groups: what becomes of groups below ``batch_size``, see `core.samplers.FeatureAwareBatchSampler`.

    Attributes:
        clusters: of each stage that has ended, ``(n,)`` int64 by position of the image.

    Raises:
        UserError: fewer images than clusters.
    """

    def __init__(
        self, data: ImageSet, batch_size: int, seed: int, *, num_clusters: int, small_groups: SmallGroups
    ) -> None:
        if len(data) < num_clusters:
            raise UserError(
                f"{data.name} has {len(data)} training images, fewer than num_clusters={num_clusters}; "
                "lower --num-clusters"
            )
        self.data = data
        self.seed = seed
        self.num_clusters = num_clusters
        self._batch_size = min(batch_size, len(data))
        self._small_groups: SmallGroups = small_groups
        self._plain = shuffled(len(data), batch_size, seed, data.batch, drop_last=True)
        self._grouped: FeatureAwareBatchSampler | None = None
        self.clusters: list[Tensor] = []
        self._epoch = 0

    @property
    def sampler(self) -> "StagedLoader":
        """Itself: Lightning calls ``set_epoch`` on what a loader names its sampler."""
        return self

    @property
    def stage(self) -> int:
        """The stage that the batches are for, from 0."""
        return len(self.clusters)

    @property
    def groups(self) -> Int64[Tensor, " n"]:
        """Group of each image in this stage, from 0; -1 where it is never seen."""
        return torch.zeros(len(self.data), dtype=torch.int64) if self._grouped is None else self._grouped.groups

    @property
    def unseen(self) -> float:
        """Share of the images that this stage never sees, in [0, 1]."""
        return float((self.groups < 0).float().mean())

    def begin_stage(self, clusters: Int64[Tensor, " n"]) -> None:
        """Group the images by these clusters together with those of all stages before.

        Args:
            clusters: of the features of the stage that has ended, 0..K-1, by position of the image.

        Raises:
            UserError: no group fills a batch.
            ValueError: clusters of another number of images, or out of range.
        """
        check_labels(clusters, len(self.data))
        found = [*self.clusters, clusters]
        labels = joint_labels(found, self.num_clusters, compact=True)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # the share that is never seen is logged
                self._grouped = FeatureAwareBatchSampler(
                    labels, self._batch_size, small_groups=self._small_groups, seed=self.seed
                )
        except ValueError as error:
            raise UserError(f"stage {len(found)}: {error}") from error
        self.clusters = found
        groups = int(self.groups.max()) + 1
        _log.info("stage %d: %d groups of images, %.1f %% never seen", self.stage, groups, 100 * self.unseen)

    def set_epoch(self, epoch: int) -> None:
        """Which epoch the next iteration is."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._plain)

    def __iter__(self) -> Iterator[ImageBatch]:
        # A resumed run makes its first iterator before it knows its stage; the first batch asks.
        return self._batches(self._epoch)

    def _batches(self, epoch: int) -> Iterator[ImageBatch]:
        if self._grouped is None:
            self._plain.set_epoch(epoch)
            yield from self._plain
            return
        first, skipped = divmod(epoch * len(self), len(self._grouped))
        for rows in islice(_passes(self._grouped, first), skipped, skipped + len(self)):
            yield self.data.batch(torch.tensor(rows))


def _passes(grouped: FeatureAwareBatchSampler, first: int) -> Iterator[list[int]]:
    """All passes over the groups from one on, without end."""
    for number in count(first):
        grouped.set_epoch(number)
        yield from grouped
