"""Log-sum-exp of the rows against themselves: half of the tiles, each used for both of its sides."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from core.similarity.backward import plain_backward, scale_of_rows
from core.similarity.products import add_product
from core.similarity.tiles import LogitTiles

__all__ = ["symmetric_logsumexp"]


class _SymmetricLogSumExp(torch.autograd.Function):
    """Row-wise log-sum-exp of S = ``rows @ rows.T`` from its tiles on and above the diagonal.

    S is symmetric, so the column sums of tile (i, j) are the row sums of tile (j, i). Backward: with P the softmax of
    each row and incoming gradient g, both uses of a pair share one coefficient W_ij = P_ij g_i + P_ji g_j, and
    drows_i = sum_j W_ij rows_j: two products for each tile instead of four.

    While every |S_ij| <= max |row|^2 is moderate, exp(S) needs no shift (no sum can overflow or lose a term) and
    W_ij = exp(S_ij) (a_i + a_j) with a = g / (row sum): one exponential serves both sides. Beyond that range each side
    keeps its own running maximum and has an exponential of its own.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, exclude: Tensor | None, tile: int, matmul_dtype: torch.dtype) -> Tensor:
        tiles = LogitTiles(exclude, len(rows), tile, matmul_dtype)
        # A third of the range of exp: exp(S) g / (row sum) has to stay clear of denormal numbers, for small g too.
        bounded = float(rows.square().sum(1).max()) <= 0.35 * math.log(torch.finfo(rows.dtype).max)
        total = rows.new_zeros(len(rows))
        high = torch.full_like(total, 0 if bounded else torch.finfo(total.dtype).min)
        totals, highs = tiles.split(total), tiles.split(high)
        for i, j, logits, scratch in tiles.logits(rows, rows, upper=True):
            sides = ((i, 1),) if i == j else ((i, 1), (j, 0))
            if bounded:
                tiles.drop(logits.exp_(), i, j)
            for side, dim in sides:
                if bounded:
                    totals[side].add_(logits.sum(dim))
                else:
                    tiles.merge(highs[side], totals[side], logits, i, j, weights=scratch, dim=dim)
        ctx.save_for_backward(rows, high, total)
        ctx.bounded, ctx.tiles = bounded, tiles
        return high + total.log()

    @staticmethod
    @plain_backward
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        rows, high, total = ctx.saved_tensors
        tiles = ctx.tiles
        gradient = torch.zeros_like(rows)
        gradients, operands = tiles.split(gradient), tiles.operands(rows)
        highs, scales = tiles.split(high), tiles.split(scale_of_rows(grad, total))
        for i, j, logits, weights in tiles.logits(rows, rows, upper=True):
            if ctx.bounded:
                torch.add(scales[i][:, None], scales[j], out=weights).mul_(logits.exp_())
                tiles.drop(weights, i, j)
            else:
                tiles.relative(logits, highs[i][:, None], i, j, out=weights).mul_(scales[i][:, None])
                weights.add_(tiles.relative(logits, highs[j], i, j, out=logits).mul_(scales[j]))
            add_product(gradients[i], weights, operands[j])
            if i != j:
                add_product(gradients[j], weights.T, operands[i])
        return gradient, None, None, None


symmetric_logsumexp: Callable[[Tensor, Tensor | None, int, torch.dtype], Tensor] = _SymmetricLogSumExp.apply
"""``(rows, exclude, tile, matmul_dtype)`` to the log-sum-exp of each row against all rows."""
