"""The one interface of all adversaries, and what they share: checks, padding, radii, the gradient that they climb."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from core.adversarial.objective import Objective, Total, check_objective, check_total, score
from core.adversarial.region import Region, Scope, check_scope
from core.checks import check_embeddings

__all__ = ["Adversary", "Slope", "check_radius", "needed"]

Slope = Callable[[Tensor], Tensor]
"""From a perturbation to the gradient of the objective there, zero at padding."""


def check_radius(name: str, value: float) -> None:
    """Refuse a radius or a step that is not finite and >= 0.

    Raises:
        ValueError: with the name and what came.
    """
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be finite and >= 0, got {value!r}")


def needed(generator: torch.Generator | None, why: str) -> torch.Generator:
    """The generator, or an error that says what it is for.

    Raises:
        ValueError: there is none.
    """
    if generator is None:
        raise ValueError(f"{why} needs a generator: pass generator=torch.Generator().manual_seed(...)")
    return generator


@dataclass(frozen=True, kw_only=True)
class Adversary(ABC):
    """Base: finds a small perturbation of an input that makes an objective large.

    The gradient is taken with ``torch.autograd.grad`` for the perturbation alone, so no parameter's ``.grad`` or
    ``requires_grad`` is touched (`FreeLB.loss` is the exception). Perturbations are computed in float32 or better, are
    zero where ``mask`` is false, and zero where the gradient is zero or not finite, unless a class says otherwise. Sums
    over the batch, not means, are climbed: a sample's perturbation does not depend on the number of others.

    Attributes:
        objective: what grows: "cross_entropy", "kl", "symmetric_kl", "stopped_symmetric_kl", "squared_error", or a
            callable of output and reference that returns a scalar or a term for each sample or token.
        reduction: "mean" over the terms of `loss` (samples, or real tokens), or "sum".
        scope: what a norm is taken over: "sample", all of ``x[i]`` at once, or "token", each vector of the last axis.
    """

    objective: Objective = "cross_entropy"
    reduction: Total = "mean"
    scope: Scope = "sample"

    def __post_init__(self) -> None:
        check_objective(self.objective)
        check_total(self.reduction)
        check_scope(self.scope)

    def perturb(
        self,
        closure: Callable[[Tensor], Tensor],
        x: Float[Tensor, "n *rest"],
        *,
        mask: Bool[Tensor, "n *l"] | None = None,
        epsilon: float | Float[Tensor, " n"] | None = None,
    ) -> Float[Tensor, "n *rest"]:
        """The input moved to where ``closure`` is larger.

        Args:
            closure: from an input to what shall grow, a scalar or a term for each sample; terms are summed.
            x: inputs or embeddings, the batch first.
            mask: true at real positions, of the shape of the first axes of x, for instance ``(n, l)``.
            epsilon: instead of the radius of the settings, one for all or one for each sample.

        Returns:
            ``x + delta`` in x's type; delta is a constant, and the gradient flows to x as if it were not there.

        Raises:
            TypeError: x not floating.
            ValueError: shapes, a negative radius, a closure whose value carries no gradient.

        >>> from core.adversarial import FGSM
        >>> radii = torch.tensor([0.5, 2.0])
        >>> FGSM().perturb(lambda x: x[:, 0] - x[:, 1], torch.zeros(2, 2), epsilon=radii).tolist()
        [[0.5, -0.5], [2.0, -2.0]]
        """
        region = self._region(x, mask)
        delta = self._search(self._slope(closure, region, x.dtype), region, self._radius(epsilon, region))
        return _moved(x, delta)

    def loss(
        self,
        forward: Callable[[Tensor], Tensor],
        x: Float[Tensor, "n *rest"],
        reference: Shaped[Tensor, "n ..."],
        *,
        mask: Bool[Tensor, "n *l"] | None = None,
        epsilon: float | Float[Tensor, " n"] | None = None,
    ) -> Float[Tensor, ""]:
        """The objective at the perturbed input, ready for ``backward``.

        Args:
            forward: from an input to the output, usually logits.
            x: inputs or embeddings, the batch first.
            reference: labels, or the clean output, as the objective asks.
            mask: true at real positions; outputs per token are counted only there.
            epsilon: instead of the radius of the settings, one for all or one for each sample.

        Raises:
            TypeError: x not floating.
            ValueError: shapes, a negative radius, an output that carries no gradient.

        >>> from core.adversarial import FGM
        >>> x, labels = torch.zeros(1, 2), torch.tensor([0])
        >>> round(float(FGM(epsilon=1.0).loss(lambda z: z, x, labels)), 4)  # log(1 + exp(sqrt 2))
        1.6318
        """
        constant = reference.detach()
        moved = self.perturb(lambda z: self._score(forward(z), constant, mask, "sum"), x, mask=mask, epsilon=epsilon)
        return self._score(forward(moved), reference, mask, self.reduction)

    @abstractmethod
    def _search(self, slope: Slope, region: Region, radius: Tensor) -> Tensor:
        """The perturbation; ``radius`` has x's number of axes."""

    @property
    def _default_radius(self) -> float:
        """The radius of the settings; infinity where there is none."""
        return math.inf

    def _score(self, output: Tensor, reference: Tensor, mask: Tensor | None, reduction: Total) -> Tensor:
        return score(output, reference, objective=self.objective, mask=mask, reduction=reduction)

    def _region(self, x: Tensor, mask: Tensor | None) -> Region:
        check_embeddings("x", x, dims=range(2, max(x.dim(), 2) + 1))
        if len(x) == 0:
            raise ValueError(f"x must hold at least one sample, got shape {tuple(x.shape)}")
        if mask is not None and (mask.dtype != torch.bool or mask.shape != x.shape[: mask.dim()]):
            raise ValueError(
                f"mask must be bool and have the shape of the first axes of x, {tuple(x.shape)}; "
                f"got {mask.dtype} of shape {tuple(mask.shape)}"
            )
        return Region(x, mask, self.scope)

    def _radius(self, epsilon: float | Tensor | None, region: Region) -> Tensor:
        x = region.x
        if epsilon is None:
            return torch.full((1,) * x.dim(), self._default_radius, dtype=x.dtype, device=x.device)
        radius = torch.as_tensor(epsilon, dtype=x.dtype, device=x.device)
        if radius.dim() and radius.shape != x.shape[:1]:
            raise ValueError(f"epsilon must be a number or have shape ({len(x)},), got {tuple(radius.shape)}")
        if not (radius.isfinite() & (radius >= 0)).all():
            raise ValueError(f"epsilon must be finite and >= 0, got {epsilon!r}")
        return radius.view(-1, *(1,) * (x.dim() - 1))

    def _slope(self, closure: Callable[[Tensor], Tensor], region: Region, dtype: torch.dtype) -> Slope:
        def slope(delta: Tensor) -> Tensor:
            with torch.enable_grad():
                leaf = delta.detach().requires_grad_()
                value = closure((region.x + leaf).to(dtype)).sum()
                if not value.requires_grad:
                    raise ValueError("what shall grow carries no gradient: is it detached, or under torch.no_grad()?")
                # zeros, not None, where the model does not look at x
                (grad,) = torch.autograd.grad(value, leaf, materialize_grads=True)
            return self._climbable(grad, region)

        return slope

    @staticmethod
    def _climbable(grad: Tensor, region: Region) -> Tensor:
        """Zero at padding, and for samples whose gradient is not finite."""
        cleaned = region.clean(grad)
        finite = cleaned.isfinite().all(dim=tuple(range(1, grad.dim())), keepdim=True)
        return torch.where(finite, cleaned, 0.0)


def _moved(x: Tensor, delta: Tensor) -> Tensor:
    return (x.to(delta.dtype) + delta.detach()).to(x.dtype)
