"""The edges of a graph in the order that aggregation wants them, prepared once and used at every step."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

__all__ = ["Adjacency"]


@dataclass(frozen=True, eq=False)
class Adjacency:
    """Directed edges grouped by target: a CSR matrix whose row i lists the sources that node i hears.

    The targets may be a subset of the nodes (`restrict`), which is how a layer computes only the rows that
    somebody will read.

    Attributes:
        source: ``(e,)`` int64 node at the start of each edge.
        target: ``(e,)`` int64 row (position in ``nodes``) at its end, ascending.
        pointer: ``(t + 1,)`` int64; the edges of row i are ``pointer[i]`` to ``pointer[i + 1] - 1``.
        num_sources: number of nodes that ``source`` counts over.
        nodes: ``(t,)`` int64 node of each row; None means row i is node i.
    """

    source: Int64[Tensor, " e"]
    target: Int64[Tensor, " e"]
    pointer: Int64[Tensor, " rows"]
    num_sources: int
    nodes: Int64[Tensor, " t"] | None = None

    @classmethod
    def from_edges(cls, edge_index: Int64[Tensor, "2 e"], num_nodes: int, *, loops: bool = True) -> "Adjacency":
        """Group the edges by target, after adding one loop per node if asked to.

        Args:
            edge_index: source and target of each edge.
            num_nodes: |V|; isolated nodes at the end count too.
            loops: add one self-loop to every node. Loops that are there already are dropped first, so none is doubled.
        """
        if loops:
            edge_index = edge_index[:, edge_index[0] != edge_index[1]]
            edge_index = torch.cat([edge_index, torch.arange(num_nodes, device=edge_index.device).expand(2, -1)], 1)
        order = torch.argsort(edge_index[1], stable=True)
        source, target = edge_index[0][order], edge_index[1][order]
        return cls(source, target, _pointer(target, num_nodes), num_nodes)

    @property
    def num_targets(self) -> int:
        """Number of rows."""
        return int(self.pointer.numel()) - 1

    @property
    def num_edges(self) -> int:
        """Number of directed edges, loops included."""
        return int(self.source.numel())

    def restrict(self, keep: Bool[Tensor, " t"]) -> "Adjacency":
        """The rows where ``keep`` is true; sources keep their numbers. Only a full adjacency can be restricted."""
        nodes = keep.nonzero().squeeze(1)
        row = torch.cumsum(keep, 0) - 1
        edges = keep[self.target]
        target = row[self.target[edges]]
        return Adjacency(self.source[edges], target, _pointer(target, len(nodes)), self.num_sources, nodes)

    def subset(self, keep: Bool[Tensor, " e"]) -> "Adjacency":
        """The edges where ``keep`` is true, all rows."""
        target = self.target[keep]
        return Adjacency(self.source[keep], target, _pointer(target, self.num_targets), self.num_sources, self.nodes)

    def rows(self, x: Tensor) -> Tensor:
        """The rows of a per-node tensor that belong to the targets."""
        return x if self.nodes is None else x[self.nodes]

    @cached_property
    def by_source(self) -> tuple[Tensor, Tensor, Tensor]:
        """The transposed order: edge numbers grouped by source, their targets, and the pointer over the sources."""
        order = torch.argsort(self.source, stable=True)
        return order, self.target[order], _pointer(self.source[order], self.num_sources)

    @cached_property
    def gcn_weight(self) -> Float[Tensor, " e"]:
        """1 / sqrt(d_i d_j), the symmetric normalisation of Kipf and Welling; d counts incoming edges, loops too."""
        if self.nodes is not None:
            raise ValueError("gcn_weight needs the whole graph; take it before restrict()")
        degree = (self.pointer[1:] - self.pointer[:-1]).clamp(min=1).float()
        return torch.rsqrt(degree[self.source] * degree[self.target])


def _pointer(sorted_rows: Tensor, count: int) -> Tensor:
    pointer = torch.zeros(count + 1, dtype=torch.int64, device=sorted_rows.device)
    torch.cumsum(torch.bincount(sorted_rows, minlength=count), 0, out=pointer[1:])
    return pointer
