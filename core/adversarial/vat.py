"""VAT: the direction in which the model's own prediction changes most; needs no labels."""

from dataclasses import dataclass

import torch
from torch import Tensor

from core.adversarial.adversary import Adversary, Slope, check_radius, needed
from core.adversarial.objective import Objective
from core.adversarial.region import Region
from core.checks import check_at_least

__all__ = ["VAT"]


@dataclass(frozen=True, kw_only=True)
class VAT(Adversary):
    """Virtual adversarial training: a step of given length along the direction that changes the prediction most.

    Miyato et al. 2018, arXiv 1704.03976. Near x the divergence of the prediction is ``r^T H r / 2``, so its worst
    direction is the dominant eigenvector of H. Each power step ``d <- g / ||g||_2``, g the gradient at ``x + xi d``, is
    a finite difference of ``H d``; then ``r = epsilon d``.

    With ``step_size`` set, the ascent of URLBERT (arXiv 2402.11495, released code) instead:
    ``n <- epsilon (n + step_size g) / ||n + step_size g||_2``, g the gradient at ``x + n``, from ``n = xi N(0, I)``.

    Attributes:
        epsilon: length of the perturbation, >= 0.
        xi: distance of the finite difference, > 0; with ``step_size`` the scale of the first noise, >= 0.
        steps: power steps, >= 1; the paper takes 1.
        step_size: ``None`` for Miyato's power iteration; URLBERT takes 1e-3 with xi = 1e-5 and ``scope="token"``.
        generator: for the first direction.
        objective: "kl" with the clean logits held constant, as in the paper; "stopped_symmetric_kl" as in URLBERT.
        reduction: "mean" (over samples or real tokens) or "sum" as in URLBERT's code.
        scope: norms per "sample" (Miyato) or per "token" (URLBERT).

    Raises:
        ValueError: no generator, a negative radius, no steps, an unknown word.

    Notes:
        `loss` takes the clean logits as reference and costs ``steps`` forward and backward passes (the latter towards
        the input only) and one forward pass. The clean and the moved pass must share their dropout
        (`SameDropout`, or eval mode); else the divergence is that of dropout. BatchNorm counts every pass.

        The paper sets xi to 1e-6. In float32 the gradient is then mostly rounding, so ours is 1e-3; in bfloat16, where
        x holds no change below 1/256 of itself, take 1e-1. URLBERT's step of 1e-3 times a gradient that is itself
        proportional to the noise barely turns it, so its first step is close to a random direction.

        URLBERT moves the output of the embedding layer, feeds it through that layer again, and counts padding. Here
        ``forward`` says where x enters, padding is neither moved nor counted. Its code stops the gradient at x: pass
        ``x.detach()`` for that. Where no gradient comes back, the direction stays the random one.

    >>> weight = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])  # logits ignore the second entry
    >>> x, forward = torch.zeros(1, 2), lambda z: z @ weight.T
    >>> vat = VAT(epsilon=1.0, generator=torch.Generator().manual_seed(0))
    >>> round(float(vat.loss(forward, x, forward(x))), 4)
    0.4338
    """

    objective: Objective = "kl"
    epsilon: float = 1.0
    xi: float = 1e-3
    steps: int = 1
    step_size: float | None = None
    generator: torch.Generator

    def __post_init__(self) -> None:
        super().__post_init__()
        check_radius("epsilon", self.epsilon)
        check_radius("xi", self.xi)
        if self.step_size is not None:
            check_radius("step_size", self.step_size)
        elif self.xi == 0:
            raise ValueError("xi must be > 0 without step_size: a divergence has no gradient at x itself")
        check_at_least("steps", self.steps, 1)
        needed(self.generator, "the first direction")

    @property
    def _default_radius(self) -> float:
        return self.epsilon

    def _search(self, slope: Slope, region: Region, radius: Tensor) -> Tensor:
        noise = region.gaussian(self.generator)
        if self.step_size is not None:
            noise = self.xi * noise
            for _ in range(self.steps):
                noise = radius * region.unit(noise + self.step_size * slope(noise))
            return noise
        direction = region.unit(noise)
        for _ in range(self.steps):
            uphill = region.unit(slope(self.xi * direction))
            direction = torch.where(region.peaks(uphill) > 0, uphill, direction)
        return radius * direction
