"""The two containers of the domain: one attributed graph, and a set of graphs stored as one disjoint union."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

__all__ = ["GraphBatch", "GraphData", "GraphSet"]

T = TypeVar("T", "GraphData", "GraphBatch")


def _count_classes(y: Tensor | None) -> int:
    return 0 if y is None or y.numel() == 0 else int(y.max()) + 1


def _moved(graph: T, device: torch.device) -> T:
    if graph.x.device == device:
        return graph
    values: dict[str, Any] = {f.name: getattr(graph, f.name) for f in fields(graph)}
    moved: dict[str, Any] = {name: v.to(device) for name, v in values.items() if isinstance(v, Tensor)}
    return replace(graph, **moved)


@dataclass(frozen=True, eq=False)
class GraphData:
    """One attributed graph.

    Attributes:
        x: ``(|V|, d)`` float32 node features, dense or ``torch.sparse_csr``.
        edge_index: ``(2, |E|)`` int64, row 0 the source and row 1 the target of each directed edge. Readers deliver
            both directions of an undirected edge, no loops, no duplicates, sorted by target, then source.
        y: ``(|V|,)`` int64 class of each node, -1 where unknown; None without labels.
        train_index, val_index, test_index: int64 positions of a fixed split; all None if the set has none.
        node_ids: the user's own name of each node, as they came; None means 0..|V|-1.
        class_names: the user's own name of each class; None means the numbers themselves.
        name: what tables and metadata call it.
        facts: licence, source and anything else worth keeping beside a result.
    """

    x: Tensor
    edge_index: Tensor
    y: Tensor | None = None
    train_index: Tensor | None = None
    val_index: Tensor | None = None
    test_index: Tensor | None = None
    node_ids: tuple[Any, ...] | None = None
    class_names: tuple[str, ...] | None = None
    name: str = "graph"
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def num_nodes(self) -> int:
        """|V|."""
        return int(self.x.shape[0])

    @property
    def num_features(self) -> int:
        """Width d of the node features."""
        return int(self.x.shape[1])

    @property
    def num_classes(self) -> int:
        """Number of classes, 0 without labels."""
        return _count_classes(self.y)

    def to(self, device: torch.device) -> GraphData:
        """The graph on another device; itself if it is there already."""
        return _moved(self, device)

    def with_split(self, train: Tensor, val: Tensor, test: Tensor) -> GraphData:
        """The same graph under another split."""
        return replace(self, train_index=train, val_index=val, test_index=test)


@dataclass(frozen=True, eq=False)
class GraphBatch:
    """Some graphs as one disjoint union.

    Attributes:
        x: ``(|V|, d)`` features of all nodes.
        edge_index: ``(2, |E|)`` int64 in the union's own node numbers, sorted by target.
        batch: ``(|V|,)`` int64 graph of each node, ascending.
        num_graphs: number of graphs, those without nodes included.
        y: ``(num_graphs,)`` int64 or None.
    """

    x: Tensor
    edge_index: Tensor
    batch: Tensor
    num_graphs: int
    y: Tensor | None = None

    @property
    def num_nodes(self) -> int:
        """|V| of the union."""
        return int(self.x.shape[0])

    def to(self, device: torch.device) -> GraphBatch:
        """The batch on another device; itself if it is there already."""
        return _moved(self, device)


@dataclass(frozen=True, eq=False)
class GraphSet:
    """Many small graphs, held as one disjoint union so that a batch is a few gathers and no Python loop.

    Attributes:
        x: ``(|V|, d)`` float32 features of all nodes.
        edge_index: ``(2, |E|)`` int64 over global node numbers, both directions, no loops, sorted by target.
        node_ptr: ``(g + 1,)`` int64; nodes of graph i are ``node_ptr[i]`` to ``node_ptr[i + 1] - 1``.
        y: ``(g,)`` int64 class of each graph, or None.
        name, class_names, facts: as in `GraphData`.
    """

    x: Tensor
    edge_index: Tensor
    node_ptr: Tensor
    y: Tensor | None = None
    name: str = "graphs"
    class_names: tuple[str, ...] | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.node_ptr.numel()) - 1

    @property
    def num_features(self) -> int:
        """Width d of the node features."""
        return int(self.x.shape[1])

    @property
    def num_classes(self) -> int:
        """Number of classes, 0 without labels."""
        return _count_classes(self.y)

    def select(self, graphs: Tensor) -> GraphBatch:
        """The graphs at positions ``graphs`` (int64, in this order) as one batch."""
        start, stop = self.node_ptr[graphs], self.node_ptr[graphs + 1]
        size = stop - start
        batch = torch.repeat_interleave(torch.arange(len(graphs)), size)
        offset = torch.cumsum(size, 0) - size  # first new number of each graph
        nodes = torch.arange(int(size.sum())) - offset[batch] + start[batch]  # (|V|,) global numbers
        # edges are sorted by target, and targets of one graph are consecutive: each graph's edges are one slice
        edge_start = torch.searchsorted(self.edge_index[1].contiguous(), start)
        edge_stop = torch.searchsorted(self.edge_index[1].contiguous(), stop)
        edge_size = edge_stop - edge_start
        graph_of_edge = torch.repeat_interleave(torch.arange(len(graphs)), edge_size)
        first = torch.cumsum(edge_size, 0) - edge_size
        edges = torch.arange(int(edge_size.sum())) - first[graph_of_edge] + edge_start[graph_of_edge]
        edge_index = self.edge_index[:, edges] + (offset - start)[graph_of_edge]
        y = None if self.y is None else self.y[graphs]
        return GraphBatch(self.x[nodes], edge_index, batch, len(graphs), y)
