"""A linear classifier on the backbone: what cross-entropy and Core-tuning share."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from core.checks import check_at_least
from domains.vision.data.images import ImageBatch, ImageSet
from domains.vision.methods.answers import labels_of
from domains.vision.methods.fine_tuned import FineTuned, FineTunedSettings

__all__ = ["C", "Classifier", "ClassifierSettings"]


@dataclass(frozen=True)
class ClassifierSettings(FineTunedSettings):
    """Settings of the methods that classify.

    Attributes:
        labels_per_class: training images of each class whose labels are used, drawn with the run's seed; the others are
            not seen. 0 uses all.
        labels_share: the same as a share of each class, in [0, 1]; 0 uses all.
        sampler: of batches: "none" shuffles, "pk" draws classes and images of each, "class_balanced" makes rare classes
            as frequent as others.
        sampler_settings: of the sampler, as ``{classes_per_batch: 8, samples_per_class: 16}``.
    """

    labels_per_class: int = 0
    labels_share: float = 0.0
    sampler: Literal["none", "pk", "class_balanced"] = "none"
    sampler_settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("labels_per_class", self.labels_per_class, 0)
        if not 0 <= self.labels_share <= 1:
            raise ValueError(f"labels_share must be in [0, 1], got {self.labels_share}; 0 uses all labels")
        if self.labels_per_class and self.labels_share:
            raise ValueError("labels_per_class and labels_share are two ways to say the same; give one of them")
        if self.sampler == "none" and self.sampler_settings:
            raise ValueError("sampler_settings are given, but no sampler")


C = TypeVar("C", bound=ClassifierSettings)


class Classifier(FineTuned[C]):
    """Base of the methods that classify: one random view, the backbone, one linear layer.

    Args:
        settings: of the method.
        **spec: see `FineTuned`; ``num_classes`` >= 2.
    """

    needs = "labels"
    bias: ClassVar[bool] = True
    """Whether the linear layer has a bias."""

    def __init__(self, settings: C, **spec: Any) -> None:
        super().__init__(settings, **spec)
        check_at_least("num_classes", self.num_classes, 2)
        self.classifier = nn.Linear(self.out_dim, self.num_classes, bias=self.bias)

    def features(self, batch: ImageBatch) -> tuple[Float[Tensor, "n d"], Int64[Tensor, " n"]]:
        """Backbone rows of one random view of each image, and their classes.

        Raises:
            UserError: an image without a class.
        """
        labels = labels_of(batch, self.name)
        return self.encoder(self.random_views(batch.images, 1)[0]), labels

    @torch.no_grad()
    def predict(self, batch: ImageBatch | Tensor) -> Int64[Tensor, " n"]:
        """The class of each image.

        Args:
            batch: a batch, or uint8 images ``(n, 3, h, w)``.
        """
        found: Tensor = self.classifier(self.embed(batch)).argmax(1)
        return found

    def own_scores(self, test: ImageSet) -> dict[str, float]:
        """Accuracy of the classifier itself, as "classifier accuracy"; none on images of other classes."""
        if test.labels is None or test.num_classes != self.num_classes or not bool((test.labels >= 0).any()):
            return {}
        known = test.select(test.labels >= 0)
        assert known.labels is not None
        right = self.predict(known.images).cpu() == known.labels
        return {"classifier accuracy": float(right.double().mean())}
