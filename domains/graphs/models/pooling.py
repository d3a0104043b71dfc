"""From node embeddings to graph embeddings."""

from typing import Literal

from jaxtyping import Float, Int64
from torch import Tensor

__all__ = ["Pooling", "pool"]

Pooling = Literal["mean", "max", "sum"]


def pool(h: Float[Tensor, "n d"], batch: Int64[Tensor, " n"], num_graphs: int, how: Pooling) -> Float[Tensor, "g d"]:
    """Pool the nodes of each graph.

    Args:
        h: node embeddings.
        batch: graph of each node.
        num_graphs: number of graphs; one without nodes gets zeros.
        how: "mean", "max" or "sum".

    >>> import torch
    >>> pool(torch.tensor([[1.0], [3.0]]), torch.tensor([0, 0]), 2, "mean").tolist()
    [[2.0], [0.0]]
    """
    index = batch.unsqueeze(1).expand_as(h)
    out = h.new_zeros(num_graphs, h.shape[1])
    if how == "max":
        return out.scatter_reduce(0, index, h, "amax", include_self=False)
    total = out.index_add(0, batch, h)
    if how == "sum":
        return total
    return total / batch.bincount(minlength=num_graphs).clamp(min=1).unsqueeze(1)
