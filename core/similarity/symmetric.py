"""Log-sum-exp of the rows against themselves: half of the tiles, each used for both of its sides."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from core.similarity.backward import plain_backward, scale_of_rows
from core.similarity.both_sides import is_bounded, spread_gradient, start_side, sum_tiles
from core.similarity.tiles import LogitTiles

__all__ = ["symmetric_logsumexp"]


class _SymmetricLogSumExp(torch.autograd.Function):
    """Row-wise log-sum-exp of S = ``rows @ rows.T`` from its tiles on and above the diagonal.

    S is symmetric, so the column sums of tile (i, j) are the row sums of tile (j, i). Backward: with P the softmax of
    each row and incoming gradient g, drows_i = sum_j W_ij rows_j with W_ij = P_ij g_i + P_ji g_j: two products for
    each tile instead of four.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, exclude: Tensor | None, tile: int, matmul_dtype: torch.dtype) -> Tensor:
        tiles = LogitTiles(exclude, len(rows), tile, matmul_dtype)
        bounded = is_bounded(rows, rows)
        side = start_side(rows, bounded=bounded)
        sum_tiles(tiles, rows, rows, side, side, bounded=bounded)
        ctx.save_for_backward(rows, *side)
        ctx.bounded, ctx.tiles = bounded, tiles
        return side.value()

    @staticmethod
    @plain_backward
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        rows, high, total = ctx.saved_tensors
        gradient = torch.zeros_like(rows)
        side = (high, scale_of_rows(grad, total))
        spread_gradient(ctx.tiles, rows, rows, side, side, (gradient, gradient), bounded=ctx.bounded)
        return gradient, None, None, None


symmetric_logsumexp: Callable[[Tensor, Tensor | None, int, torch.dtype], Tensor] = _SymmetricLogSumExp.apply
"""``(rows, exclude, tile, matmul_dtype)`` to the log-sum-exp of each row against all rows."""
