"""Log-sum-exp of a similarity matrix along its rows and along its columns at once."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from core.similarity.arguments import check_columns, prepare
from core.similarity.backward import plain_backward, scale_of_rows
from core.similarity.both_sides import is_bounded, spread_gradient, start_side, sum_tiles
from core.similarity.plain import plain_cross_logsumexp
from core.similarity.tiles import LogitTiles

__all__ = ["cross_logsumexp"]


class _CrossLogSumExp(torch.autograd.Function):
    """Log-sum-exp of S = ``query @ key.T`` over each row and over each column: four products instead of eight."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, exclude: Tensor | None, tile: int, matmul_dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        tiles = LogitTiles(exclude, len(key), tile, matmul_dtype)
        bounded = is_bounded(query, key)
        rows, columns = start_side(query, bounded=bounded), start_side(key, bounded=bounded)
        sum_tiles(tiles, query, key, rows, columns, bounded=bounded)
        ctx.save_for_backward(query, key, *rows, *columns)
        ctx.bounded, ctx.tiles = bounded, tiles
        return rows.value(), columns.value()

    @staticmethod
    @plain_backward
    def backward(
        ctx: Any, grad_rows: Tensor, grad_columns: Tensor
    ) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        query, key, high, total, column_high, column_total = ctx.saved_tensors
        grad_query = torch.zeros_like(query) if ctx.needs_input_grad[0] else None
        grad_key = torch.zeros_like(key) if ctx.needs_input_grad[1] else None
        rows = (high, scale_of_rows(grad_rows, total))
        columns = (column_high, scale_of_rows(grad_columns, column_total))
        spread_gradient(ctx.tiles, query, key, rows, columns, (grad_query, grad_key), bounded=ctx.bounded)
        return grad_query, grad_key, None, None, None


_cross: Callable[[Tensor, Tensor, Tensor | None, int, torch.dtype], tuple[Tensor, Tensor]] = _CrossLogSumExp.apply


def cross_logsumexp(
    query: Float[Tensor, "n d"],
    key: Float[Tensor, "m d"],
    *,
    temperature: float | Float[Tensor, ""],
    exclude: Int64[Tensor, " n"] | Int64[Tensor, "n e"] | None = None,
    tile: int | None = None,
    matmul_dtype: torch.dtype | None = None,
) -> tuple[Float[Tensor, " n"], Float[Tensor, " m"]]:
    """Both log-sum-exps of CLIP: of each query over the keys, and of each key over the queries.

    Half the products of two calls of `core.similarity.similarity_logsumexp`, to which it is equal; inputs,
    types and the one derivative are as there.

    Args:
        query: (n, d), as they are.
        key: (m, d), as they are.
        temperature: > 0, one number for all.
        exclude: pairs left out of both sums: for each query the columns, -1 for none.
        tile: rows and columns of a tile, >= 1; None chooses.
        matmul_dtype: None, or ``torch.bfloat16``.

    Returns:
        (n,) over the keys of each query, and (m,) over the queries of each key.

    Raises:
        TypeError: as in `core.similarity.similarity_logsumexp`.
        ValueError: as there; also a temperature per row, and a key without any query.

    >>> rows, columns = cross_logsumexp(torch.eye(2), torch.zeros(3, 2), temperature=1.0)  # all logits are 0
    >>> rows.exp().round().tolist(), columns.exp().round().tolist()
    ([3.0, 3.0], [2.0, 2.0, 2.0])
    """
    if isinstance(temperature, Tensor) and temperature.dim():
        raise ValueError(f"temperature must be one number for both directions, got shape {tuple(temperature.shape)}")
    given = prepare(query, key, temperature=temperature, exclude=exclude, tile=tile, matmul_dtype=matmul_dtype)
    inverse, exclude, dtype, operands, plain, size = given
    check_columns(exclude, len(query), len(key))
    with torch.autocast(query.device.type, enabled=False):
        scaled, keys = query.to(dtype) * inverse, key.to(dtype)
        if plain and is_bounded(scaled, keys):
            return plain_cross_logsumexp(scaled, keys, exclude, operands)
        return _cross(scaled, keys, exclude, size, operands)
