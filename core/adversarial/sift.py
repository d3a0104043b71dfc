"""SiFT: scale-invariant fine-tuning, which perturbs embeddings after LayerNorm."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor
from torch.nn.functional import layer_norm

from core.adversarial.adversary import Adversary, Slope, check_radius, needed
from core.adversarial.objective import Objective
from core.adversarial.region import Region, Scope

__all__ = ["SiFT"]

FLOOR = 1e-6
"""Added to the largest gradient entry before it divides, as in the released code."""


@dataclass(frozen=True, kw_only=True)
class SiFT(Adversary):
    """Scale-invariant fine-tuning: one small step from noise, on embeddings after LayerNorm.

    DeBERTa (He et al. 2021, arXiv 2006.03654), as in the released code::

        e = LayerNorm(x)                                                         no weights, eps 1e-7
        d = clip(sigma N(0, I), -2 sigma, 2 sigma);   d <- d + step_size g / (max |g| + 1e-6)
        loss = KL(f(e + d) || f(e)) + KL(f(e) || f(e + d))

    `perturb` and `loss` normalise x themselves, which leaves an x alone that is normalised already. The model that is
    trained must see `normalize` of its embeddings too, and the reference be ``forward(SiFT.normalize(x))``.

    Attributes:
        step_size: of the one gradient step, >= 0.
        sigma: standard deviation of the first noise, > 0.
        generator: for the first noise.
        objective: "stopped_symmetric_kl", which holds the weighting distributions constant and lets gradient flow into
            the clean logits; "squared_error" for regressions.
        reduction: "mean" or "sum" of `loss`.
        scope: what ``max |g|`` runs over: "token" as in the code, or "sample".

    Raises:
        ValueError: no generator, a negative step, no noise, an unknown word; an epsilon, since nothing is projected.

    Notes:
        The released code drops the entropies from the divergence; we keep them, so that it is 0 where nothing changes,
        with the same gradient. No gradient flows to x in `loss`: the embeddings learn through the clean logits. The
        scripts weigh this loss by 3 to 5. Clean and moved pass must share their dropout (`SameDropout`).

    >>> forward, x = torch.nn.Linear(3, 2), torch.eye(3)
    >>> clean = forward(SiFT.normalize(x))
    >>> bool(SiFT(generator=torch.Generator().manual_seed(0)).loss(forward, x, clean) >= 0)
    True
    """

    objective: Objective = "stopped_symmetric_kl"
    scope: Scope = "token"
    step_size: float = 1e-4
    sigma: float = 1e-2
    generator: torch.Generator

    def __post_init__(self) -> None:
        super().__post_init__()
        check_radius("step_size", self.step_size)
        check_radius("sigma", self.sigma)
        if self.sigma == 0:
            raise ValueError("sigma must be > 0: the divergence has no gradient at x itself")
        needed(self.generator, "the first noise")

    @staticmethod
    def normalize(x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        """LayerNorm over the last axis without weights; rows of one value become zero.

        >>> SiFT.normalize(torch.tensor([[2.0, 4.0], [1.0, 1.0]])).round(decimals=4).tolist()
        [[-1.0, 1.0], [0.0, 0.0]]
        """
        return layer_norm(x, x.shape[-1:], eps=1e-7)

    def perturb(
        self,
        closure: Callable[[Tensor], Tensor],
        x: Float[Tensor, "n *rest"],
        *,
        mask: Bool[Tensor, "n *l"] | None = None,
        epsilon: float | Float[Tensor, " n"] | None = None,
    ) -> Float[Tensor, "n *rest"]:
        """`normalize` of x, moved; arguments and errors as in `Adversary.perturb`, without epsilon."""
        if epsilon is not None:
            raise ValueError("SiFT has no radius: its size is set by sigma and step_size")
        return super().perturb(closure, self.normalize(x), mask=mask)

    def loss(
        self,
        forward: Callable[[Tensor], Tensor],
        x: Float[Tensor, "n *rest"],
        reference: Shaped[Tensor, "n ..."],
        *,
        mask: Bool[Tensor, "n *l"] | None = None,
        epsilon: float | Float[Tensor, " n"] | None = None,
    ) -> Float[Tensor, ""]:
        """The divergence from ``reference``, the clean logits; arguments as in `Adversary.loss`, no epsilon."""
        return super().loss(forward, x.detach(), reference, mask=mask, epsilon=epsilon)

    def _search(self, slope: Slope, region: Region, radius: Tensor) -> Tensor:
        delta = self.sigma * region.gaussian(self.generator).clamp(-2, 2)
        grad = slope(delta)
        return delta + self.step_size * grad / (region.peaks(grad) + FLOOR)
