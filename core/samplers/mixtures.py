"""Mixtures of hard negatives: the vectors, and their similarity to the query without the vectors."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import embedding_bag

from core.losses.normalisation import inverse_norms, unit_rows

__all__ = ["Mixtures", "mixture_similarities", "mixture_vectors"]

_BLOCK = 1 << 17  # numbers of a block of mixtures: 512 kB in float32, which stays in the second-level cache


class Mixtures(NamedTuple):
    """What is mixed with what; rows of the bank by their position, a row for each query.

    Attributes:
        first: (n, s), weighted with ``alpha``.
        second: (n, s), weighted with ``1 - alpha``.
        alpha: (n, s).
        partner: (n, t), weighted with ``1 - beta``.
        beta: (n, t), the share of the query.
    """

    first: Int64[Tensor, "n s"]
    second: Int64[Tensor, "n s"]
    alpha: Float[Tensor, "n s"]
    partner: Int64[Tensor, "n t"]
    beta: Float[Tensor, "n t"]


def mixture_vectors(
    query: Float[Tensor, "n d"], bank: Float[Tensor, "k d"], mixtures: Mixtures
) -> Float[Tensor, "n m d"]:
    """``alpha a + (1 - alpha) b`` and then ``beta q + (1 - beta) n``, of unit length; differentiable.

    Args:
        query: unit rows.
        bank: unit rows.
        mixtures: s + t = m mixtures of each query.
    """
    pairs = torch.lerp(bank[mixtures.second], bank[mixtures.first], mixtures.alpha[:, :, None])
    own = torch.lerp(bank[mixtures.partner], query[:, None], mixtures.beta[:, :, None])
    return unit_rows(torch.cat([pairs, own], dim=1))


class _MixtureSimilarities(torch.autograd.Function):
    """Values that are there already; the gradient to the query is that of its products with constant vectors.

    Such a vector is a weighted sum of two bank rows, or of one and the query, so what the backward pass needs is one
    weighted sum of bank rows for each query, and the vectors are never formed.
    """

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, bank: Tensor, values: Tensor, columns: Tensor, weights: Tensor, shares: Tensor
    ) -> Tensor:
        ctx.save_for_backward(query, bank, columns, weights, shares)
        return values

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, bank, columns, weights, shares = ctx.saved_tensors
        pairs = grad.shape[1] - shares.shape[1]
        spread = torch.cat([grad[:, :pairs], grad], dim=1) * weights
        own = (grad[:, pairs:] * shares).sum(dim=1, keepdim=True)
        summed = embedding_bag(columns, bank, mode="sum", per_sample_weights=spread)
        return summed + own * query.detach(), None, None, None, None, None


_constant_products: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], Tensor] = _MixtureSimilarities.apply


def mixture_similarities(
    query: Float[Tensor, "n d"], bank: Float[Tensor, "k d"], cosines: tuple[Tensor, Tensor, Tensor], mixtures: Mixtures
) -> Float[Tensor, "n m"]:
    """Cosines of each query and its mixtures; the gradient to the query takes the mixtures as constants.

    With h = (alpha a + (1 - alpha) b) / |...|, q.h = (alpha q.a + (1 - alpha) q.b) / |...|: the products with the bank
    are known, and lengths are formed block by block. The bank gets no gradient.

    Args:
        query: unit rows.
        bank: unit rows.
        cosines: of each query and ``first``, ``second`` and ``partner``.
        mixtures: as in `mixture_vectors`.
    """
    with torch.no_grad():
        alpha, beta = mixtures.alpha, mixtures.beta
        first, second, partner = cosines
        pair_scale = _inverse_pair_lengths(bank, mixtures)
        own_scale = _inverse_own_lengths(query, bank, partner, mixtures)
        near = alpha * pair_scale, (1 - alpha) * pair_scale, (1 - beta) * own_scale
        shares = beta * own_scale
        pairs = near[0] * first + near[1] * second
        own = shares * query.square().sum(dim=1, keepdim=True) + near[2] * partner
        columns = torch.cat([mixtures.first, mixtures.second, mixtures.partner], dim=1)
        values = torch.cat([pairs, own], dim=1)
    return _constant_products(query, bank, values, columns, torch.cat(near, dim=1), shares)


def _inverse_pair_lengths(bank: Tensor, mixtures: Mixtures) -> Tensor:
    if mixtures.alpha.numel() == 0:
        return mixtures.alpha
    columns = torch.stack([mixtures.first, mixtures.second], dim=2).reshape(-1, 2)
    weights = torch.stack([mixtures.alpha, 1 - mixtures.alpha], dim=2).reshape(-1, 2)
    size = max(1, _BLOCK // bank.shape[1])
    scales = [
        inverse_norms(embedding_bag(index, bank, mode="sum", per_sample_weights=weight))
        for index, weight in zip(columns.split(size), weights.split(size), strict=True)
    ]
    return torch.cat(scales).reshape(mixtures.alpha.shape)


def _inverse_own_lengths(query: Tensor, bank: Tensor, cosine: Tensor, mixtures: Mixtures) -> Tensor:
    beta = mixtures.beta
    # 1 for unit rows, 0 for zero rows
    own, theirs = query.square().sum(dim=1, keepdim=True), bank.square().sum(dim=1)[mixtures.partner]
    squared = beta.square() * own + (1 - beta).square() * theirs + 2 * beta * (1 - beta) * cosine
    return inverse_norms(squared.clamp(min=0).sqrt()[:, :, None])[:, :, 0]
