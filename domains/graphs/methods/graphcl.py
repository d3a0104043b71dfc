"""GraphCL: two augmentations of each graph, each graph against the others of its batch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from core.heads import ProjectionHead
from core.losses import nt_xent
from core.training.method import MethodSettings
from domains.graphs.data.graph import GraphBatch
from domains.graphs.methods.base import Graph, GraphMethod
from domains.graphs.methods.corruption import drop_nodes, perturb_edges, subgraph, zero_nodes
from domains.graphs.models import Adjacency, GraphEncoder, Pooling, pool

__all__ = ["GraphCL", "GraphCLSettings"]

Augmentation = Literal["none", "drop_nodes", "perturb_edges", "zero_nodes", "subgraph", "random"]
_AUGMENTATIONS: dict[str, Callable[[GraphBatch, float, torch.Generator], GraphBatch]] = {
    "drop_nodes": drop_nodes,
    "subgraph": subgraph,
    "perturb_edges": perturb_edges,
    "zero_nodes": zero_nodes,
}


@dataclass(frozen=True)
class GraphCLSettings(MethodSettings):
    """Settings of GraphCL; defaults follow the released code for unsupervised TU sets [memory].

    Attributes:
        hidden: width of each GIN layer; the embedding holds all layers side by side.
        layers: GIN layers, >= 1.
        batch_size: graphs in a batch, >= 2.
        temperature: of the contrastive loss, > 0.
        ratio: strength of an augmentation: share of nodes or edges changed, in [0, 1).
        first: augmentation of the first view.
        second: augmentation of the second view; "random" draws one of the four for each batch.
        pooling: of node embeddings.
    """

    epochs: int = 20
    lr: float = 1e-2
    hidden: int = 32
    layers: int = 3
    batch_size: int = 128
    temperature: float = 0.2
    ratio: float = 0.2
    first: Augmentation = "drop_nodes"
    second: Augmentation = "random"
    pooling: Pooling = "sum"


class GraphCL(GraphMethod[GraphCLSettings]):
    """Graph contrastive learning with augmentations.

    You et al. 2020, arXiv 2010.13902, eq. 3: GIN encodes two augmentations of every graph, pooled layer outputs are
    projected, and each graph must find its other view among the batch. The paper scores one view against the other
    one's negatives only; we take NT-Xent over both views (the form most later work uses), which adds negatives.

    Args:
        settings: see `GraphCLSettings`.
        in_dim: width of the node features.
        **rest: ``level`` (must be "graph"), ``generator`` (of the augmentations).
    """

    name: ClassVar[str] = "graphcl"

    def __init__(self, settings: GraphCLSettings, *, in_dim: int, **rest: Any) -> None:
        super().__init__(settings, in_dim=in_dim, **rest)
        s = settings
        self.encoder = GraphEncoder(
            "gin", in_dim, s.hidden, s.layers, norm="batch", activation="relu", concat_hidden=True
        )
        self.head = ProjectionHead(self.encoder.out_dim)

    def training_step(self, batch: GraphBatch, batch_idx: int) -> Tensor:
        """Contrastive loss of two augmentations; scalar. A last batch of one graph has no negative and counts 0."""
        first = self._project(self._augment(batch, self.settings.first))
        second = self._project(self._augment(batch, self.settings.second))
        if batch.num_graphs < 2:
            return (first.sum() + second.sum()) * 0.0
        loss = nt_xent(first, second, temperature=self.settings.temperature)
        self.log("loss", loss, batch_size=batch.num_graphs)
        return loss

    def _augment(self, batch: GraphBatch, kind: Augmentation) -> GraphBatch:
        if kind == "none":
            return batch
        name: str = kind
        if kind == "random":
            name = list(_AUGMENTATIONS)[int(torch.randint(len(_AUGMENTATIONS), (1,), generator=self.generator))]
        return _AUGMENTATIONS[name](batch, self.settings.ratio, self.generator)

    def _project(self, batch: GraphBatch) -> Float[Tensor, "g d"]:
        adjacency = Adjacency.from_edges(batch.edge_index, batch.num_nodes)
        h = self.encoder(batch.x, adjacency, self.generator)
        projected: Tensor = self.head(pool(h, batch.batch, batch.num_graphs, self.pooling))
        return projected

    def encode(self, graph: Graph) -> Float[Tensor, "n d"]:
        """All layers' outputs side by side."""
        prepared = self.prepare(graph)
        h: Tensor = self.encoder(prepared.features, prepared.adjacency, self.generator)
        return h
