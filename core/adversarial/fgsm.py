"""FGSM: one step to a corner of the L-infinity ball."""

from dataclasses import dataclass

from torch import Tensor

from core.adversarial.adversary import Adversary, Slope, check_radius
from core.adversarial.pgd import check_bounds, check_inside
from core.adversarial.region import Region

__all__ = ["FGSM"]


@dataclass(frozen=True, kw_only=True)
class FGSM(Adversary):
    """Fast gradient sign method: ``r = epsilon sign(g)``, g the gradient at x.

    Goodfellow et al. 2015, arXiv 1412.6572.

    Attributes:
        epsilon: largest change of an entry, >= 0.
        bounds: valid range of x + r, for instance (0, 1) for images.
        objective: what grows, as in `Adversary`.
        reduction: "mean" or "sum" of `loss`.
        scope: of no effect, since the largest change is the same per sample and per token.

    Raises:
        ValueError: a negative radius, bounds out of order or that x leaves, an unknown word.

    Relations:
        `PGD` with norm "linf" and one step of size epsilon.

    >>> import torch
    >>> FGSM(epsilon=0.5, bounds=(0.0, 1.0)).perturb(lambda x: 3 * x - x**2, torch.tensor([[0.0, 0.75]])).tolist()
    [[0.5, 1.0]]
    """

    epsilon: float = 0.1
    bounds: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_radius("epsilon", self.epsilon)
        check_bounds(self.bounds)

    @property
    def _default_radius(self) -> float:
        return self.epsilon

    def _search(self, slope: Slope, region: Region, radius: Tensor) -> Tensor:
        check_inside(region.x, self.bounds)
        return region.bounded(radius * slope(region.zeros()).sign(), self.bounds)
