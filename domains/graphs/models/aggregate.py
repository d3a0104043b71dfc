"""Weighted sums over incoming edges, and the softmax over them: the two segment operations of every layer.

On a CPU ``embedding_bag`` is a fused sparse-dense product: it reads each source row once and never holds one row per
edge. Cora's four-headed aggregation (13,264 edges, 512 wide) takes it 1/17 of the time of gather, multiply, index_add.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding_bag

from domains.graphs.models.adjacency import Adjacency

__all__ = ["aggregate", "edge_softmax"]

_BLOCK = 512  # edges whose two gathered rows stay in the second-level cache while their products are formed


def aggregate(
    value: Float[Tensor, "n h d"], adjacency: Adjacency, weight: Float[Tensor, "e h"] | None = None
) -> Float[Tensor, "t h d"]:
    """Sum the sources of each target, per head.

    Formula: ``out_i = sum over edges (j -> i) of w_ij value_j``.

    Args:
        value: rows to sum, n = ``adjacency.num_sources``, with h heads of width d.
        adjacency: the edges.
        weight: one factor per edge and head; None means 1. Gradient flows to it if it asks for one.

    Shape:
        Output ``(t, h, d)`` with t = ``adjacency.num_targets``. A target without edges gets zeros.
    """
    result: Tensor = _Aggregate.apply(value, weight, adjacency)  # type: ignore[no-untyped-call]
    return result


class _Aggregate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, weight: Tensor | None, adjacency: Adjacency) -> Tensor:
        ctx.save_for_backward(value, weight)
        ctx.adjacency = adjacency
        return _bagged(value, adjacency.source, adjacency.pointer, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        value, weight = ctx.saved_tensors
        adjacency: Adjacency = ctx.adjacency
        gradient = gradient.contiguous()
        to_value = to_weight = None
        if ctx.needs_input_grad[0]:
            order, target, pointer = adjacency.by_source
            to_value = _bagged(gradient, target, pointer, None if weight is None else weight[order])
        if weight is not None and ctx.needs_input_grad[1]:
            to_weight = torch.empty_like(weight)
            for start in range(0, adjacency.num_edges, _BLOCK):
                block = slice(start, start + _BLOCK)
                pulled = gradient.index_select(0, adjacency.target[block])
                torch.sum(pulled.mul_(value.index_select(0, adjacency.source[block])), 2, out=to_weight[block])
        return to_value, to_weight, None


def _bagged(value: Tensor, index: Tensor, pointer: Tensor, weight: Tensor | None) -> Tensor:
    """Sum rows ``index`` of ``value`` within each segment of ``pointer``, per head."""
    n, heads, width = value.shape
    rows = pointer.numel() - 1
    if heads == 1 or weight is None:  # one factor for the whole row: heads need not be told apart
        flat_weight = None if weight is None else weight.reshape(-1)
        out = embedding_bag(index, value.reshape(n, -1), pointer[:-1], mode="sum", per_sample_weights=flat_weight)
        return out.view(rows, heads, width)
    size = pointer[1:] - pointer[:-1]
    head = torch.arange(heads, device=value.device)
    bag_size = size.repeat_interleave(heads)  # bags in the order (row, head)
    bag_start = torch.cumsum(bag_size, 0) - bag_size
    bag = torch.repeat_interleave(torch.arange(rows * heads, device=value.device), bag_size)
    edge = torch.arange(bag.numel(), device=value.device) - bag_start[bag] + pointer[:-1].repeat_interleave(heads)[bag]
    which = head.repeat(rows)[bag]
    out = embedding_bag(
        index[edge] * heads + which,
        value.reshape(n * heads, width),
        bag_start,
        mode="sum",
        per_sample_weights=weight.reshape(-1)[edge * heads + which],
    )
    return out.view(rows, heads, width)


def edge_softmax(logit: Float[Tensor, "e h"], adjacency: Adjacency) -> Float[Tensor, "e h"]:
    """Softmax over the incoming edges of each target, per head; exact for any size of logits."""
    result: Tensor = _EdgeSoftmax.apply(logit, adjacency)  # type: ignore[no-untyped-call]
    return result


class _EdgeSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logit: Tensor, adjacency: Adjacency) -> Tensor:
        target = adjacency.target
        index = target.unsqueeze(1).expand_as(logit)
        top = logit.new_full((adjacency.num_targets, logit.shape[1]), -torch.inf)
        top.scatter_reduce_(0, index, logit, "amax")
        share = (logit - top[target]).exp_()
        total = logit.new_zeros(top.shape).index_add_(0, target, share)
        share /= total[target]
        ctx.save_for_backward(share)
        ctx.adjacency = adjacency
        return share

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (share,) = ctx.saved_tensors
        target = ctx.adjacency.target
        weighted = share * gradient
        total = share.new_zeros(ctx.adjacency.num_targets, share.shape[1]).index_add_(0, target, weighted)
        return weighted.addcmul_(share, total[target], value=-1), None
