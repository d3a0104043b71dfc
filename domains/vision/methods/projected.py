"""The frame of one encoder and one head that sees v views of each image."""

import math
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from core.checks import check_at_least
from core.heads import ProjectionHead, ReweightingHead
from core.heads.projection import Norm
from domains.vision.methods.base import VisionMethod, VisionSettings

__all__ = ["P", "Projected", "ProjectedSettings"]


@dataclass(frozen=True)
class ProjectedSettings(VisionSettings):
    """Settings of methods that compare projections of views.

    Attributes:
        views: of each image, >= 2.
        hidden: width of the head's hidden layers; 0 takes the backbone's.
        projection: width of the head's output.
        layers: linear layers of the head; 0 is no head.
        reweighting: 0, or > 1 for a head without learned weights in place of all this: it multiplies feature i by
            kappa^-i, and this is the ratio of the first weight to the last (`core.heads.ReweightingHead`).
    """

    views: int = 2
    hidden: int = 0
    projection: int = 128
    layers: int = 2
    reweighting: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("views", self.views, 2)
        check_at_least("hidden", self.hidden, 0)
        check_at_least("projection", self.projection, 1)
        check_at_least("layers", self.layers, 0)
        if self.reweighting != 0 and not (math.isfinite(self.reweighting) and self.reweighting > 1):
            raise ValueError(f"reweighting must be 0 or > 1, got {self.reweighting}; 1000 is a start")


P = TypeVar("P", bound=ProjectedSettings)


class Projected(VisionMethod[P]):
    """Base of the methods with one encoder and one head; what they do with the projections is theirs.

    Args:
        settings: of the method.
        **spec: see `VisionMethod`.
    """

    def __init__(self, settings: P, **spec: Any) -> None:
        super().__init__(settings, **spec)
        s = settings
        fixed = s.layers == 0 or s.reweighting > 0
        self.width = self.out_dim if fixed else s.projection
        self.head: ProjectionHead | ReweightingHead
        if s.reweighting:
            self.head = ReweightingHead(self.out_dim, ratio=s.reweighting)
        else:
            norm: Norm | None = "batch" if s.layers > 1 else None
            self.head = ProjectionHead(self.out_dim, s.hidden or None, self.width, layers=s.layers, norm=norm)

    def make_views(self, images: Tensor) -> list[Tensor]:
        """One random view after the other, ``(n, 3, size, size)`` each."""
        return self.random_views(images, self.settings.views)

    def project(self, images: Tensor) -> Float[Tensor, "v n d"]:
        """Projections of fresh views; encoder and head see all views of the batch at once."""
        views = self.make_views(images)
        rows: Tensor = self.head(self.encoder(torch.cat(views)))
        z: Tensor = rows.unflatten(0, (len(views), len(images)))
        return z
