"""The frame of a network and its slow copy."""

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from torch import nn

from core.momentum import MomentumEncoder
from domains.vision.methods.projected import Projected, ProjectedSettings

__all__ = ["C", "SlowCopy", "SlowCopySettings"]


@dataclass(frozen=True)
class SlowCopySettings(ProjectedSettings):
    """Settings of methods with a slow copy of encoder and head.

    Attributes:
        ema: momentum m of the copy, in [0, 1]: 1 freezes it, 0 copies the network after each step. It follows within
            1 / (1 - m) steps.
        ema_schedule: "constant", or "cosine" to 1 at the last step.
    """

    ema: float = 0.99
    ema_schedule: Literal["constant", "cosine"] = "constant"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.ema <= 1:
            raise ValueError(f"ema must be in [0, 1], got {self.ema}; usual values are 0.99 to 0.999")


C = TypeVar("C", bound=SlowCopySettings)


class SlowCopy(Projected[C]):
    """Base of MoCo and BYOL: the copy gets no gradient and moves after each optimizer step.

    Args:
        settings: of the method.
        **spec: see `domains.vision.methods.base.VisionMethod`.

    Attributes:
        target: the slow copy of encoder and head, its momentum and the steps it has made.
    """

    def __init__(self, settings: C, **spec: Any) -> None:
        super().__init__(settings, **spec)
        rising = settings.ema_schedule == "cosine"
        self.target = MomentumEncoder(
            self.online,
            momentum=settings.ema,
            schedule=settings.ema_schedule,
            total_steps=1 if rising else None,  # the trainer knows how many
        )

    @property
    def online(self) -> nn.Sequential:
        """Encoder and head, as the slow copy has them."""
        return nn.Sequential(self.encoder, self.head)

    def on_train_start(self) -> None:
        """Tell the schedule how many steps there are."""
        if self.target.total_steps is not None:
            self.target.total_steps = max(1, int(self.trainer.estimated_stepping_batches))

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Move the slow copy after each optimizer step."""
        self.target.update(self.online)
