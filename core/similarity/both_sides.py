"""The passes over tiles whose rows and columns both have a log-sum-exp: one product for the two directions."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from core.similarity.products import add_product
from core.similarity.tiles import LogitTiles

__all__ = ["Side", "is_bounded", "spread_gradient", "start_side", "sum_tiles"]


class Side(NamedTuple):
    """Maximum and sum of exp(logit - maximum), one entry for each row (or each column) of the matrix."""

    high: Tensor
    total: Tensor

    def value(self) -> Tensor:
        """The log-sum-exp."""
        return self.high + self.total.log()


def is_bounded(query: Tensor, key: Tensor) -> bool:
    """Whether exp(S) needs no shift, because every |S_ij| <= max |query| max |key| is moderate.

    Under a third of the range of exp: exp(S) g / (row sum) has to stay clear of denormal numbers, for small g too.
    """
    longest = query.detach().square().sum(1).amax() * key.detach().square().sum(1).amax()
    return math.sqrt(float(longest)) <= 0.3 * math.log(torch.finfo(query.dtype).max)


def start_side(rows: Tensor, *, bounded: bool) -> Side:
    """Nothing summed yet; without a shift the maximum stays at 0."""
    total = rows.new_zeros(len(rows))
    return Side(torch.full_like(total, 0 if bounded else torch.finfo(total.dtype).min), total)


def sum_tiles(tiles: LogitTiles, query: Tensor, key: Tensor, rows: Side, columns: Side, *, bounded: bool) -> None:
    """Sum every tile into the rows and the columns, in place.

    Where query is key, rows is columns: the tiles below the diagonal are those above it, transposed, and the tiles on
    it are summed one way.
    """
    same = query is key
    sides = (
        (1, tiles.split(rows.high), tiles.split(rows.total)),
        (0, tiles.split(columns.high), tiles.split(columns.total)),
    )
    for i, j, logits, weights in tiles.logits(query, key, upper=same):
        if bounded:
            tiles.drop(logits.exp_(), i, j)
        for dim, highs, totals in sides[: 1 if same and i == j else 2]:
            block = i if dim else j
            if bounded:
                totals[block].add_(logits.sum(dim))
            else:
                tiles.merge(highs[block], totals[block], logits, i, j, weights=weights, dim=dim)


def spread_gradient(
    tiles: LogitTiles,
    query: Tensor,
    key: Tensor,
    rows: tuple[Tensor, Tensor],
    columns: tuple[Tensor, Tensor],
    into: tuple[Tensor | None, Tensor | None],
    *,
    bounded: bool,
) -> None:
    """Recompute every tile and add its gradient to both sides, in place.

    With P the softmax of each row, Q that of each column, and g, h the incoming gradients, a pair has the coefficient
    W_ij = P_ij g_i + Q_ij h_j for both sides. Without shifts W_ij = exp(S_ij) (g_i / rowsum_i + h_j / columnsum_j).

    Args:
        tiles: as in the forward pass.
        query: (n, d).
        key: (m, d).
        rows: maximum and g / sum of each row.
        columns: maximum and h / sum of each column.
        into: gradients of query and key, None for none; the same tensor if query is key, which halves the tiles.
        bounded: as in the forward pass.
    """
    same = query is key
    highs, scales = (tiles.split(values) for values in rows)
    column_highs, column_scales = (tiles.split(values) for values in columns)
    queries, keys = tiles.operands(query), tiles.operands(key)
    grad_query, grad_key = (None if gradient is None else tiles.split(gradient) for gradient in into)
    for i, j, logits, weights in tiles.logits(query, key, upper=same):
        if bounded:
            torch.add(scales[i][:, None], column_scales[j], out=weights).mul_(logits.exp_())
            tiles.drop(weights, i, j)
        else:
            tiles.relative(logits, highs[i][:, None], i, j, out=weights).mul_(scales[i][:, None])
            weights.add_(tiles.relative(logits, column_highs[j], i, j, out=logits).mul_(column_scales[j]))
        if grad_query is not None:
            add_product(grad_query[i], weights, keys[j])
        if grad_key is not None and not (same and i == j):
            add_product(grad_key[j], weights.T, queries[i])
