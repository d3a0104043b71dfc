"""Plain classification: the supervised baseline, and plain fine-tuning of a pretrained encoder."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import cross_entropy

from core.checks import check_rate
from domains.vision.data.images import ImageBatch
from domains.vision.methods.classifier import Classifier, ClassifierSettings

__all__ = ["CrossEntropy", "CrossEntropySettings"]


@dataclass(frozen=True)
class CrossEntropySettings(ClassifierSettings):
    """Settings of plain classification.

    Attributes:
        label_smoothing: share of each label that is spread over all classes, in [0, 1).
    """

    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_rate("label_smoothing", self.label_smoothing)


class CrossEntropy(Classifier[CrossEntropySettings]):
    """Cross-entropy of a linear classifier on the backbone, one random view of each image, all weights trained.

    Without ``pretrained`` it is the supervised baseline; with it, "CE-tuning": fine-tuning as the Core-tuning paper
    (arXiv 2102.06605) calls it. The last epoch counts, no epoch is chosen on test images.

    Args:
        settings: see `CrossEntropySettings`.
        **spec: see `domains.vision.methods.fine_tuned.FineTuned`.
    """

    name: ClassVar[str] = "cross_entropy"

    def training_step(self, batch: ImageBatch, batch_idx: int) -> Tensor:
        """Mean cross-entropy of the batch; scalar."""
        features, labels = self.features(batch)
        logits = self.classifier(features).float()
        loss = cross_entropy(logits, labels, label_smoothing=self.settings.label_smoothing)
        return self.log_loss(loss, batch, **{"training accuracy": (logits.argmax(1) == labels).float().mean()})
