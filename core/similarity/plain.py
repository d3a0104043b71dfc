"""Two-sided log-sum-exp from the whole matrix, which is kept for the backward pass: fastest for a few hundred rows."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from core.similarity.backward import plain_backward, scale_of_rows
from core.similarity.exclusions import TileExclusions
from core.similarity.products import multiply
from core.similarity.tiles import relative_exp

__all__ = ["plain_logsumexp"]


class _PlainLogSumExp(torch.autograd.Function):
    """Row-wise log-sum-exp of S = ``query @ key.T``; keeps one matrix, E = exp(S - row maximum), in the place of S.

    The gradient scales rows by g / sum(E), so E is never divided.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, exclude: Tensor | None, matmul_dtype: torch.dtype) -> Tensor:
        weights = multiply(query.to(matmul_dtype), key.T.to(matmul_dtype), query.dtype)  # (n, m)
        excluded = TileExclusions(exclude, len(key), max(weights.shape))
        excluded.fill(weights, 0, 0, -torch.inf)
        high = weights.amax(1).clamp_(min=torch.finfo(query.dtype).min)  # finite where a row has no candidate
        relative_exp(weights, high[:, None], out=weights)
        excluded.fill(weights, 0, 0, 0.0)
        total = weights.sum(1)
        ctx.save_for_backward(query, key, weights, total)
        ctx.matmul_dtype = matmul_dtype
        return high.add_(total.log())

    @staticmethod
    @plain_backward
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        query, key, weights, total = ctx.saved_tensors
        low = ctx.matmul_dtype
        grad_query = grad_key = None
        scale = scale_of_rows(grad, total)[:, None]
        weights = weights.to(low)
        if ctx.needs_input_grad[0]:
            grad_query = multiply(weights, key.to(low), query.dtype).mul_(scale)
        if ctx.needs_input_grad[1]:
            grad_key = multiply(weights.T, (query * scale).to(low), query.dtype)
        return grad_query, grad_key, None, None


plain_logsumexp: Callable[[Tensor, Tensor, Tensor | None, torch.dtype], Tensor] = _PlainLogSumExp.apply
"""``(query, key, exclude, matmul_dtype)`` to the log-sum-exp of each query against all keys."""
