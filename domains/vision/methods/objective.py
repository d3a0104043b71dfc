"""Any loss of the core on the projections of v views, and any sampler that works on embeddings."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.distributed import GatheredLoss, gather_with_grad, rank, world_size
from core.errors import UserError
from core.losses import HallucinatedPairLoss, PairwiseAggregation
from core.parts import Part, find_part
from core.samplers import Hallucinator, HardNegativeMixing, MemoryQueue
from domains.vision.data.images import ImageBatch
from domains.vision.methods.answers import labels_of, targets_of

__all__ = ["Objective", "make_loss", "make_part", "make_sampler"]

_ELSEWHERE: Mapping[str, str] = {
    "MomentumCACRLoss": "it needs momentum keys: train moco",
    "CropCACRLoss": "it needs momentum keys: train moco",
    "CoreTuningLoss": "it needs class scores: train core_tuning",
    "RDropLoss": "it needs class scores of two dropout passes",
    "ClassPairContrastiveLoss": "it needs gates: train hydra",
    "DomainContrastLoss": "it needs slices of aligned volumes",
    "SwAVLoss": "it needs prototypes: train swav",
    "HallucinatedPairLoss": "name its base loss, and --sampler hallucinator",
    "CMIMLoss": "it needs a decoder",
    "AMIMLoss": "it needs a decoder",
    "MIMLoss": "it needs a decoder",
    "OrdinalMixup": "it is part of --loss supremix",
    "HardPairMixup": "it is part of core_tuning",
    "ClassPairSampler": "it is part of hydra",
    "FeatureQueue": "it is part of swav",
}
"""Parts that a frame of views cannot take, and why."""

_SAMPLER_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "HardNegativeMixing": {"n_hard": 128, "n_pair": 64, "n_query": 32},
    "MemoryQueue": {"size": 4096},
}
"""For small data. The papers of MoCHi and MoCo take N = 1024, s and s' of 128 to 1024, and 65,536 keys."""


def make_part(part: Part, settings: Mapping[str, Any], **given: Any) -> Any:
    """Build a part of the core from its name and the user's settings.

    Args:
        part: what to build.
        settings: keyword arguments by name.
        **given: what the domain knows (number of images, generator, ...); those that the part does not take are left
            out.

    Raises:
        UserError: a setting that the part does not have, or a bad value; the message names both.
    """
    if settings.get("reduction") == "none":
        raise UserError(f"{part.name} must give one number to train on; take reduction 'mean' or 'sum'")
    known = inspect.signature(part.load().__init__).parameters
    wrong = [name for name in settings if name not in known]
    if wrong:
        free = [name for name in known if name not in ("self", *given)]
        raise UserError(f"{part.name} has no setting {', '.join(wrong)}; it has {', '.join(free)}")
    try:
        return part.load()(**{name: value for name, value in given.items() if name in known} | dict(settings))
    except (TypeError, ValueError) as error:
        raise UserError(f"settings of {part.name}: {error}") from error


def make_loss(name: str, settings: Mapping[str, Any], *, num_images: int) -> tuple[Part, nn.Module]:
    """A loss by its public name.

    Args:
        name: for instance ``"dcl"``; see ``counterpoint losses``.
        settings: of the loss.
        num_images: training images, for losses with a state for each.

    Raises:
        UserError: unknown, not for views of images, or bad settings.
    """
    part = find_part(name, "loss")
    if part.name in _ELSEWHERE or part.takes == "maps":
        why = _ELSEWHERE.get(part.name, "it compares pixels of feature maps")
        raise UserError(f"{part.name} cannot be trained on whole views of images: {why}")
    if part.name == "PairwiseAggregation":
        inner = dict(settings)
        _, loss = make_loss(inner.pop("loss", "nt_xent"), inner.pop("loss_settings", {}), num_images=num_images)
        return part, make_part(part, inner, loss=loss)
    return part, make_part(part, settings, num_samples=num_images)


