"""SwAV: each crop predicts to which prototypes another crop of its image was assigned."""

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from core.checks import check_at_least, check_positive
from core.heads import Prototypes
from core.losses import SwAVLoss
from core.multi_crop import multi_crop_forward
from core.samplers import FeatureQueue
from domains.vision.augment import CropGroup, MultiCrop
from domains.vision.data.images import ImageBatch
from domains.vision.methods.projected import Projected, ProjectedSettings

__all__ = ["SwAV", "SwAVSettings"]


@dataclass(frozen=True)
class SwAVSettings(ProjectedSettings):
    """Settings of SwAV, for small sets and a CPU.

    The paper takes 3000 prototypes, six small crops beside two large ones, and at batch 256 a queue of 3840 features
    from epoch 15 on; its authors advise about ten prototypes for each class. The default is 100 prototypes, no small
    crops (as in solo-learn's recipe for CIFAR) and no queue, since a batch of 256 is more than 100.

    Attributes:
        views: full-size crops, which give the codes and predict, >= 2.
        local_crops: small crops, which predict only; a crop of half the side costs a quarter.
        local_size: their side in pixels; 0 takes half the view's.
        local_scale: least and largest area of a small crop, as shares of the image.
        prototypes: their number. A batch and a queue that together hold fewer features cannot balance them; a warning
            says so.
        temperature: of the predictions, > 0.
        epsilon: of the codes, > 0; 0.03 where the loss stays at log(prototypes).
        iterations: of Sinkhorn's algorithm, >= 1.
        queue: features of each full-size crop kept to balance small batches; 0 is no queue.
        queue_from: epochs before the queue begins to fill; it is used as soon as it is full.
        freeze_epochs: epochs in which the prototypes stand still.
    """

    local_crops: int = 0
    local_size: int = 0
    local_scale: tuple[float, float] = (0.05, 0.14)
    prototypes: int = 100
    temperature: float = 0.1
    epsilon: float = 0.05
    iterations: int = 3
    queue: int = 0
    queue_from: int = 15
    freeze_epochs: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("local_crops", "local_size", "queue", "queue_from", "freeze_epochs"):
            check_at_least(name, getattr(self, name), 0)
        if not 0 < self.local_scale[0] <= self.local_scale[1] <= 1:
            raise ValueError(f"local_scale must be two shares, 0 < least <= largest <= 1, got {self.local_scale}")
        check_at_least("prototypes", self.prototypes, 2)
        check_positive("temperature", self.temperature)
        check_positive("epsilon", self.epsilon)
        check_at_least("iterations", self.iterations, 1)


class SwAV(Projected[SwAVSettings]):
    """Swapping assignments between views.

    Caron et al. 2020, arXiv 2006.09882, eqs. 1 and 2: cosines of projections and learned prototypes; codes are their
    balanced assignments, without gradient; each crop must predict the codes of the other full-size crops. Crops of one
    size pass the encoder together, all crops the head together. A collapsed encoder has the loss log(prototypes).

    The queue is the released code's: it fills from epoch ``queue_from`` on and is read only when full, since empty rows
    would take part in the balance. In several processes each balances its own part of the batch.

    The log has the prototypes' usage: the entropy of their mean share, over log(prototypes); 1 if all are used alike.

    Args:
        settings: see `SwAVSettings`.
        **spec: see `domains.vision.methods.base.VisionMethod`.
    """

    name: ClassVar[str] = "swav"
    large_recipes: ClassVar[tuple[str, ...]] = ("swav_global",)

    def __init__(self, settings: SwAVSettings, **spec: Any) -> None:
        super().__init__(settings, **spec)
        s = settings
        self.prototypes = Prototypes(self.width, s.prototypes, generator=self.generator)
        self.loss = SwAVLoss(
            temperature=s.temperature, epsilon=s.epsilon, iterations=s.iterations, assign_crops=range(s.views)
        )
        self.queue = FeatureQueue(s.queue, self.width, num_queues=s.views) if s.queue else None
        self.crops = self._multi_crop()

    def _multi_crop(self) -> MultiCrop:
        s = self.settings
        groups = [CropGroup(recipe, self.view_size) for recipe in self.recipes(s.views)]
        if s.local_crops:
            local = replace(groups[0].recipe, crop_scale=s.local_scale)
            groups.append(CropGroup(local, s.local_size or max(1, self.view_size // 2), s.local_crops))
        return MultiCrop(groups, self.view.mean, self.view.std)

    def make_views(self, images: Tensor) -> list[Tensor]:
        """The full-size crops, then the small ones."""
        return self.crops(images, self.generator)

    def on_train_start(self) -> None:
        """Tell the prototypes how many steps they stand still."""
        self.prototypes.freeze_steps = self.settings.freeze_epochs * int(self.trainer.num_training_batches)

    def training_step(self, batch: ImageBatch, batch_idx: int) -> Tensor:
        """The loss of fresh crops; scalar."""
        s = self.settings
        z = multi_crop_forward(self.encoder, self.head, self.make_views(batch.images))
        scores = self.prototypes(z)
        queue_scores = None
        if self.queue is not None:
            with torch.no_grad():
                queue_scores = self.prototypes(self.queue.features())
            if self.current_epoch >= s.queue_from:
                self.queue.update(z[: s.views].detach())
        loss = self.loss(scores, queue_scores=queue_scores)
        if self.logs_now:
            share = (scores[: s.views].detach() / s.temperature).softmax(2).mean((0, 1))
            usage = torch.special.entr(share).sum() / math.log(s.prototypes)
            self.log("prototype usage", usage, batch_size=len(batch))
        return self.log_loss(loss, batch)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Drop the prototypes' gradients while they stand still."""
        self.prototypes.drop_frozen_gradients()
