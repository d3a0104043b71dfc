"""The thin LightningModule that every published method of the suite derives from."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Generic, Literal, TypeVar

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

__all__ = ["Method", "MethodSettings", "S"]


@dataclass(frozen=True)
class MethodSettings:
    """What every method can be told about its optimisation; each method's settings derive from this.

    Attributes:
        epochs: passes over the training data, >= 0 (0 leaves the untrained start).
        lr: learning rate of Adam, > 0.
        weight_decay: L2 coefficient inside Adam (not decoupled), >= 0.
        schedule: "cosine" multiplies ``lr`` by (1 + cos(pi e / epochs)) / 2 at epoch e, without warm-up.
    """

    epochs: int = 100
    lr: float = 1e-3
    weight_decay: float = 0.0
    schedule: Literal["cosine", "constant"] = "constant"

    def __post_init__(self) -> None:
        if self.epochs < 0:
            raise ValueError(f"epochs must be >= 0, got {self.epochs}")
        if not self.lr > 0:
            raise ValueError(f"lr must be > 0, got {self.lr}; usual values are 1e-4 to 1e-2")
        if self.weight_decay < 0:
            raise ValueError(f"weight_decay must be >= 0, got {self.weight_decay}")


S = TypeVar("S", bound=MethodSettings)


class Method(LightningModule, Generic[S]):
    """One published method: settings in, ``training_step`` and ``embed`` out.

    Subclasses take ``(settings, *, generator=None, **input_spec)`` and pass all of it on. ``input_spec`` is what the
    data dictates (feature width, number of classes): JSON-able, stored in the artifact's ``config.json`` beside the
    settings, so that ``cls(settings, **input_spec)`` rebuilds the module.

    Attributes:
        name: registered name, set by subclasses.
        settings: the frozen settings.
        input_spec: keyword arguments that the data dictated.
        generator: the CPU generator every random draw of the method must come from. Its state goes into each
            checkpoint, which makes resume exact.
    """

    name: ClassVar[str]

    def __init__(self, settings: S, *, generator: torch.Generator | None = None, **input_spec: Any) -> None:
        super().__init__()
        self.settings = settings
        self.input_spec = input_spec
        self.generator = generator if generator is not None else torch.Generator().manual_seed(0)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Loss of one batch (scalar); logs its parts by name with ``self.log``."""
        raise TypeError(f"{type(self).__name__} must define training_step")

    def embed(self, batch: Any) -> Tensor:
        """Frozen representation of a batch, ``(n, d)``: what evaluation and the ``embed`` command use."""
        raise TypeError(f"{type(self).__name__} must define embed")

    def configure_optimizers(self) -> Any:
        """Adam with L2 inside, and the cosine schedule per epoch if the settings ask for it."""
        settings = self.settings
        optimizer = torch.optim.Adam(self.parameters(), lr=settings.lr, weight_decay=settings.weight_decay, fused=True)
        if settings.schedule == "constant":
            return optimizer
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda epoch: 0.5 * (1 + math.cos(math.pi * epoch / max(1, settings.epochs)))
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}

    def config(self) -> dict[str, Any]:
        """Everything needed to rebuild the untrained module, JSON-able."""
        return {"method": self.name, "settings": asdict(self.settings), "input": dict(self.input_spec)}

    @classmethod
    def setting_names(cls, settings_class: type[MethodSettings]) -> tuple[str, ...]:
        """Names of the settings in their order, inherited ones first."""
        return tuple(f.name for f in fields(settings_class))
