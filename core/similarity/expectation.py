"""Mean similarity of each query under the softmax over its own candidates, block by block."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from core.similarity.arguments import prepare
from core.similarity.backward import plain_backward

__all__ = ["similarity_expectation"]

_BLOCK_ENTRIES = 2**20  # similarities held at once: 4 MB in float32


class _Expectation(torch.autograd.Function):
    """Blocks of rows against all keys, formed again in the backward pass; O(n) numbers are kept."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, inverse: Tensor, exclude: Tensor | None, block: int, detached: bool
    ) -> tuple[Tensor, Tensor]:
        means, totals = [], []
        for first in range(0, len(query), block):
            part = slice(first, first + block)
            similarity = query[part] @ key.T
            logits = _masked(similarity * inverse, exclude, part)
            total = logits.logsumexp(dim=1)
            means.append(((logits - total[:, None]).exp_() * similarity).sum(dim=1))
            totals.append(total)
        mean, total = torch.cat(means), torch.cat(totals)
        ctx.save_for_backward(query, key, inverse, exclude, mean, total)
        ctx.block, ctx.detached = block, detached
        ctx.mark_non_differentiable(total)
        return mean, total

    @staticmethod
    @plain_backward
    def backward(
        ctx: Any, grad_mean: Tensor, _grad_total: Tensor
    ) -> tuple[Tensor | None, Tensor | None, None, None, None, None]:
        query, key, inverse, exclude, mean, total = ctx.saved_tensors
        grad_query = torch.zeros_like(query) if ctx.needs_input_grad[0] else None
        grad_key = torch.zeros_like(key) if ctx.needs_input_grad[1] else None
        for first in range(0, len(query), ctx.block):
            part = slice(first, first + ctx.block)
            similarity = query[part] @ key.T
            weights = (_masked(similarity * inverse, exclude, part) - total[part, None]).exp_()
            if not ctx.detached:  # the softmax moves too: d mean / d s_j = w_j (1 + (s_j - mean) / T)
                weights.mul_((similarity - mean[part, None]).mul_(inverse).add_(1))
            weights.mul_(grad_mean[part, None])
            if grad_query is not None:
                grad_query[part] = weights @ key
            if grad_key is not None:
                grad_key.addmm_(weights.T, query[part])
        return grad_query, grad_key, None, None, None, None


_expectation: Callable[[Tensor, Tensor, Tensor, Tensor | None, int, bool], tuple[Tensor, Tensor]] = _Expectation.apply


def _masked(logits: Tensor, exclude: Tensor | None, part: slice) -> Tensor:
    if exclude is None:
        return logits
    index = exclude[part]
    # the slots that name no column point at a spare one
    spare = torch.cat([logits, logits.new_zeros(len(logits), 1)], dim=1)
    spare.scatter_(1, torch.where(index < 0, logits.shape[1], index), -torch.inf)
    return spare[:, :-1]


def similarity_expectation(
    query: Float[Tensor, "n d"],
    key: Float[Tensor, "m d"],
    *,
    temperature: float,
    exclude: Int64[Tensor, " n"] | Int64[Tensor, "n e"] | None = None,
    detach_weights: bool = False,
    block: int | None = None,
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Mean of the similarities of each query, weighted by their softmax, without the (n, m) matrix.

    mean_i = sum_j W_ij <query_i, key_j>,   W_ij = softmax_j(<query_i, key_j> / T) over j not in exclude_i

    Memory is a block of rows against all keys. Differentiable once. Autocast does not reach inside.

    Args:
        query: the anchors, as they are.
        key: the candidates of all anchors, m >= 1, as they are.
        temperature: T > 0.
        exclude: for each row the columns left out, -1 for none.
        detach_weights: treat W as a constant in the backward pass.
        block: rows worked on at once, >= 1; None chooses.

    Returns:
        (n,) means, and (n,) log-sum-exps of the logits, which get no gradient: the entropy of W_i is
        ``total_i - mean_i / T``. float32 for half-precision inputs, otherwise their type.

    Raises:
        TypeError: as in `core.similarity.similarity_logsumexp`.
        ValueError: as there.

    >>> mean, total = similarity_expectation(torch.ones(1, 1), torch.tensor([[0.0], [2.0]]), temperature=1e3)
    >>> round(float(mean), 2)
    1.0
    """
    given = prepare(query, key, temperature=temperature, exclude=exclude, tile=block, matmul_dtype=None)
    with torch.autocast(query.device.type, enabled=False):
        rows, keys = query.to(given.dtype), key.to(given.dtype)
        size = block or max(1, _BLOCK_ENTRIES // len(keys))
        return _expectation(rows, keys, given.inverse, given.exclude, size, detach_weights)
