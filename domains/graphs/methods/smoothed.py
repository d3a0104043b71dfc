"""The baselines that embarrass: raw features, and features averaged over neighbours. Nothing is learned."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from core.training.method import MethodSettings
from domains.graphs.methods.base import Graph, GraphMethod
from domains.graphs.models import Pooling, aggregate

__all__ = ["SmoothedFeatures", "SmoothedFeaturesSettings"]


@dataclass(frozen=True)
class SmoothedFeaturesSettings(MethodSettings):
    """Settings of the baseline.

    Attributes:
        hops: how often features are averaged with the GCN operator; 0 is the raw features, 2 the usual SGC.
        pooling: of nodes, for whole graphs; with hops 0 and "sum" this is the histogram of node labels or degrees.
    """

    epochs: int = 0
    hops: int = 2
    pooling: Pooling = "sum"
    batch_size: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hops < 0:
            raise ValueError(f"hops must be >= 0, got {self.hops}")
        if self.epochs:
            raise ValueError(f"smoothed features learn nothing: epochs must be 0, got {self.epochs}")


class SmoothedFeatures(GraphMethod[SmoothedFeaturesSettings]):
    """``S^hops X`` with S = D^-1/2 (A + I) D^-1/2.

    Wu et al. 2019 (SGC), arXiv 1902.07153, eq. 8 without the classifier. On Cora this alone carries a linear probe to
    80 %: what a pre-trained encoder must clear.

    Args:
        settings: see `SmoothedFeaturesSettings`.
        in_dim: width of the node features.
        **rest: ``level`` ("node" or "graph").
    """

    name: ClassVar[str] = "smoothed"

    def __init__(self, settings: SmoothedFeaturesSettings, *, in_dim: int, **rest: Any) -> None:
        super().__init__(settings, in_dim=in_dim, **rest)

    def training_step(self, batch: Graph, batch_idx: int) -> Tensor:
        """There is nothing to train: 0."""
        return torch.zeros((), requires_grad=True)

    def configure_optimizers(self) -> Any:
        """There is nothing to optimise."""
        return None

    def encode(self, graph: Graph) -> Float[Tensor, "n d"]:
        """The smoothed features."""
        prepared = self.prepare(graph)
        x = prepared.features
        h = x if isinstance(x, Tensor) else x.dense()
        weight = prepared.adjacency.gcn_weight.unsqueeze(1)
        for _ in range(self.settings.hops):
            h = aggregate(h.unsqueeze(1), prepared.adjacency, weight).squeeze(1)
        return h
