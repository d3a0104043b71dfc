"""SMART: smoothness of the prediction in a tiny L-infinity ball around each embedding."""

from dataclasses import dataclass

import torch
from torch import Tensor

from core.adversarial.adversary import Adversary, Slope, check_radius, needed
from core.adversarial.objective import Objective
from core.adversarial.region import Region
from core.checks import check_at_least

__all__ = ["SMART"]


@dataclass(frozen=True, kw_only=True)
class SMART(Adversary):
    """Smoothness-inducing adversarial regularisation: the prediction may not change in a tiny box around x.

    Jiang et al. 2020, arXiv 1911.03437::

        max over ||d||_inf <= epsilon of KL(f(x + d) || f(x)) + KL(f(x) || f(x + d))
        d = sigma N(0, I),   d <- clip(d + step_size g / ||g||_inf, -epsilon, epsilon)

    Attributes:
        epsilon: largest change of an entry, >= 0.
        step_size: eta, >= 0.
        sigma: standard deviation of the first noise, > 0, for at x itself the divergence has no gradient.
        steps: >= 1.
        generator: for the first noise.
        objective: "symmetric_kl", gradient through clean and moved logits; "squared_error" for regressions.
        reduction: "mean" or "sum" of `loss`.
        scope: what ``||g||_inf`` runs over, "sample" or "token".

    Raises:
        ValueError: no generator, a negative radius, no noise, no steps, an unknown word.

    Notes:
        The released code divides by the largest entry last, after eta, so that its noise has entries of size 1 whatever
        eta, and has no projection. We follow the paper. Its norm is that of a sample; ``scope="token"`` takes that of
        each token as the code does. The method's other half, the Bregman proximal term, is ``core.losses.symmetric_kl``
        of the logits and those of a ``core.momentum.MomentumEncoder``. Clean and moved pass must share their dropout
        (`SameDropout`).

    >>> forward = torch.nn.Linear(3, 2)
    >>> x = torch.eye(3)
    >>> bool(SMART(generator=torch.Generator().manual_seed(0)).loss(forward, x, forward(x)) >= 0)
    True
    """

    objective: Objective = "symmetric_kl"
    epsilon: float = 1e-5
    step_size: float = 1e-3
    sigma: float = 1e-5
    steps: int = 1
    generator: torch.Generator

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("epsilon", "step_size", "sigma"):
            check_radius(name, getattr(self, name))
        if self.sigma == 0:
            raise ValueError("sigma must be > 0: the divergence has no gradient at x itself")
        check_at_least("steps", self.steps, 1)
        needed(self.generator, "the first noise")

    @property
    def _default_radius(self) -> float:
        return self.epsilon

    def _search(self, slope: Slope, region: Region, radius: Tensor) -> Tensor:
        delta = self.sigma * region.gaussian(self.generator)
        for _ in range(self.steps):
            delta = (delta + self.step_size * region.peaked(slope(delta))).clamp(min=-radius, max=radius)
        return delta
