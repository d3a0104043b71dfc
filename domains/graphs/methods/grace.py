"""GRACE: two corrupted views of one graph, each node against all others."""

from dataclasses import dataclass
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from core.heads import ProjectionHead
from core.losses import nt_xent
from core.training.method import MethodSettings
from domains.graphs.methods.base import Graph, GraphMethod
from domains.graphs.methods.corruption import drop_edges, mask_columns
from domains.graphs.models import GraphEncoder
from domains.graphs.models.norms import Activation

__all__ = ["GRACE", "GRACESettings"]


@dataclass(frozen=True)
class GRACESettings(MethodSettings):
    """Settings of GRACE; defaults from the released configuration for Cora [memory].

    Attributes:
        hidden: width of the embeddings; the first of the two layers is twice as wide.
        projection: hidden width of the projection head.
        activation: after each encoder layer.
        temperature: of the contrastive loss, > 0.
        drop_edge_1: share of edges missing in the first view, in [0, 1).
        drop_edge_2: share of edges missing in the second view, in [0, 1).
        mask_feature_1: share of feature columns hidden in the first view, in [0, 1).
        mask_feature_2: share of feature columns hidden in the second view, in [0, 1).
    """

    epochs: int = 200
    lr: float = 5e-4
    weight_decay: float = 1e-5
    hidden: int = 128
    projection: int = 128
    activation: Activation = "relu"
    temperature: float = 0.4
    drop_edge_1: float = 0.2
    drop_edge_2: float = 0.4
    mask_feature_1: float = 0.3
    mask_feature_2: float = 0.4


class GRACE(GraphMethod[GRACESettings]):
    """Graph contrastive representation learning.

    Zhu et al. 2020, arXiv 2006.04131, eq. 1: for each node the other view of it is the positive, all other nodes of
    both views are negatives; averaged over both directions. That is NT-Xent over 2|V| rows, so it runs through the
    tiled kernel: |V| = 13,752 needs no (27,504)^2 matrix. A two-layer GCN encodes, a two-layer ELU head projects, the
    head is thrown away.

    Args:
        settings: see `GRACESettings`.
        in_dim: width of the node features.
        **rest: ``generator`` (of the corruptions).
    """

    name: ClassVar[str] = "grace"

    def __init__(self, settings: GRACESettings, *, in_dim: int, **rest: Any) -> None:
        super().__init__(settings, in_dim=in_dim, **rest)
        s = settings
        self.encoder = GraphEncoder("gcn", in_dim, 2 * s.hidden, 2, out_dim=s.hidden, activation=s.activation)
        self.head = ProjectionHead(s.hidden, s.projection, s.hidden, activation="elu")

    def training_step(self, batch: Graph, batch_idx: int) -> Tensor:
        """Contrastive loss of two fresh views; scalar."""
        s = self.settings
        first = self._view(batch, s.drop_edge_1, s.mask_feature_1)
        second = self._view(batch, s.drop_edge_2, s.mask_feature_2)
        loss = nt_xent(first, second, temperature=s.temperature)
        self.log("loss", loss, batch_size=1)
        return loss

    def _view(self, batch: Graph, edge_rate: float, feature_rate: float) -> Float[Tensor, "n d"]:
        prepared = self.prepare(batch)
        adjacency = drop_edges(prepared.adjacency, edge_rate, self.generator)
        features = mask_columns(prepared.features, feature_rate, self.generator)
        projected: Tensor = self.head(self.encoder(features, adjacency, self.generator))
        return projected

    def encode(self, graph: Graph) -> Float[Tensor, "n d"]:
        """Encoder output, before the head."""
        prepared = self.prepare(graph)
        h: Tensor = self.encoder(prepared.features, prepared.adjacency, self.generator)
        return h
