"""PGD: several steps uphill, each followed by the way back into the ball."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from core.adversarial.adversary import Adversary, Slope, check_radius, needed
from core.adversarial.region import Region
from core.checks import check_at_least, check_choice

__all__ = ["PGD", "Norm", "check_bounds", "check_inside"]

Norm = Literal["l2", "linf"]


def check_bounds(bounds: tuple[float, float] | None) -> None:
    """Refuse a range whose ends are out of order.

    Raises:
        ValueError: with what came.
    """
    if bounds is not None and not bounds[0] < bounds[1]:
        raise ValueError(f"bounds must be (lowest, highest), got {bounds!r}")


def check_inside(x: Tensor, bounds: tuple[float, float] | None) -> None:
    """Refuse an input outside the valid range: clipping it would be a change that no radius bounds.

    Raises:
        ValueError: with the range and what came.
    """
    if bounds is not None and not bool(((x >= bounds[0]) & (x <= bounds[1])).all()):
        raise ValueError(f"x must lie within bounds={bounds!r}, got values from {float(x.min())} to {float(x.max())}")


@dataclass(frozen=True, kw_only=True)
class PGD(Adversary):
    """Projected gradient ascent, from x or from a random point of the ball.

    Madry et al. 2018, arXiv 1706.06083::

        linf:  r <- clip(r + step_size sign(g), -epsilon, epsilon)
        l2:    r <- P(r + step_size g / ||g||_2),  P the nearest point with ||r||_2 <= epsilon

    Attributes:
        epsilon: radius, >= 0.
        step_size: >= 0; ``None`` takes 2.5 epsilon / steps, as much as can cross the ball and come back to its rim.
            With a radius for each sample ``None`` scales with it.
        steps: >= 1.
        norm: "l2" or "linf".
        random_start: begin at a point drawn uniformly from the ball, as the paper does, instead of at x.
        bounds: valid range of x + r, for instance (0, 1) for images.
        generator: for the random start.
        objective: what grows, as in `Adversary`.
        reduction: "mean" or "sum" of `loss`.
        scope: what the L2 ball holds: "sample" all of ``x[i]``, "token" each vector of the last axis.

    Raises:
        ValueError: a negative radius or step, no steps, bounds out of order or that x leaves, a random start without
            generator, an unknown word.

    Notes:
        Costs ``steps`` gradients. It returns the last point, as the paper does, not the best one on the way.

    Relations:
        One step of size epsilon from x is `FGM` (l2) or `FGSM` (linf).

    >>> PGD(epsilon=0.5, norm="linf", steps=3).perturb(lambda x: x[:, 0] - x[:, 1], torch.zeros(1, 2)).tolist()
    [[0.5, -0.5]]
    """

    epsilon: float = 0.1
    step_size: float | None = None
    steps: int = 3
    norm: Norm = "l2"
    random_start: bool = False
    bounds: tuple[float, float] | None = None
    generator: torch.Generator | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_radius("epsilon", self.epsilon)
        if self.step_size is not None:
            check_radius("step_size", self.step_size)
        check_at_least("steps", self.steps, 1)
        check_choice("norm", self.norm, get_args(Norm))
        check_bounds(self.bounds)
        if self.random_start:
            needed(self.generator, "random_start")

    @property
    def _default_radius(self) -> float:
        return self.epsilon

    def _search(self, slope: Slope, region: Region, radius: Tensor) -> Tensor:
        check_inside(region.x, self.bounds)
        step = 2.5 * radius / self.steps if self.step_size is None else torch.full_like(radius, self.step_size)
        delta = region.bounded(self._start(region, radius), self.bounds)
        for _ in range(self.steps):
            grad = slope(delta)
            if self.norm == "linf":
                delta = (delta + step * grad.sign()).clamp(min=-radius, max=radius)
            else:
                delta = region.shortened(delta + step * region.unit(grad), radius)
            delta = region.bounded(delta, self.bounds)
        return delta

    def _start(self, region: Region, radius: Tensor) -> Tensor:
        if not self.random_start:
            return region.zeros()
        generator = needed(self.generator, "random_start")
        if self.norm == "linf":
            return radius * region.uniform(generator)
        direction = region.unit(region.gaussian(generator))
        sizes = region.sizes()
        share = torch.rand(sizes.shape, generator=generator, dtype=region.dtype, device=generator.device)
        return radius * share.to(sizes.device) ** (1 / sizes) * direction
