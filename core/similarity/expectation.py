"""Mean similarity under the softmax over the candidates, along rows or along rows and columns, in tiles."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from core.similarity.arguments import check_columns, prepare
from core.similarity.backward import plain_backward, scale_of_rows
from core.similarity.both_sides import Side, is_bounded, start_side
from core.similarity.products import add_product
from core.similarity.tiles import LogitTiles

__all__ = ["cross_expectation", "similarity_expectation"]


class _Axis(NamedTuple):
    """One direction of the matrix.

    Attributes:
        dim: the dimension that its sums run over: 1 for rows, 0 for columns.
        side: running maxima and sums of exponentials.
        weighted: running sums of exp(logit - maximum) logit.
    """

    dim: int
    side: Side
    weighted: Tensor


class _Expectation(torch.autograd.Function):
    """Mean logits of each row, and of each column if asked; tiles are formed again in the backward pass."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, exclude: Tensor | None, tile: int, detached: bool, both: bool
    ) -> tuple[Tensor, ...]:
        tiles = LogitTiles(exclude, len(key), tile, query.dtype)
        bounded = is_bounded(query, key)
        axes = [
            _Axis(dim, start_side(rows, bounded=bounded), rows.new_zeros(len(rows)))
            for dim, rows in ((1, query), (0, key))[: 2 if both else 1]
        ]
        parts = [[tiles.split(values) for values in (*axis.side, axis.weighted)] for axis in axes]
        for i, j, logits, weights in tiles.logits(query, key):
            if bounded:
                tiles.drop(torch.exp(logits, out=weights), i, j)
                for axis, (_, totals, _) in zip(axes, parts, strict=True):
                    totals[i if axis.dim else j].add_(weights.sum(axis.dim))
                weights.mul_(logits)
            for axis, (highs, totals, sums) in zip(axes, parts, strict=True):
                block = i if axis.dim else j
                if not bounded:
                    fade = tiles.merge(highs[block], totals[block], logits, i, j, weights=weights, dim=axis.dim)
                    sums[block].mul_(fade)
                    weights.mul_(tiles.drop(logits, i, j))  # merge left -inf at the excluded pairs, whose weight is 0
                sums[block].add_(weights.sum(axis.dim))
        saved = [tensor for axis in axes for tensor in (*axis.side, axis.weighted / axis.side.total)]
        ctx.save_for_backward(query, key, *saved)
        ctx.tiles, ctx.detached, ctx.bounded = tiles, detached, bounded
        totals = [axis.side.value() for axis in axes]
        ctx.mark_non_differentiable(*totals)
        return *saved[2::3], *totals

    @staticmethod
    @plain_backward
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None, None]:
        query, key, *saved = ctx.saved_tensors
        tiles: LogitTiles = ctx.tiles
        grad_query = torch.zeros_like(query) if ctx.needs_input_grad[0] else None
        grad_key = torch.zeros_like(key) if ctx.needs_input_grad[1] else None
        sides = []
        for number in range(len(saved) // 3):
            high, total, mean = saved[3 * number : 3 * number + 3]
            sides.append([tiles.split(values) for values in (high, scale_of_rows(grads[number], total), mean)])
        queries, keys = tiles.split(query), tiles.split(key)
        into = [None if gradient is None else tiles.split(gradient) for gradient in (grad_query, grad_key)]
        spare = query.new_empty(2, max(map(len, queries)) * max(map(len, keys)))
        for i, j, logits, weights in tiles.logits(query, key):
            moved, part = spare[:, : logits.numel()].view(2, *logits.shape)
            for number, (highs, scales, means) in enumerate(sides):
                block = j if number else i
                across = [values[block] if number else values[block][:, None] for values in (highs, scales, means)]
                high, scale, mean = across
                target = part if number else moved
                if ctx.detached:
                    target.copy_(scale.expand_as(target))
                else:  # the softmax moves too: d mean / d l_j = w_j (1 + l_j - mean)
                    torch.sub(logits, mean, out=target).add_(1).mul_(scale)
                if not ctx.bounded:
                    target.mul_(tiles.relative(logits, high, i, j, out=weights))
                if number:
                    moved.add_(part)
            if ctx.bounded:
                moved.mul_(tiles.drop(torch.exp(logits, out=weights), i, j))
            if into[0] is not None:
                add_product(into[0][i], moved, keys[j])
            if into[1] is not None:
                add_product(into[1][j], moved.T, queries[i])
        return grad_query, grad_key, None, None, None, None


_expectation: Callable[[Tensor, Tensor, Tensor | None, int, bool, bool], tuple[Tensor, ...]] = _Expectation.apply


def similarity_expectation(
    query: Float[Tensor, "n d"],
    key: Float[Tensor, "m d"],
    *,
    temperature: float | Float[Tensor, ""] | Float[Tensor, " n"],
    exclude: Int64[Tensor, " n"] | Int64[Tensor, "n e"] | None = None,
    detach_weights: bool = False,
    tile: int | None = None,
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Mean of the similarities of each query, weighted by their softmax, without the (n, m) matrix.

    mean_i = sum_j W_ij <query_i, key_j>,   W_ij = softmax_j(<query_i, key_j> / T_i) over j not in exclude_i

    Memory is that of some tiles. Differentiable once. Autocast does not reach inside.

    Args:
        query: the anchors, as they are.
        key: the candidates of all anchors, m >= 1, as they are.
        temperature: T > 0; a number, a scalar tensor, or one per row.
        exclude: for each row the columns left out, -1 for none.
        detach_weights: treat W as a constant in the backward pass.
        tile: rows and columns of a tile, >= 1; None chooses.

    Returns:
        (n,) means, and (n,) log-sum-exps of the logits, which get no gradient: the entropy of W_i is
        ``total_i - mean_i / T_i``. float32 for half-precision inputs, otherwise their type.

    Raises:
        TypeError: as in `core.similarity.similarity_logsumexp`.
        ValueError: as there.

    >>> mean, total = similarity_expectation(torch.ones(1, 1), torch.tensor([[0.0], [2.0]]), temperature=1e3)
    >>> round(float(mean), 2)
    1.0
    """
    given = prepare(query, key, temperature=temperature, exclude=exclude, tile=tile, matmul_dtype=None)
    with torch.autocast(query.device.type, enabled=False):
        rows, keys = query.to(given.dtype) * given.inverse, key.to(given.dtype)
        mean, total = _expectation(rows, keys, given.exclude, given.tile, detach_weights, False)
        return mean / given.inverse.flatten(), total


def cross_expectation(
    query: Float[Tensor, "n d"],
    key: Float[Tensor, "m d"],
    *,
    temperature: float | Float[Tensor, ""],
    exclude: Int64[Tensor, " n"] | Int64[Tensor, "n e"] | None = None,
    detach_weights: bool = False,
    tile: int | None = None,
) -> tuple[Float[Tensor, " n"], Float[Tensor, " m"]]:
    """Both means: of each query over the keys, and of each key over the queries.

    Half the products of two calls of `similarity_expectation`, to whose means it is equal.

    Args:
        query: (n, d), as they are.
        key: (m, d), as they are.
        temperature: T > 0, one number for all.
        exclude: pairs left out of both means: for each query the columns, -1 for none.
        detach_weights: treat both softmaxes as constants in the backward pass.
        tile: rows and columns of a tile, >= 1; None chooses.

    Returns:
        (n,) over the keys of each query, and (m,) over the queries of each key.

    Raises:
        TypeError: as in `core.similarity.similarity_logsumexp`.
        ValueError: as there; also a temperature per row, and a key without any query.

    >>> rows, columns = cross_expectation(torch.ones(1, 1), torch.tensor([[0.0], [2.0]]), temperature=1e3)
    >>> round(float(rows), 2), columns.tolist()
    (1.0, [0.0, 2.0])
    """
    given = prepare(query, key, temperature=temperature, exclude=exclude, tile=tile, matmul_dtype=None)
    if given.inverse.dim():
        raise ValueError("temperature must be one number here: a key has no temperature of its own")
    check_columns(given.exclude, len(query), len(key))
    with torch.autocast(query.device.type, enabled=False):
        rows, keys = query.to(given.dtype) * given.inverse, key.to(given.dtype)
        row_mean, column_mean, *_ = _expectation(rows, keys, given.exclude, given.tile, detach_weights, True)
        return row_mean / given.inverse, column_mean / given.inverse
