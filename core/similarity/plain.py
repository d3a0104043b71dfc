"""Log-sum-exp from the whole matrix, which is kept for the backward pass: fastest up to about a thousand rows."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from core.similarity.backward import plain_backward, scale_of_rows
from core.similarity.exclusions import TileExclusions
from core.similarity.products import add_product, multiply
from core.similarity.tiles import relative_exp

__all__ = ["plain_cross_logsumexp", "plain_logsumexp", "plain_symmetric_logsumexp"]

_STRIP = 256  # rows of coefficients that are formed at once


class _PlainLogSumExp(torch.autograd.Function):
    """Row-wise log-sum-exp of S = ``query @ key.T``; keeps one matrix, E = exp(S - row maximum), in the place of S.

    The gradient scales rows by g / sum(E), so E is never divided.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, exclude: Tensor | None, matmul_dtype: torch.dtype) -> Tensor:
        weights, excluded = _logits(query, key, exclude, matmul_dtype)
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


class _PlainSymmetricLogSumExp(torch.autograd.Function):
    """Row-wise log-sum-exp of ``rows @ rows.T``, for bounded logits; keeps E = exp(S).

    E is symmetric, so both uses of a pair share W_ij = E_ij (a_i + a_j), a = g / (row sum), and one product.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, exclude: Tensor | None, matmul_dtype: torch.dtype) -> Tensor:
        weights, excluded = _logits(rows, rows, exclude, matmul_dtype)
        excluded.fill(weights.exp_(), 0, 0, 0.0)
        total = weights.sum(1)
        ctx.save_for_backward(rows, weights, total)
        ctx.matmul_dtype = matmul_dtype
        return total.log()

    @staticmethod
    @plain_backward
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        rows, weights, total = ctx.saved_tensors
        scale, operands, gradient = scale_of_rows(grad, total), rows.to(ctx.matmul_dtype), torch.zeros_like(rows)
        for span, shared in _shared_coefficients(weights, scale, scale):
            add_product(gradient[span], shared, operands)
        return gradient, None, None


class _PlainCrossLogSumExp(torch.autograd.Function):
    """Log-sum-exp of ``query @ key.T`` over each row and each column, for bounded logits; keeps E = exp(S)."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, exclude: Tensor | None, matmul_dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        weights, excluded = _logits(query, key, exclude, matmul_dtype)
        excluded.fill(weights.exp_(), 0, 0, 0.0)
        total, column_total = weights.sum(1), weights.sum(0)
        ctx.save_for_backward(query, key, weights, total, column_total)
        ctx.matmul_dtype = matmul_dtype
        return total.log(), column_total.log()

    @staticmethod
    @plain_backward
    def backward(ctx: Any, grad_rows: Tensor, grad_columns: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        query, key, weights, total, column_total = ctx.saved_tensors
        queries, keys = query.to(ctx.matmul_dtype), key.to(ctx.matmul_dtype)
        scale, column_scale = scale_of_rows(grad_rows, total), scale_of_rows(grad_columns, column_total)
        grad_query = torch.zeros_like(query) if ctx.needs_input_grad[0] else None
        grad_key = torch.zeros_like(key) if ctx.needs_input_grad[1] else None
        for span, shared in _shared_coefficients(weights, scale, column_scale):
            if grad_query is not None:
                add_product(grad_query[span], shared, keys)
            if grad_key is not None:
                add_product(grad_key, shared.T, queries[span])
        return grad_query, grad_key, None, None


def _shared_coefficients(weights: Tensor, scale: Tensor, column_scale: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield rows and W = E (a_i + b_j) for them, in one strip after the other: a second matrix would cost its pages."""
    strip = weights.new_empty(min(_STRIP, len(weights)), weights.shape[1])
    for first in range(0, len(weights), _STRIP):
        span = slice(first, min(first + _STRIP, len(weights)))
        rows = strip[: span.stop - first]
        yield span, torch.add(scale[span, None], column_scale, out=rows).mul_(weights[span])


def _logits(
    query: Tensor, key: Tensor, exclude: Tensor | None, matmul_dtype: torch.dtype
) -> tuple[Tensor, TileExclusions]:
    logits = multiply(query.to(matmul_dtype), key.T.to(matmul_dtype), query.dtype)  # (n, m)
    return logits, TileExclusions(exclude, len(key), max(logits.shape))


plain_logsumexp: Callable[[Tensor, Tensor, Tensor | None, torch.dtype], Tensor] = _PlainLogSumExp.apply
"""``(query, key, exclude, matmul_dtype)`` to the log-sum-exp of each query against all keys."""

plain_symmetric_logsumexp: Callable[[Tensor, Tensor | None, torch.dtype], Tensor] = _PlainSymmetricLogSumExp.apply
"""``(rows, exclude, matmul_dtype)`` to the log-sum-exp of each row against all rows, if the logits are bounded."""

plain_cross_logsumexp: Callable[[Tensor, Tensor, Tensor | None, torch.dtype], tuple[Tensor, Tensor]] = (
    _PlainCrossLogSumExp.apply
)
"""``(query, key, exclude, matmul_dtype)`` to that of each query and that of each key, if the logits are bounded."""
