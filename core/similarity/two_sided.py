"""Log-sum-exp of queries against keys in tiles, for keys that learn and for keys that do not."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from core.similarity.backward import plain_backward, scale_of_rows
from core.similarity.products import add_product
from core.similarity.tiles import LogitTiles

__all__ = ["attended_logsumexp", "tiled_logsumexp"]


class _TiledLogSumExp(torch.autograd.Function):
    """Row-wise log-sum-exp of S = ``query @ key.T``, with a running row maximum and sum.

    The backward pass recomputes each tile. With E = exp(S - row maximum) and a = g / (row sum of E), g the incoming
    gradient, dquery_i = a_i sum_j E_ij key_j and dkey_j = sum_i E_ij (a_i query_i): a scales rows, never a tile.
    Maximum and sum are kept apart, because their log-sum-exp has lost the sum where logits reach 1e6.
    """

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, exclude: Tensor | None, tile: int, matmul_dtype: torch.dtype
    ) -> Tensor:
        tiles = LogitTiles(exclude, len(key), tile, matmul_dtype)
        high, total = _start(query)
        highs, totals = tiles.split(high), tiles.split(total)
        for i, j, logits, weights in tiles.logits(query, key):
            tiles.merge(highs[i], totals[i], logits, i, j, weights=weights, dim=1)
        ctx.save_for_backward(query, key, high, total)
        ctx.tiles = tiles
        return high + total.log()

    @staticmethod
    @plain_backward
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        query, key, high, total = ctx.saved_tensors
        tiles = ctx.tiles
        grad_query = torch.zeros_like(query) if ctx.needs_input_grad[0] else None
        grad_key = torch.zeros_like(key) if ctx.needs_input_grad[1] else None
        scale = scale_of_rows(grad, total)[:, None]
        highs, keys, weighted = tiles.split(high[:, None]), tiles.operands(key), tiles.operands(query * scale)
        into_query = None if grad_query is None else tiles.split(grad_query)
        into_key = None if grad_key is None else tiles.split(grad_key)
        for i, j, logits, _ in tiles.logits(query, key):
            weights = tiles.relative(logits, highs[i], i, j, out=logits)
            if into_query is not None:
                add_product(into_query[i], weights, keys[j])
            if into_key is not None:
                add_product(into_key[j], weights.T, weighted[i])
        if grad_query is not None:
            grad_query.mul_(scale)
        return grad_query, grad_key, None, None, None


class _AttendedLogSumExp(torch.autograd.Function):
    """The same for keys without gradient: a queue, a momentum encoder.

    The forward pass sums E_ij key_j along with E_ij, as attention does, and the backward pass only scales: two products
    in all instead of three.
    """

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, exclude: Tensor | None, tile: int, matmul_dtype: torch.dtype
    ) -> Tensor:
        tiles = LogitTiles(exclude, len(key), tile, matmul_dtype)
        high, total = _start(query)
        attended = torch.zeros_like(query)
        highs, totals, sums, keys = tiles.split(high), tiles.split(total), tiles.split(attended), tiles.operands(key)
        for i, j, logits, weights in tiles.logits(query, key):
            sums[i].mul_(tiles.merge(highs[i], totals[i], logits, i, j, weights=weights, dim=1)[:, None])
            add_product(sums[i], weights, keys[j])
        ctx.save_for_backward(attended, total)
        return high + total.log()

    @staticmethod
    @plain_backward
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        attended, total = ctx.saved_tensors
        return attended * scale_of_rows(grad, total)[:, None], None, None, None, None


def _start(query: Tensor) -> tuple[Tensor, Tensor]:
    total = query.new_zeros(len(query))
    return torch.full_like(total, torch.finfo(total.dtype).min), total


tiled_logsumexp: Callable[[Tensor, Tensor, Tensor | None, int, torch.dtype], Tensor] = _TiledLogSumExp.apply
"""``(query, key, exclude, tile, matmul_dtype)`` to the log-sum-exp of each query against all keys."""

attended_logsumexp: Callable[[Tensor, Tensor, Tensor | None, int, torch.dtype], Tensor] = _AttendedLogSumExp.apply
"""The same, for keys that need no gradient."""
