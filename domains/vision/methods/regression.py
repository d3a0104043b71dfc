"""Plain regression with the absolute error: the baseline of contrast for regression, and its second stage."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.evaluation import regression_metrics
from domains.vision.data.images import ImageBatch, ImageSet
from domains.vision.methods.answers import targets_of
from domains.vision.methods.fine_tuned import FineTuned, FineTunedSettings

__all__ = ["L1", "L1Settings"]


@dataclass(frozen=True)
class L1Settings(FineTunedSettings):
    """Settings of plain regression; length and optimiser are the suite's own, see `VisionSettings`."""


class L1(FineTuned[L1Settings]):
    """Mean absolute error of a linear layer on the backbone, one random view of each image, all weights trained.

    The baseline of Rank-N-Contrast (arXiv 2210.01189) and SupReMix (arXiv 2309.16633); with ``--pretrained`` the
    fine-tuning after either. Targets are standardised by the mean and deviation of the training targets, and
    predictions brought back to their unit. Views must not change the target: choose a recipe without flips and
    rotation for angles.

    Args:
        settings: see `L1Settings`.
        **spec: see `domains.vision.methods.fine_tuned.FineTuned`.
    """

    name: ClassVar[str] = "l1"
    needs = "targets"

    def __init__(self, settings: L1Settings, **spec: Any) -> None:
        super().__init__(settings, **spec)
        self.regressor = nn.Linear(self.out_dim, 1)

    def training_step(self, batch: ImageBatch, batch_idx: int) -> Tensor:
        """Mean absolute error in standard deviations of the target; scalar."""
        wanted = (targets_of(batch, self.name) - self.target_mean) / self.target_std
        found = self.regressor(self.encoder(self.random_views(batch.images, 1)[0])).flatten().float()
        loss = (found - wanted).abs().mean()
        return self.log_loss(loss, batch, MAE=loss.detach() * self.target_std)

    @torch.no_grad()
    def predict(self, batch: ImageBatch | Tensor) -> Float[Tensor, " n"]:
        """The number of each image, in the unit of the targets.

        Args:
            batch: a batch, or uint8 images ``(n, 3, h, w)``.
        """
        found: Tensor = self.regressor(self.embed(batch)).flatten() * self.target_std + self.target_mean
        return found

    def own_scores(self, test: ImageSet) -> dict[str, float]:
        """Errors of the regressor itself, in the unit of the targets."""
        if test.targets is None or len(test) == 0:
            return {}
        found = regression_metrics(test.targets, self.predict(test.images).cpu())
        return {"regressor MAE": found["mae"], "regressor RMSE": found["rmse"]}
