"""InfoGraph: every node shall recognise its own graph."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from core.heads import ProjectionHead
from core.losses import binary_discrimination
from core.training.method import MethodSettings
from domains.graphs.data.graph import GraphBatch
from domains.graphs.methods.base import Graph, GraphMethod
from domains.graphs.models import GraphEncoder, Pooling, pool

__all__ = ["InfoGraph", "InfoGraphSettings"]


@dataclass(frozen=True)
class InfoGraphSettings(MethodSettings):
    """Settings of InfoGraph; defaults follow the released code [memory].

    Attributes:
        hidden: width of each GIN layer; the embedding holds all layers side by side.
        layers: GIN layers, >= 1.
        batch_size: graphs in a batch, >= 2.
        pooling: of node embeddings.
    """

    epochs: int = 20
    lr: float = 1e-2
    hidden: int = 32
    layers: int = 3
    batch_size: int = 128
    pooling: Pooling = "sum"


class InfoGraph(GraphMethod[InfoGraphSettings]):
    """Mutual information between nodes and their graph.

    Sun et al. 2020, arXiv 1908.01000, eq. 4: the inner product of a projected node and a projected graph is a critic
    that shall be high where the node belongs to the graph and low for all other graphs of the batch (Jensen-Shannon
    form). Node and graph codes are all GIN layers side by side.

    Args:
        settings: see `InfoGraphSettings`.
        in_dim: width of the node features.
        **rest: ``level`` (must be "graph"), ``generator`` (the method itself draws nothing).
    """

    name: ClassVar[str] = "infograph"

    def __init__(self, settings: InfoGraphSettings, *, in_dim: int, **rest: Any) -> None:
        super().__init__(settings, in_dim=in_dim, **rest)
        s = settings
        self.encoder = GraphEncoder(
            "gin", in_dim, s.hidden, s.layers, norm="batch", activation="relu", concat_hidden=True
        )
        width = self.encoder.out_dim
        self.node_head = ProjectionHead(width, layers=3)
        self.graph_head = ProjectionHead(width, layers=3)

    def training_step(self, batch: GraphBatch, batch_idx: int) -> Tensor:
        """The critic's cross-entropy over all node-graph pairs; scalar. One graph alone has no false pair: 0."""
        h = self.encode(batch)
        nodes = self.node_head(h)  # (n, d)
        graphs = self.graph_head(pool(h, batch.batch, batch.num_graphs, self.pooling))  # (g, d)
        logits = nodes @ graphs.T
        if batch.num_graphs < 2:
            nothing: Tensor = logits.sum() * 0.0
            return nothing
        own = torch.zeros_like(logits, dtype=torch.bool)
        own[torch.arange(len(nodes)), batch.batch] = True
        loss = binary_discrimination(logits[own], logits[~own])
        self.log("loss", loss, batch_size=batch.num_graphs)
        return loss

    def encode(self, graph: Graph) -> Float[Tensor, "n d"]:
        """All layers' outputs side by side."""
        prepared = self.prepare(graph)
        h: Tensor = self.encoder(prepared.features, prepared.adjacency, self.generator)
        return h