def make_sampler(
    name: str, settings: Mapping[str, Any], *, dim: int, generator: torch.Generator
) -> tuple[Part, Hallucinator | HardNegativeMixing | MemoryQueue]:
    """A sampler of embeddings by its public name, with defaults for small data.

    Args:
        name: "memory_queue", "hard_negative_mixing" or "hallucinator".
        settings: its keyword arguments.
        dim: width of the projections.
        generator: of its draws.

    Raises:
        UserError: unknown, no sampler of embeddings, or bad settings.
    """
    part = find_part(name, "sampler")
    if part.name in _ELSEWHERE:
        raise UserError(f"{part.name} cannot be chosen as a sampler: {_ELSEWHERE[part.name]}")
    if part.name not in ("MemoryQueue", "HardNegativeMixing", "Hallucinator"):
        raise UserError(
            f"{part.name} is no sampler of embeddings; memory_queue, hard_negative_mixing and hallucinator are; pk, "
            "class_balanced, feature_aware and redundancy, written so, choose images"
        )
    options = {**_SAMPLER_DEFAULTS.get(part.name, {}), **settings}
    return part, make_part(part, options, dim=dim, generator=generator)


class Objective(nn.Module):
    """The loss of a batch of views, whatever the loss takes.

    - pairs and modalities: the two views; with more views the mean over all pairs of them (`PairwiseAggregation`);
    - views: all of them at once;
    - labels: all views of all images with their labels; a loss with prototypes of classes learns them here;
    - targets: likewise, with the number of each image;
    - index: the two views and the images' places in the training set;
    - scores: the cosines of positives and of negatives between the two views;
    - codes: all rows.

    Several processes give the value and the gradients of one process on their joined batch.

    Args:
        loss: public name of a loss of the core.
        loss_settings: its keyword arguments.
        sampler: "none", or the name of a sampler of embeddings: "memory_queue" (earlier second views are the
            negatives, in place of the batch's), "hard_negative_mixing" (MoCHi), "hallucinator" (a further positive in
            feature space).
        sampler_settings: its keyword arguments.
        dim: width of the projections.
        num_images: training images.
        num_classes: classes, 0 without labels.
        views: number of views of each image.
        generator: of the sampler's draws.
        warmup: share of the epochs without mixed negatives, in [0, 1).

    Raises:
        UserError: unknown names, settings or combinations.
    """

    def __init__(
        self,
        loss: str,
        loss_settings: Mapping[str, Any],
        *,
        dim: int,
        num_images: int,
        num_classes: int,
        views: int,
        generator: torch.Generator,
        sampler: str = "none",
        sampler_settings: Mapping[str, Any] | None = None,
        warmup: float = 0.0,
    ) -> None:
        super().__init__()
        self.part, self.loss = make_loss(loss, loss_settings, num_images=num_images)
        self.views = views
        self.warmup = warmup
        self.active = warmup == 0
        self.mixer: HardNegativeMixing | None = None
        self.queue: MemoryQueue | None = None
        self.proxies: nn.Parameter | None = None
        if self.part.takes == "index" and views != 2:
            raise UserError(f"{self.part.name} takes two views, got views={views}")
        if self.part.name in ("LabelContrastLoss", "LabelMatchingLoss"):
            if num_classes < 2:
                raise UserError(f"{self.part.name} needs images of two classes or more")
            self.proxies = nn.Parameter(torch.randn(num_classes, dim, generator=generator) / dim**0.5)
        if sampler != "none":
            self._add_sampler(*make_sampler(sampler, sampler_settings or {}, dim=dim, generator=generator))
        elif sampler_settings:
            raise UserError("sampler_settings are given, but no sampler")
        self._call = self._caller()

    def _add_sampler(self, part: Part, built: Hallucinator | HardNegativeMixing | MemoryQueue) -> None:
        if self.part.takes != "pairs" or self.views != 2:
            raise UserError(
                f"the sampler {part.name} works on pairs of views; {self.part.name} takes {self.part.takes} and there "
                f"are {self.views} views"
            )
        options = inspect.signature(self.loss.forward).parameters
        if isinstance(built, Hallucinator):
            self.loss = HallucinatedPairLoss(self.loss, built)
        elif isinstance(built, HardNegativeMixing):
            if "extra_similarities" not in options:
                raise UserError(
                    f"{self.part.name} takes no mixed negatives; NTXentLoss, InfoNCELoss, DCLLoss and DCLWLoss do"
                )
            self.mixer = built
        else:
            if "negatives" not in options:
                raise UserError(f"{self.part.name} takes no queue; InfoNCELoss, DCLLoss and DCLWLoss do")
            self.queue = built

    def set_progress(self, done: float) -> None:
        """How much of the training is done, in [0, 1]: mixed negatives begin after ``warmup``."""
        self.active = done >= self.warmup

    def forward(self, views: Float[Tensor, "v n d"], batch: ImageBatch) -> Float[Tensor, ""]:
        """The loss.

        Args:
            views: projections, not normalised.
            batch: where they come from.

        Raises:
            UserError: the loss cannot take this batch: it is too small, or has no labels or targets.
        """
        try:
            value: Tensor = self._call(views, batch)
        except UserError:
            raise
        except ValueError as error:
            raise UserError(f"{self.part.name}: {error}") from error
        return value

    def _caller(self) -> Callable[[Tensor, ImageBatch], Tensor]:
        takes = self.part.takes
        if self.proxies is not None:
            return self._against_proxies
        if takes in ("pairs", "modalities") and "index_a" in inspect.signature(self.loss.forward).parameters:
            takes = "index"
        found: dict[str, Callable[[Tensor, ImageBatch], Tensor]] = {
            "pairs": self._pairs,
            "modalities": self._pairs,
            "views": lambda z, batch: self._joined(z),
            "labels": lambda z, batch: self._joined(z, self._labels(batch)),
            "targets": lambda z, batch: self._joined(z, self._targets(batch)),
            "index": lambda z, batch: self._joined(z[0], z[1], batch.index),
            "scores": self._scores,
            "codes": lambda z, batch: self._joined(z.flatten(0, 1)),
        }
        return found[takes]

    def _joined(self, *batch: Tensor, loss: nn.Module | None = None, **options: Any) -> Tensor:
        """The loss over the images of all processes; in one process the loss itself, whatever its reduction."""
        chosen = loss or self.loss
        value: Tensor = (chosen if world_size() == 1 else GatheredLoss(chosen))(*batch, **options)
        return value

    def _pairs(self, z: Tensor, batch: ImageBatch) -> Tensor:
        if len(z) > 2:
            return self._joined(z, loss=PairwiseAggregation(self.loss))
        options: dict[str, Any] = {}
        if self.queue is not None and self.queue.filled > 0:
            options["negatives"] = self.queue.tensor()[: self.queue.filled]
        if self.mixer is not None and self.active:
            options["extra_similarities"] = self._mixed(z)
        value = self._joined(z[0], z[1], **options)
        if self.queue is not None and self.training:
            self.queue.update(gather_with_grad(z[1].detach()))
        return value

    def _mixed(self, z: Tensor) -> Tensor:
        """Cosines of this process's anchors and their mixed negatives, from the other images of the joined batch."""
        assert self.mixer is not None
        count = z.shape[1]
        mine = slice(rank() * count, (rank() + 1) * count)
        z = gather_with_grad(z, dim=1)
        ids = torch.arange(z.shape[1], device=z.device)
        if self.part.name == "InfoNCELoss":  # only the first views are anchors
            first: Tensor = self.mixer.similarities(z[0], z[1], valid=ids[:, None] != ids)
            return first[mine]
        both, ids = z.flatten(0, 1), ids.repeat(2)
        mixed: Tensor = self.mixer.similarities(both, both, valid=ids[:, None] != ids)
        local: Tensor = mixed.unflatten(0, (2, -1))[:, mine].flatten(0, 1)
        return local

    def _labels(self, batch: ImageBatch) -> Tensor:
        return labels_of(batch, self.part.name)

    def _targets(self, batch: ImageBatch) -> Tensor:
        return targets_of(batch, self.part.name)

    def _against_proxies(self, z: Tensor, batch: ImageBatch) -> Tensor:
        assert self.proxies is not None
        rows, labels = z.flatten(0, 1), self._labels(batch).repeat(len(z))
        if self.part.name == "LabelContrastLoss":
            value: Tensor = self.loss(rows, self.proxies, labels)
            return value
        value = self.loss(rows @ self.proxies.T, labels)
        return value

    def _scores(self, z: Tensor, batch: ImageBatch) -> Tensor:
        first, second = nn.functional.normalize(z[:2], dim=-1)
        count = len(first)
        cosines = first @ gather_with_grad(second).T  # this process's queries, the keys of all
        own = torch.arange(count, device=cosines.device) + rank() * count
        others = torch.ones_like(cosines, dtype=torch.bool).scatter_(1, own[:, None], False)
        value: Tensor = self.loss(cosines.gather(1, own[:, None])[:, 0], cosines[others].view(count, -1))
        return value
