"""Where a perturbation may go: lengths, balls, draws and padding of a batch, measured per sample or per token."""

from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from core.checks import check_choice

__all__ = ["Region", "Scope", "check_scope"]

Scope = Literal["sample", "token"]


def check_scope(value: str) -> None:
    """Refuse anything but "sample" and "token".

    Raises:
        ValueError: with the words allowed.
    """
    check_choice("scope", value, get_args(Scope))


class Region:
    """The vectors of a batch that perturbations are measured by, and the positions that they may touch.

    All arithmetic is in float32, or float64 where x is: noise of 1e-5 does not survive bfloat16.

    Args:
        x: clean input.
        mask: true at real positions, of the shape of the first axes of x.
        scope: "sample" measures all of ``x[i]`` as one vector, "token" each vector along the last axis.

    >>> Region(torch.zeros(2, 3, 4), None, "token").lengths(torch.ones(2, 3, 4)).shape
    torch.Size([2, 3, 1])
    """

    def __init__(self, x: Float[Tensor, "n *rest"], mask: Bool[Tensor, "n *l"] | None, scope: Scope) -> None:
        self.dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
        self.x = x.detach().to(self.dtype)
        self.axes = tuple(range(1, x.dim())) if scope == "sample" else (-1,)
        self.mask = None if mask is None else mask.view(mask.shape + (1,) * (x.dim() - mask.dim()))

    def clean(self, delta: Tensor) -> Tensor:
        """Zero at padding."""
        return delta if self.mask is None else delta.masked_fill(~self.mask, 0.0)

    def zeros(self) -> Tensor:
        """No perturbation."""
        return torch.zeros_like(self.x)

    def gaussian(self, generator: torch.Generator) -> Tensor:
        """Standard normal noise; zero at padding."""
        noise = torch.randn(self.x.shape, generator=generator, dtype=self.dtype, device=generator.device)
        return self.clean(noise.to(self.x.device))

    def uniform(self, generator: torch.Generator) -> Tensor:
        """Noise uniform in [-1, 1); zero at padding."""
        noise = torch.rand(self.x.shape, generator=generator, dtype=self.dtype, device=generator.device)
        return self.clean(2 * noise.to(self.x.device) - 1)

    def sizes(self) -> Tensor:
        """Numbers of real entries of each vector, at least 1."""
        if self.mask is None:
            return torch.full_like(self.x, 1.0).sum(self.axes, keepdim=True)
        return self.mask.expand(self.x.shape).sum(self.axes, keepdim=True).clamp(min=1).to(self.dtype)

    def lengths(self, delta: Tensor) -> Tensor:
        """L2 lengths, with the axes kept."""
        largest = self.peaks(delta)
        scaled: Tensor = torch.linalg.vector_norm(_divided(delta, largest), dim=self.axes, keepdim=True)
        return largest * scaled

    def peaks(self, delta: Tensor) -> Tensor:
        """L-infinity lengths, with the axes kept."""
        return delta.abs().amax(dim=self.axes, keepdim=True)

    def unit(self, delta: Tensor) -> Tensor:
        """Each vector divided by its L2 length; zero vectors stay zero, 1e-30 and 1e30 neither vanish nor overflow."""
        scaled = _divided(delta, self.peaks(delta))
        return _divided(scaled, torch.linalg.vector_norm(scaled, dim=self.axes, keepdim=True))

    def peaked(self, delta: Tensor) -> Tensor:
        """Each vector divided by its L-infinity length; zero vectors stay zero."""
        return _divided(delta, self.peaks(delta))

    def shortened(self, delta: Tensor, radius: Tensor) -> Tensor:
        """The nearest point of the L2 ball."""
        lengths = self.lengths(delta)
        return torch.where(lengths > radius, radius * self.unit(delta), delta)

    def bounded(self, delta: Tensor, bounds: tuple[float, float] | None) -> Tensor:
        """The perturbation that keeps x + delta within the valid range."""
        return delta if bounds is None else self.clean((self.x + delta).clamp(*bounds) - self.x)


def _divided(value: Tensor, by: Tensor) -> Tensor:
    return value / by.masked_fill(by == 0, 1.0)
