"""Rank-N-Contrast: distances of embeddings in the order of the distances of a target."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor

from core.distributed import GatheredLoss
from core.losses import RankNContrastLoss
from domains.vision.data.images import ImageBatch
from domains.vision.methods.answers import targets_of
from domains.vision.methods.projected import Projected, ProjectedSettings

__all__ = ["RankNContrast", "RankNContrastSettings"]


@dataclass(frozen=True)
class RankNContrastSettings(ProjectedSettings):
    """Settings of Rank-N-Contrast.

    Temperature and similarity are the released code's, which contrasts the backbone's own rows: no head. It trains for
    400 epochs with SGD at lr 0.5; length and optimiser here are the suite's own, see `VisionSettings`.

    Attributes:
        temperature: > 0.
        similarity: "l2", the negative distance of rows as they are, or "cosine".
    """

    layers: int = 0
    temperature: float = 2.0
    similarity: Literal["l2", "cosine"] = "l2"


class RankNContrast(Projected[RankNContrastSettings]):
    """Zha et al. 2023, arXiv 2210.01189, earlier called SupCR: two views, ranked by target distance.

    Every other row is a positive in turn, against all rows whose target is farther: `core.losses.RankNContrastLoss`.
    Targets are compared as they were measured, since only the order of their distances matters. A regressor on the
    frozen rows, or ``l1`` with ``--pretrained``, is the second stage. Views must not change the target: choose a
    recipe without flips and rotation for angles.

    Args:
        settings: see `RankNContrastSettings`.
        **spec: see `domains.vision.methods.base.VisionMethod`.
    """

    name: ClassVar[str] = "rank_n_contrast"
    needs = "targets"

    def __init__(self, settings: RankNContrastSettings, **spec: Any) -> None:
        super().__init__(settings, **spec)
        self.contrast = GatheredLoss(
            RankNContrastLoss(temperature=settings.temperature, similarity=settings.similarity)
        )

    def training_step(self, batch: ImageBatch, batch_idx: int) -> Tensor:
        """The loss of fresh views; scalar."""
        targets = targets_of(batch, self.name)
        return self.log_loss(self.contrast(self.project(batch.images), targets), batch)
