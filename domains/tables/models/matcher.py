"""The attention matcher: from the attributes of two tuples to one logit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from core.checks import check_at_least, check_choice, check_rate

__all__ = ["AttentionMatcher", "Mixing", "Tokens"]

Tokens = Literal["embedding", "comparison"]
Mixing = Literal["attention", "mean"]

_SCALARS = 4


class AttentionMatcher(nn.Module):
    """One masked self-attention layer over the attributes of both tuples, mean, perceptron, one logit.

    AICJNet of arXiv 2412.00324: the 2m attribute vectors of a pair are tokens; with Q, K, V linear in them,
    ``E*_i = sum_j softmax_j(Q_i K_j / sqrt(d_k)) V_j`` over the tokens j that are there; the mean of E* over those i
    that are there goes through a perceptron. Missing tokens get -inf as keys; multiplying their scores by 0, as
    printed, would leave them a weight of e^0.

    With ``tokens="embedding"`` a token is the vector of its value, as in the paper. With "comparison", which is ours,
    it also holds ``|a - b|`` and ``a * b`` with the vector of the other tuple's same attribute (0 if that is missing),
    the cosine of both, the largest cosine with any attribute of the other tuple (values in the wrong place), and
    whether the other one has the attribute and any; tokens keep a residual path past the attention.

    The logit is symmetric in the two tuples, does not depend on the order of attributes, and the same weights serve any
    number of them. A pair without any value gets a finite logit that means nothing.

    Args:
        width: d of the value vectors.
        hidden: d_k times heads, the width of Q, K and V; 0 takes ``width``.
        heads: of the attention; divides ``hidden``.
        layers: widths of the hidden layers of the perceptron.
        tokens: see above.
        mixing: "attention", or "mean": no token sees another one.
        dropout: within the perceptron, in [0, 1).
        generator: of the initial weights.

    Raises:
        ValueError: a setting out of range.
    """

    def __init__(
        self,
        width: int,
        *,
        hidden: int = 64,
        heads: int = 1,
        layers: Sequence[int] = (64,),
        tokens: Tokens = "comparison",
        mixing: Mixing = "attention",
        dropout: float = 0.0,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        hidden = hidden or width
        check_at_least("heads", heads, 1)
        if hidden < 1 or hidden % heads:
            raise ValueError(f"hidden must be a multiple of heads, got {hidden} and {heads} heads")
        check_choice("tokens", tokens, ("embedding", "comparison"))
        check_choice("mixing", mixing, ("attention", "mean"))
        check_rate("dropout", dropout)
        self.width, self.heads, self.dropout = width, heads, dropout
        self.compares, self.mixes = tokens == "comparison", mixing == "attention"
        self.token = nn.Linear(3 * width + _SCALARS, hidden) if self.compares else None
        inner = hidden if self.compares else width
        self.query_key = nn.Linear(inner, 2 * hidden) if self.mixes else None
        self.value = nn.Linear(inner, hidden)
        sizes = [hidden, *layers]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.last = nn.Linear(sizes[-1], 1)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                bound = 1 / math.sqrt(module.in_features)
                nn.init.uniform_(module.weight, -bound, bound, generator=generator)
                nn.init.zeros_(module.bias)

    def forward(
        self,
        left: Float[Tensor, "p m d"],
        left_mask: Bool[Tensor, "p m"],
        right: Float[Tensor, "p m d"],
        right_mask: Bool[Tensor, "p m"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, " p"]:
        """Logits of pairs; sigmoid gives the probability f.

        Args:
            left: unit vectors of the attributes of one tuple of each pair; what stands at missing ones is ignored.
            left_mask: true where there is a value.
            right: of the other tuple.
            right_mask: true where there is a value.
            generator: of dropout, while training.
        """
        left, right = (x.masked_fill(~mask[..., None], 0.0) for x, mask in ((left, left_mask), (right, right_mask)))
        tokens = torch.cat([left, right], dim=1)  # (p, 2m, d)
        mask = torch.cat([left_mask, right_mask], dim=1)  # (p, 2m)
        if self.token is not None:
            tokens = functional.relu(self.token(_compared(left, left_mask, right, right_mask)))
        pooled = self._pooled(tokens, mask)
        for layer in self.layers:
            pooled = self._dropped(functional.relu(layer(pooled)), generator)
        logits: Tensor = self.last(pooled).squeeze(-1)
        return logits

    def _pooled(self, tokens: Tensor, mask: Tensor) -> Tensor:
        value = self.value(tokens)  # (p, 2m, h)
        if self.query_key is not None:
            query, key = self.query_key(tokens).chunk(2, dim=-1)
            # a pair of no values keeps all its keys, which avoids 0 / 0; its mean below is over nothing
            keys = mask | ~mask.any(dim=1, keepdim=True)
            mixed = functional.scaled_dot_product_attention(
                self._split(query), self._split(key), self._split(value), attn_mask=keys[:, None, None, :]
            )
            mixed = mixed.transpose(1, 2).flatten(2)
            value = value + mixed if self.compares else mixed
        there = mask[..., None]
        pooled: Tensor = value.masked_fill(~there, 0.0).sum(1) / there.sum(1).clamp(min=1)
        return pooled

    def _split(self, x: Tensor) -> Tensor:
        """``(p, 2m, h)`` to ``(p, heads, 2m, d_k)``."""
        split: Tensor = x.unflatten(2, (self.heads, -1)).transpose(1, 2)
        return split

    def _dropped(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        if not (self.training and self.dropout):
            return x
        kept = torch.rand(x.shape, generator=generator, device=x.device) >= self.dropout
        return x * kept / (1 - self.dropout)


def _compared(left: Tensor, left_mask: Tensor, right: Tensor, right_mask: Tensor) -> Tensor:
    """Tokens ``(p, 2m, 3d + 4)`` of both tuples, each with how it compares to the other one; missing vectors are 0."""
    both = (left_mask & right_mask)[..., None].to(left.dtype)
    apart, product = (left - right).abs() * both, left * right
    cosine = product.sum(-1, keepdim=True)
    across = torch.einsum("pid,pjd->pij", left, right)
    sides = []
    for own, best, any_other in (
        (left, _largest(across, right_mask[:, None, :]), right_mask),
        (right, _largest(across.transpose(1, 2), left_mask[:, None, :]), left_mask),
    ):
        some = any_other.any(dim=1)[:, None, None].expand_as(both).to(left.dtype)
        sides.append(torch.cat([own, apart, product, cosine, best, both, some], dim=-1))
    return torch.cat(sides, dim=1)


def _largest(cosines: Tensor, mask: Tensor) -> Tensor:
    """``(p, m, 1)`` largest cosine over the last axis where the mask is true; 0 where it never is."""
    largest = cosines.masked_fill(~mask, -math.inf).amax(-1, keepdim=True)
    return torch.where(mask.any(-1, keepdim=True), largest, 0.0)
