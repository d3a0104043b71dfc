"""The frame of one network: v views, one encoder, one head, one loss on the projections."""

from dataclasses import dataclass, field
from typing import Any, TypeVar

from jaxtyping import Float
from torch import Tensor, nn

from core.checks import check_rate
from domains.vision.data.images import ImageBatch
from domains.vision.methods.objective import Objective
from domains.vision.methods.projected import Projected, ProjectedSettings

__all__ = ["N", "OneNetwork", "OneNetworkSettings"]


@dataclass(frozen=True)
class OneNetworkSettings(ProjectedSettings):
    """Settings of methods with one network and a loss by name.

    Attributes:
        last_norm: whether projections pass a BatchNorm without scale and shift before the loss, as GroCo's and
            SimSiam's do; the stage "projection" of `embed_stage` is before it.
        loss: any loss of the core that views can feed, see ``counterpoint losses``.
        loss_settings: of the loss, as ``{temperature: 0.1}``.
        sampler: "none"; "memory_queue", "hard_negative_mixing" or "hallucinator" work on embeddings; "pk",
            "class_balanced" and "feature_aware" choose the batches; "redundancy" leaves near-copies out.
        sampler_settings: of the sampler, as ``{n_hard: 128, n_pair: 64, n_query: 32}``.
        mixing_warmup: share of the epochs before mixed negatives begin, in [0, 1).
    """

    last_norm: bool = False
    loss: str = "NTXentLoss"
    loss_settings: dict[str, Any] = field(default_factory=dict)
    sampler: str = "none"
    sampler_settings: dict[str, Any] = field(default_factory=dict)
    mixing_warmup: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_rate("mixing_warmup", self.mixing_warmup)


N = TypeVar("N", bound=OneNetworkSettings)


class OneNetwork(Projected[N]):
    """Base of SimCLR, Barlow Twins, VICReg, supervised contrast and of every loss that takes projections of views.

    Args:
        settings: of the method.
        **spec: see `VisionMethod`.
    """

    def __init__(self, settings: N, **spec: Any) -> None:
        super().__init__(settings, **spec)
        s = settings
        self.last_norm: nn.Module = nn.BatchNorm1d(self.width, affine=False) if s.last_norm else nn.Identity()
        on_embeddings = s.sampler if s.sampler not in BATCH_SAMPLERS else "none"
        self.objective = Objective(
            s.loss,
            s.loss_settings,
            dim=self.width,
            num_images=self.num_images,
            num_classes=self.num_classes,
            views=s.views,
            generator=self.generator,
            sampler=on_embeddings,
            sampler_settings=s.sampler_settings if on_embeddings != "none" else {},
            warmup=s.mixing_warmup if s.sampler != "none" else 0.0,
        )

    def project(self, images: Tensor) -> Float[Tensor, "v n d"]:
        """Projections of fresh views; encoder, head and last norm see all views of the batch at once."""
        z = super().project(images)
        normed: Tensor = self.last_norm(z.flatten(0, 1))
        stacked: Tensor = normed.unflatten(0, z.shape[:2])
        return stacked

    def on_train_epoch_start(self) -> None:
        """Tell the objective how far training is."""
        self.objective.set_progress(self.current_epoch / max(1, self.settings.epochs))

    def training_step(self, batch: ImageBatch, batch_idx: int) -> Tensor:
        """The loss of fresh views; scalar."""
        return self.log_loss(self.objective(self.project(batch.images), batch), batch)


BATCH_SAMPLERS = ("pk", "class_balanced", "feature_aware", "redundancy")
"""Samplers that choose images, not embeddings; the loader sees to them."""
