"""FreeLB: train on every point of the ascent, so that the adversary's gradients are not thrown away."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from core.adversarial.adversary import Adversary, Slope, check_radius, needed
from core.adversarial.region import Region
from core.checks import check_at_least

__all__ = ["FreeLB"]


def _backward(value: Tensor) -> None:
    value.backward()


@dataclass(frozen=True, kw_only=True)
class FreeLB(Adversary):
    """Free large-batch training: K ascent steps, and the parameters learn from each of them.

    Zhu et al. 2020, arXiv 1909.11764, as in the released code::

        r_0 = init U(-1, 1) / sqrt(number of real entries of the sample)
        gradient of the parameters = 1/K sum_k grad L(x + r_k),   k = 0 .. K - 1
        r_{k+1} = P(r_k + step_size g_k / ||g_k||_2),  P the nearest point with ||r||_2 <= epsilon

    Unlike the other adversaries `loss` runs backward itself, K times: the gradient of the parameters is **added to
    their** ``.grad`` (and to that of whatever x was computed from), and what it returns has no graph. Do not call
    ``backward`` on it. `perturb` touches nothing and returns ``x + r_{K-1}``, the last point that is trained on.

    Attributes:
        step_size: >= 0; the released ALBERT scripts take 0.03 to 0.2.
        steps: K >= 1; usual are 2 to 4.
        init: size of the first noise, >= 0: its L2 length is at most this and about 0.58 of it; scripts take 0 to 0.6.
        epsilon: radius; ``None`` for no projection, which the released code writes as 0.
        generator: for the first noise; not needed if ``init`` is 0.
        backward: what to call on each share ``L / K``, for instance ``lambda part: scaler.scale(part).backward()`` or
            Lightning's ``manual_backward``. The default is ``part.backward()``.
        objective: what grows and is trained on, as in `Adversary`.
        reduction: "mean" or "sum" of `loss`.
        scope: norms per "sample" (the released code, whose Frobenius norm is that of all tokens) or per "token".

    Raises:
        ValueError: no steps, a negative step, radius or noise, noise without generator, an unknown word.

    Notes:
        Costs K forward and backward passes. Each pass draws its own dropout mask, as in the released code's default;
        `SameDropout` shares one. In Lightning use manual optimisation, which does not clear ``.grad`` in between.

    Relations:
        One step without noise is the plain gradient.

    >>> model, x = torch.nn.Linear(3, 2), torch.eye(3)
    >>> value = FreeLB(steps=2).loss(model, x, torch.tensor([0, 1, 0]))
    >>> value.requires_grad, model.weight.grad.shape
    (False, torch.Size([2, 3]))
    """

    step_size: float = 0.1
    steps: int = 3
    init: float = 0.0
    epsilon: float | None = None
    generator: torch.Generator | None = None
    backward: Callable[[Tensor], None] = _backward

    def __post_init__(self) -> None:
        super().__post_init__()
        check_radius("step_size", self.step_size)
        check_radius("init", self.init)
        if self.epsilon is not None:
            check_radius("epsilon", self.epsilon)
        check_at_least("steps", self.steps, 1)
        if self.init:
            needed(self.generator, "init > 0")

    def loss(
        self,
        forward: Callable[[Tensor], Tensor],
        x: Float[Tensor, "n *rest"],
        reference: Shaped[Tensor, "n ..."],
        *,
        mask: Bool[Tensor, "n *l"] | None = None,
        epsilon: float | Float[Tensor, " n"] | None = None,
    ) -> Float[Tensor, ""]:
        """Add the gradient of the mean objective over the K points to ``.grad`` and return that mean, without graph.

        Arguments and errors as in `Adversary.loss`; the reference is held constant.
        """
        region = self._region(x, mask)
        radius = self._radius(epsilon, region)
        constant = reference.detach()
        values: list[Tensor] = []
        sent: list[Tensor] = []

        def train(delta: Tensor) -> Tensor:
            with torch.enable_grad():
                leaf = (region.x + delta).to(x.dtype).requires_grad_()
                value = self._score(forward(leaf), constant, mask, self.reduction)
                if not value.requires_grad:
                    raise ValueError("the objective carries no gradient: is the output of forward detached?")
                self.backward(value / self.steps)
            values.append(value.detach())
            if leaf.grad is None:
                return region.zeros()
            sent.append(leaf.grad)
            return self._climbable(leaf.grad.to(region.dtype), region)

        train(self._search(train, region, radius))
        if x.requires_grad and sent:
            x.backward(torch.stack(sent).sum(dim=0), retain_graph=True)
        return torch.stack(values).mean()

    @property
    def _default_radius(self) -> float:
        return math.inf if self.epsilon is None else self.epsilon

    def _search(self, slope: Slope, region: Region, radius: Tensor) -> Tensor:
        delta = region.zeros()
        if self.init:
            noise = region.uniform(needed(self.generator, "init > 0"))
            delta = region.shortened(self.init * noise / region.sizes().sqrt(), radius)
        for _ in range(self.steps - 1):
            delta = region.shortened(delta + self.step_size * region.unit(slope(delta)), radius)
        return delta
