"""SupReMix: contrast for regression with mixtures of embeddings as hard positives and hard negatives."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor

from core.checks import check_positive, check_temperature
from core.distributed import GatheredLoss
from core.losses import SupReMixLoss
from core.samplers import OrdinalMixup
from domains.vision.data.images import ImageBatch
from domains.vision.methods.answers import targets_of
from domains.vision.methods.projected import Projected, ProjectedSettings

__all__ = ["SupReMix", "SupReMixSettings"]


@dataclass(frozen=True)
class SupReMixSettings(ProjectedSettings):
    """Settings of SupReMix.

    Temperature, Beta, weighting and the head's width are those of the authors' script for ages. Its window of 5 years
    and its unit of 1 year mean nothing for other targets: here both are counted in standard deviations of the training
    targets. Length and optimiser are the suite's own, see `VisionSettings`.

    Attributes:
        temperature: > 0.
        window: mixed positives lie between two rows that are nearer than this to the anchor, > 0, in standard
            deviations of the target.
        label_scale: distance of targets at which a negative weighs twice, > 0, in standard deviations of the target.
        magnify: weight of negatives: "l1" is 1 + distance, "l2" has its square, "none" is 1.
        mix_neg: mixtures of the anchor with others as negatives.
        mix_pos: mixtures of rows on both sides of the anchor as positives.
        beta: both parameters of the Beta distribution of a negative's share of the anchor, > 0.
        max_pos: mixed positives of each anchor, >= 1.
        normalize_mixtures: bring mixtures to unit length; the authors' code does not.
    """

    temperature: float = 0.3
    window: float = 0.5
    label_scale: float = 1.0
    magnify: Literal["l1", "l2", "none"] = "l1"
    mix_neg: bool = True
    mix_pos: bool = True
    beta: tuple[float, float] = (2.0, 8.0)
    max_pos: int = 64
    normalize_mixtures: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_temperature(self.temperature)
        check_positive("window", self.window, usual="0.5")
        check_positive("label_scale", self.label_scale, usual="1")


class SupReMix(Projected[SupReMixSettings]):
    """Wu et al. 2023, arXiv 2309.16633: SupCon over equal targets, with mixtures and weighed negatives.

    Two views give every row a positive, so that targets may be continuous; `core.losses.SupReMixLoss` has the formula.
    A regressor on the frozen rows, or ``l1`` with ``--pretrained``, is the second stage. Views must not change the
    target: choose a recipe without flips and rotation for angles.

    Args:
        settings: see `SupReMixSettings`.
        **spec: see `domains.vision.methods.base.VisionMethod`.

    Relations:
        SupCon of equal targets with neither mixture and ``magnify="none"``.
    """

    name: ClassVar[str] = "supremix"
    needs = "targets"

    def __init__(self, settings: SupReMixSettings, **spec: Any) -> None:
        super().__init__(settings, **spec)
        s = settings
        mixer = OrdinalMixup(
            s.window * self.target_std,
            beta=s.beta,
            mix_neg=s.mix_neg,
            mix_pos=s.mix_pos,
            max_pos=s.max_pos,
            normalize=s.normalize_mixtures,
            generator=self.generator,
        )
        self.contrast = GatheredLoss(
            SupReMixLoss(
                temperature=s.temperature,
                mixer=mixer,
                magnify=None if s.magnify == "none" else s.magnify,
                label_scale=s.label_scale * self.target_std,
            )
        )

    def training_step(self, batch: ImageBatch, batch_idx: int) -> Tensor:
        """The loss of fresh views; scalar."""
        targets = targets_of(batch, self.name)
        return self.log_loss(self.contrast(self.project(batch.images), targets), batch)
