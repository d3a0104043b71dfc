"""What all graph methods share: prepared edges and features, frozen embeddings, pooling, devices."""

from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor

from core.training.method import Method, MethodSettings
from domains.graphs.data.graph import GraphBatch, GraphData
from domains.graphs.models import Adjacency, Pooling, SparseFeatures, pool, to_features

__all__ = ["Graph", "GraphMethod", "Level", "Prepared"]

Graph = GraphData | GraphBatch
Level = Literal["node", "graph"]
G = TypeVar("G", bound=MethodSettings)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A graph in the form that layers read: edges grouped by target with self-loops, features sparse where it pays."""

    adjacency: Adjacency
    features: Tensor | SparseFeatures


class GraphMethod(Method[G]):
    """Base of the domain's methods: a batch is one `GraphData`, or a `GraphBatch` of many graphs.

    Args:
        settings: the method's settings.
        in_dim: width of the node features.
        level: what a representation stands for: each node, or each graph of the batch (then nodes are pooled).
        generator: of every random draw.
        **input_spec: what else the data dictates.
    """

    def __init__(
        self,
        settings: G,
        *,
        in_dim: int,
        level: Level = "node",
        generator: torch.Generator | None = None,
        **input_spec: Any,
    ) -> None:
        super().__init__(settings, generator=generator, in_dim=in_dim, level=level, **input_spec)
        self.in_dim = in_dim
        self.level: Level = level
        self._prepared: WeakKeyDictionary[Graph, Prepared] = WeakKeyDictionary()

    def prepare(self, graph: Graph) -> Prepared:
        """Sort the edges and choose the form of the features, once per graph object."""
        found = self._prepared.get(graph)
        if found is None:
            if graph.x.shape[1] != self.in_dim:
                raise ValueError(
                    f"the model was made for {self.in_dim} node features, the graph has {graph.x.shape[1]}"
                )
            adjacency = Adjacency.from_edges(graph.edge_index, graph.num_nodes)
            found = self._prepared[graph] = Prepared(adjacency, to_features(graph.x))
        return found

    def encode(self, graph: Graph) -> Float[Tensor, "n d"]:
        """Node embeddings of the unharmed graph, in whatever mode the module is."""
        raise TypeError(f"{type(self).__name__} must define encode")

    @torch.no_grad()
    def node_embeddings(self, graph: Graph) -> Float[Tensor, "n d"]:
        """Frozen node embeddings: evaluation mode, no gradient, no mask."""
        training = self.training
        self.eval()
        try:
            return self.encode(graph)
        finally:
            self.train(training)

    def embed(self, batch: Graph) -> Float[Tensor, "n d"]:
        """Frozen representation: ``(|V|, d)`` node embeddings, or ``(g, d)`` pooled ones at graph level."""
        h = self.node_embeddings(batch)
        if self.level == "node":
            return h
        if isinstance(batch, GraphData):
            raise ValueError("this model represents whole graphs; give it a set of graphs (GraphSet.select)")
        return pool(h, batch.batch, batch.num_graphs, self.pooling)

    @property
    def pooling(self) -> Pooling:
        """How nodes become a graph; methods with a setting of that name follow it."""
        how: Pooling = getattr(self.settings, "pooling", "mean")
        return how

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move a graph; Lightning's own way would copy the frozen container."""
        return batch.to(device)
