"""BYOL: predict what a slow copy of the network says of another view; no negatives."""

from dataclasses import dataclass
from itertools import permutations
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from core.checks import check_at_least
from core.heads import PredictionHead
from core.losses import negative_cosine
from domains.vision.data.images import ImageBatch
from domains.vision.methods.collapse import CollapseAlarm
from domains.vision.methods.slow_copy import SlowCopy, SlowCopySettings

__all__ = ["BYOL", "BYOLSettings"]


@dataclass(frozen=True)
class BYOLSettings(SlowCopySettings):
    """Settings of BYOL, for small sets and short runs.

    The paper takes 4096 to 256 for head and predictor and an m (here ``ema``) that rises from 0.996 to 1. Here hidden
    layers have 512 and outputs 128, and m begins at 0.98, so that the copy follows within a short run.

    Attributes:
        predictor: hidden width of the predictor.
    """

    hidden: int = 512
    ema: float = 0.98
    ema_schedule: Literal["constant", "cosine"] = "cosine"
    predictor: int = 512

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("predictor", self.predictor, 1)


class BYOL(SlowCopy[BYOLSettings]):
    """Bootstrap your own latent.

    Grill et al. 2020, arXiv 2006.07733, eq. 2, with unit rows p' of a prediction and z' of the copy's projection::

        L = mean over views a != b of |p'_a - z'_b|^2 = 2 - 2 cos(p_a, z_b)        each term in [0, 4]

    The paper adds the two directions, which is twice this. Every view passes the networks on its own, so that
    BatchNorm sees one view at a time. With the recipe "auto" large colour images get the paper's two recipes,
    ``byol_1`` and ``byol_2``, by turns; small ones get the one of all methods, as in solo-learn's recipes for CIFAR.

    What keeps the features apart is predictor, slow copy and BatchNorm together. The log has their spread, 1 if healthy
    and 0 if collapsed, and a warning comes where it nears 0.

    Args:
        settings: see `BYOLSettings`.
        **spec: see `domains.vision.methods.base.VisionMethod`.

    Relations:
        With m = 0 the target is the network itself, as in SimSiam: 2 + 2 times that loss.
    """

    name: ClassVar[str] = "byol"
    large_recipes: ClassVar[tuple[str, ...]] = ("byol_1", "byol_2")

    def __init__(self, settings: BYOLSettings, **spec: Any) -> None:
        super().__init__(settings, **spec)
        self.predictor = PredictionHead(self.width, settings.predictor)
        self._alarm = CollapseAlarm()

    def training_step(self, batch: ImageBatch, batch_idx: int) -> Tensor:
        """The loss of fresh views; scalar."""
        views = self.make_views(batch.images)
        projections = [self.head(self.encoder(view)) for view in views]
        predictions = [self.predictor(z) for z in projections]
        targets = [self.target(view) for view in views]
        pairs = permutations(range(len(views)), 2)
        loss = torch.stack([2 + 2 * negative_cosine(predictions[a], targets[b]) for a, b in pairs]).mean()
        if self.logs_now:
            self.log("spread", self._alarm(projections[0].detach()), batch_size=len(batch))
            self.log("ema", self.target.momentum, batch_size=len(batch))
        return self.log_loss(loss, batch)
