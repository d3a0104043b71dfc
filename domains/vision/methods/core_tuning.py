"""Core-tuning: fine-tuning with contrast between hard mixtures of features, which the classifier learns from too."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from core.checks import check_at_least, check_not_negative
from core.errors import UserError
from core.heads import ProjectionHead
from core.losses import FocalContrastiveLoss
from core.samplers import HardPairMixup
from domains.vision.data.images import ImageBatch
from domains.vision.methods.classifier import Classifier, ClassifierSettings

__all__ = ["CoreTuning", "CoreTuningSettings"]


@dataclass(frozen=True)
class CoreTuningSettings(ClassifierSettings):
    """Settings of Core-tuning. Those of the method are from the released CIFAR-10 run.

    That run has SGD with Nesterov momentum, lr 0.01, weight decay 1e-4 and 100 epochs at batch 256; optimiser and
    length here are the suite's own, see `VisionSettings`. ``eta`` must be chosen anew for each data set, among 0.1, 1
    and 10.

    Attributes:
        eta: weight of the contrast, >= 0; 0 leaves it out.
        temperature: of the contrast, > 0.
        gamma: exponent of the focal weight (1 - p)^gamma, >= 0; 0 is plain SupCon.
        projection: width of the contrast head's output.
        mixing: add a hard positive and a semi-hard negative to each image, mixed from features.
        smooth: the classifier learns from the mixtures with their soft labels too; without it from real images alone.
        alpha: mixing shares are drawn from Beta(alpha, alpha), > 0.
        min_negative_weight: least share of the other class in a mixed negative, in [0, 1].
        negatives: "random" takes another class; "shuffle" any image, as the released code does.
        hard_positive: "paper", or "released" for what that code's search finds instead, see
            `core.samplers.HardPairMixup`.
        detach_originals: the encoder learns through mixtures only, as in the released code.
        detach_weight: no gradient through the focal weight; the released code has it.
        reduction: of the contrast: "mean" over the positives of an anchor; "official" divides by all rows instead.
    """

    eta: float = 0.1
    temperature: float = 0.07
    gamma: float = 1.0
    projection: int = 256
    mixing: bool = True
    smooth: bool = True
    alpha: float = 1.0
    min_negative_weight: float = 0.8
    negatives: Literal["random", "shuffle"] = "random"
    hard_positive: Literal["paper", "released"] = "paper"
    detach_originals: bool = False
    detach_weight: bool = False
    reduction: Literal["mean", "official"] = "mean"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_not_negative("eta", self.eta)
        check_at_least("projection", self.projection, 1)
        if self.detach_originals and not self.mixing:
            raise ValueError("detach_originals without mixing would leave the encoder untrained; drop one of the two")


class CoreTuning(Classifier[CoreTuningSettings]):
    """Zhang et al. 2021, arXiv 2102.06605: contrast-regularised fine-tuning.

    With features z of one view, G the contrast head, C a linear classifier without bias, and mixtures of
    `core.samplers.HardPairMixup` (for each image a hard positive and a semi-hard negative, with soft labels y)::

        L = mean over images and mixtures of -sum_c y_c log softmax(C z)_c  +  eta focal contrast of G z

    that is `core.losses.core_tuning`. Pairs are mined within the batch of one process, as in the released code. Its
    mistakes in the search for hard positives are not repeated; ``hard_positive``, ``negatives``, ``detach_originals``
    and ``reduction`` bring its behaviour back one by one. The paper's ablations are settings: ``eta=0`` no contrast,
    ``gamma=0`` no focal weight, ``mixing=False`` no mixtures, ``smooth=False`` mixtures for the contrast alone.
    The released code reports its best test epoch; here the last epoch counts.

    Args:
        settings: see `CoreTuningSettings`.
        **spec: see `domains.vision.methods.fine_tuned.FineTuned`.

    Relations:
        Cross-entropy without bias at ``eta=0, mixing=False``; with SupCon beside it at ``gamma=0, mixing=False``.
    """

    name: ClassVar[str] = "core_tuning"
    bias: ClassVar[bool] = False

    def __init__(self, settings: CoreTuningSettings, **spec: Any) -> None:
        super().__init__(settings, **spec)
        s = settings
        self.head = ProjectionHead(self.out_dim, None, s.projection)
        self.contrast = FocalContrastiveLoss(
            temperature=s.temperature, gamma=s.gamma, detach_weight=s.detach_weight, reduction=s.reduction
        )
        self.mixer = HardPairMixup(
            alpha=s.alpha,
            min_negative_weight=s.min_negative_weight,
            negatives=s.negatives,
            hard_positive=s.hard_positive,
            detach_originals=s.detach_originals,
            generator=self.generator,
        )

    def training_step(self, batch: ImageBatch, batch_idx: int) -> Tensor:
        """Cross-entropy plus ``eta`` times the contrast; scalar."""
        s = self.settings
        z, labels = self.features(batch)
        targets = one_hot(labels, self.num_classes).float()
        if s.mixing:
            z, targets, _ = self.mixer(z, self._of_two_classes(labels), self.num_classes)
        learned = len(z) if s.smooth else len(labels)  # the originals come first
        logits = self.classifier(z[:learned]).float()
        classified = cross_entropy(logits, targets[:learned])
        parts: dict[str, Tensor] = {"classification": classified}
        loss = classified
        if s.eta:
            parts["contrast"] = self.contrast(self.head(z), targets)
            loss = classified + s.eta * parts["contrast"]
        right = logits[: len(labels)].argmax(1) == labels
        return self.log_loss(loss, batch, **parts, **{"training accuracy": right.float().mean()})

    def _of_two_classes(self, labels: Tensor) -> Tensor:
        if bool((labels == labels[0]).all()):
            raise UserError(
                f"core_tuning mixes images of different classes, but a batch has {len(labels)} images of class "
                f"{int(labels[0])} only; raise batch_size, or pass --sampler pk"
            )
        return labels
