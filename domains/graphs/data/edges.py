"""Operations on edge lists: cleaning, degrees, corruption, neighbourhoods. All vectorised."""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

__all__ = [
    "clean_edges",
    "degree",
    "induced_subgraph",
    "k_hop",
    "normalise_rows",
    "sort_by_target",
    "standardise_columns",
    "to_undirected",
]


def sort_by_target(edge_index: Int64[Tensor, "2 e"], num_nodes: int) -> Int64[Tensor, "2 f"]:
    """Edges in the order (target, source), each once.

    >>> sort_by_target(torch.tensor([[2, 0, 0], [1, 1, 1]]), 3).tolist()
    [[0, 2], [1, 1]]
    """
    key = torch.unique(edge_index[1] * num_nodes + edge_index[0])  # sorted
    return torch.stack([key % num_nodes, key // num_nodes]) if num_nodes else edge_index


def to_undirected(edge_index: Int64[Tensor, "2 e"], num_nodes: int) -> Int64[Tensor, "2 f"]:
    """Both directions of every edge, each once, sorted by target."""
    return sort_by_target(torch.cat([edge_index, edge_index.flip(0)], 1), num_nodes)


def clean_edges(edge_index: Int64[Tensor, "2 e"], num_nodes: int) -> tuple[Int64[Tensor, "2 f"], int, int]:
    """The undirected graph without loops and repeats, and how many loops and repeated edges were left out."""
    keep = edge_index[0] != edge_index[1]
    loops = int((~keep).sum())
    pairs = edge_index[:, keep].sort(0).values  # (small, large): one direction of each
    distinct = sort_by_target(pairs, num_nodes)
    repeats = int(pairs.shape[1] - distinct.shape[1])
    return to_undirected(distinct, num_nodes), loops, repeats


def degree(edge_index: Int64[Tensor, "2 e"], num_nodes: int) -> Int64[Tensor, " n"]:
    """Incoming edges of each node."""
    return torch.bincount(edge_index[1], minlength=num_nodes)


def induced_subgraph(
    edge_index: Int64[Tensor, "2 e"], keep: Bool[Tensor, " n"]
) -> tuple[Int64[Tensor, " k"], Int64[Tensor, "2 f"]]:
    """The nodes where ``keep`` is true, and the edges among them in new numbers."""
    nodes = keep.nonzero().squeeze(1)
    number = torch.cumsum(keep, 0) - 1
    inside = keep[edge_index[0]] & keep[edge_index[1]]
    return nodes, number[edge_index[:, inside]]


def k_hop(
    edge_index: Int64[Tensor, "2 e"], num_nodes: int, start: Int64[Tensor, " s"], hops: int
) -> Bool[Tensor, " n"]:
    """Which nodes can be reached from ``start`` against the edges in at most ``hops`` steps, ``start`` included."""
    reached = torch.zeros(num_nodes, dtype=torch.bool)
    reached[start] = True
    for _ in range(hops):
        reached[edge_index[0, reached[edge_index[1]]]] = True
    return reached


def normalise_rows(x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Rows scaled to sum 1; zero rows stay zero. The citation graphs' usual preparation."""
    total = x.sum(1, keepdim=True)
    return x / torch.where(total == 0, 1.0, total)


def standardise_columns(x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Columns with mean 0 and deviation 1; constant columns become 0."""
    deviation, mean = torch.std_mean(x, 0, correction=0)
    return (x - mean) / torch.where(deviation == 0, 1.0, deviation)
