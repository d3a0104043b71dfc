"""What to hide: tokens, patches or graph nodes, drawn as indices so that dense and sparse features can use them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from core.checks import check_at_least, check_embeddings, check_rate

__all__ = ["NodeFeatureMasker", "NodeMask", "masked_count", "random_mask"]


def masked_count(count: int, rate: float) -> int:
    """floor(rate * count), with the product rounded first: 0.29 of 100 is 29, which 28.999999999999996 would miss.

    >>> masked_count(100, 0.29), masked_count(7, 0.5)
    (29, 3)
    """
    return int(round(rate * count, 6))


def random_mask(
    count: int, rate: float, *, generator: torch.Generator | None = None, rows: int | None = None
) -> Int64[Tensor, "*rows k"]:
    """Uniform draw without replacement of floor(rate * count) positions.

    Args:
        count: positions to choose from (tokens of a text, patches of an image, nodes of a graph), >= 1.
        rate: share to draw, in [0, 1).
        generator: a CPU generator; ``None`` takes torch's default one.
        rows: make this many independent draws, one for each sample of a batch.

    Shape:
        ``(k,)``, or ``(rows, k)``.

    Raises:
        ValueError: count or rate out of range.

    >>> random_mask(10, 0.5, generator=torch.Generator().manual_seed(0), rows=3).shape
    torch.Size([3, 5])
    """
    check_at_least("count", count, 1)
    check_rate("rate", rate)
    hidden = masked_count(count, rate)
    if rows is None:
        return torch.randperm(count, generator=generator)[:hidden]
    return torch.rand(rows, count, generator=generator).argsort(dim=1)[:, :hidden]


@dataclass(frozen=True)
class NodeMask:
    """Which nodes are hidden and how. ``mask_index`` holds the token and the noise nodes together.

    Attributes:
        mask_index: M, all hidden nodes, which the loss scores.
        token_index: hidden nodes whose features become the token.
        noise_index: hidden nodes that get another node's features.
        noise_source: those other nodes, one for each of ``noise_index``; they may be hidden themselves.
    """

    mask_index: Int64[Tensor, " m"]
    token_index: Int64[Tensor, " t"]
    noise_index: Int64[Tensor, " r"]
    noise_source: Int64[Tensor, " r"]

    def apply(self, x: Float[Tensor, "n d"], token: Float[Tensor, "*one d"]) -> Float[Tensor, "n d"]:
        """A copy of dense features with the mask applied; gradient flows to ``token`` and ``x``.

        Args:
            x: features of all nodes.
            token: ``(d,)`` or ``(1, d)``, what hidden nodes show; GraphMAE learns it from a start at zero.

        Raises:
            ValueError: a token of another width.
        """
        check_embeddings("x", x)
        if token.shape not in ((x.shape[1],), (1, x.shape[1])):
            raise ValueError(f"token must have shape ({x.shape[1]},) or (1, {x.shape[1]}), got {tuple(token.shape)}")
        masked = x.index_copy(0, self.noise_index, x[self.noise_source])
        return masked.index_copy(0, self.token_index, token.to(x.dtype).expand(len(self.token_index), x.shape[1]))


class NodeFeatureMasker:
    """GraphMAE's mask: hide floor(rate n) nodes, most behind a token, some behind another node's features.

    Hou et al. 2022, arXiv 2205.10803. Of the |M| hidden nodes round(replace_rate |M|) get noise and all
    others the token. The released code floors both shares, which can leave one node of M with its true features.

    Args:
        mask_rate: share of nodes hidden, in (0, 1).
        replace_rate: share of hidden nodes that get another node's features, in [0, 1).
        generator: a CPU generator; ``None`` takes torch's default one.

    Raises:
        ValueError: a rate out of range.

    >>> mask = NodeFeatureMasker(0.5, 0.1, torch.Generator().manual_seed(0)).draw(40)
    >>> len(mask.mask_index), len(mask.token_index), len(mask.noise_index)
    (20, 18, 2)
    """

    def __init__(self, mask_rate: float, replace_rate: float = 0.0, generator: torch.Generator | None = None) -> None:
        check_rate("mask_rate", mask_rate, zero=False)
        check_rate("replace_rate", replace_rate)
        self.mask_rate = mask_rate
        self.replace_rate = replace_rate
        self.generator = generator

    def draw(self, count: int) -> NodeMask:
        """A new mask for ``count`` nodes, as CPU indices.

        Raises:
            ValueError: so few nodes that none would be hidden.
        """
        chosen = random_mask(count, self.mask_rate, generator=self.generator)
        if not len(chosen):
            raise ValueError(f"mask_rate {self.mask_rate!r} of {count} nodes hides none; raise it or batch more nodes")
        noisy = round(self.replace_rate * len(chosen))
        shuffled = chosen[torch.randperm(len(chosen), generator=self.generator)] if noisy else chosen
        source = torch.randperm(count, generator=self.generator)[:noisy] if noisy else chosen[:0]
        return NodeMask(chosen, shuffled[noisy:], shuffled[:noisy], source)
