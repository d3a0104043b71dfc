"""How a view of a graph is spoiled: edges, feature columns, nodes, subgraphs. Every draw comes from the generator."""

from dataclasses import replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from domains.graphs.data.graph import GraphBatch
from domains.graphs.models import Adjacency, SparseFeatures

__all__ = ["drop_edges", "drop_nodes", "mask_columns", "perturb_edges", "shuffle_rows", "subgraph", "zero_nodes"]


def drop_edges(adjacency: Adjacency, rate: float, generator: torch.Generator) -> Adjacency:
    """Leave out each directed edge with probability ``rate``; self-loops stay, once."""
    if rate == 0.0:
        return adjacency
    keep = torch.rand(adjacency.num_edges, generator=generator) >= rate
    return adjacency.subset(keep | (adjacency.source == adjacency.target))


def mask_columns(x: Tensor | SparseFeatures, rate: float, generator: torch.Generator) -> Tensor | SparseFeatures:
    """Set whole feature columns to zero, each with probability ``rate``, for all nodes alike."""
    if rate == 0.0:
        return x
    width = x.shape[1] if isinstance(x, Tensor) else x.width
    keep = (torch.rand(width, generator=generator) >= rate).float()
    if isinstance(x, Tensor):
        return x * keep.to(x.device)
    return SparseFeatures(x.pointer, x.column, x.value * keep[x.column], x.width)


def shuffle_rows(x: Tensor | SparseFeatures, generator: torch.Generator) -> Tensor | SparseFeatures:
    """Give every node the features of a random other one (DGI's corruption)."""
    rows = x.shape[0] if isinstance(x, Tensor) else x.pointer.numel() - 1
    order = torch.randperm(rows, generator=generator)
    return x[order] if isinstance(x, Tensor) else x.rows(order)


def zero_nodes(graph: GraphBatch, rate: float, generator: torch.Generator) -> GraphBatch:
    """GraphCL's attribute masking: set the features of a share ``rate`` of the nodes to zero."""
    keep = (torch.rand(graph.num_nodes, 1, generator=generator) >= rate).to(graph.x.dtype)
    return replace(graph, x=graph.x * keep)


def drop_nodes(graph: GraphBatch, rate: float, generator: torch.Generator) -> GraphBatch:
    """GraphCL's node dropping: remove each node with probability ``rate``; a graph keeps at least one."""
    return _keep_nodes(graph, torch.rand(graph.num_nodes, generator=generator) >= rate, generator)


def perturb_edges(graph: GraphBatch, rate: float, generator: torch.Generator) -> GraphBatch:
    """GraphCL's edge perturbation: remove a share ``rate`` of the edges and add as many random ones inside graphs."""
    edges = graph.edge_index
    one_way = edges[:, edges[0] < edges[1]]
    changed = int(rate * one_way.shape[1])
    kept = one_way[:, torch.randperm(one_way.shape[1], generator=generator)[changed:]]
    first = torch.randint(graph.num_nodes, (changed,), generator=generator)
    size = graph.batch.bincount(minlength=graph.num_graphs)
    start = torch.cumsum(size, 0) - size
    of = graph.batch[first]
    second = start[of] + (torch.rand(changed, generator=generator) * size[of]).long()
    pairs = torch.cat([kept, torch.stack([first, second])], 1)
    pairs = pairs[:, pairs[0] != pairs[1]]
    return replace(graph, edge_index=torch.cat([pairs, pairs.flip(0)], 1))


def subgraph(graph: GraphBatch, rate: float, generator: torch.Generator) -> GraphBatch:
    """GraphCL's subgraph: from one random node per graph grow until a share ``1 - rate`` of its nodes is inside.

    All graphs grow in the same rounds; each round admits the neighbours of what is inside, in random order, as far as
    the graph's own quota goes. A graph that falls into pieces restarts from a random node outside.
    """
    size = graph.batch.bincount(minlength=graph.num_graphs)
    quota = ((1 - rate) * size).ceil().long()
    inside = torch.zeros(graph.num_nodes, dtype=torch.bool)
    while True:
        missing = quota - torch.bincount(graph.batch[inside], minlength=graph.num_graphs)
        if not (missing > 0).any():
            return _keep_nodes(graph, inside, generator)
        near = torch.zeros_like(inside)
        near[graph.edge_index[1, inside[graph.edge_index[0]]]] = True
        near &= ~inside
        stuck = (missing > 0) & (torch.bincount(graph.batch[near], minlength=graph.num_graphs) == 0)
        near |= _one_per_graph(graph.batch, ~inside & stuck[graph.batch], generator)
        rank = _rank_in_graph(graph.batch, near, generator)
        inside |= near & (rank < missing[graph.batch])


def _one_per_graph(batch: Int64[Tensor, " n"], among: Tensor, generator: torch.Generator) -> Tensor:
    return among & (_rank_in_graph(batch, among, generator) == 0)


def _rank_in_graph(batch: Int64[Tensor, " n"], among: Tensor, generator: torch.Generator) -> Int64[Tensor, " n"]:
    """A random rank of each node of ``among`` within its graph, from 0; others come after them."""
    score = torch.rand(len(batch), generator=generator) + (~among).float()
    order = torch.argsort(batch + score.double() / 2.5)  # by graph, then by score, which is below 2
    size = batch.bincount()
    start = torch.cumsum(size, 0) - size
    rank = torch.empty_like(batch)
    rank[order] = torch.arange(len(batch)) - start[batch[order]]
    return rank


def _keep_nodes(graph: GraphBatch, keep: Tensor, generator: torch.Generator) -> GraphBatch:
    """The batch on the nodes of ``keep``; a graph that would lose all of them keeps a random one."""
    empty = torch.bincount(graph.batch[keep], minlength=graph.num_graphs) == 0
    keep = keep | _one_per_graph(graph.batch, empty[graph.batch], generator)
    number = torch.cumsum(keep, 0) - 1
    inside = keep[graph.edge_index[0]] & keep[graph.edge_index[1]]
    x: Float[Tensor, "n d"] = graph.x[keep]
    return GraphBatch(x, number[graph.edge_index[:, inside]], graph.batch[keep], graph.num_graphs, graph.y)
