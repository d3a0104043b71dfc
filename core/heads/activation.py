"""Activations that heads can be told by name, and the symmetric ReLU that starts as the identity."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.checks import check_choice

__all__ = ["SymmetricReLU", "make_activation"]


class SymmetricReLU(nn.Module):
    """Soft threshold ``relu(x - b) - relu(-x - b)``: odd, the identity at b = 0, zero on [-b, b].

    Xue et al. 2024, arXiv 2403.11391: between identity matrices it lets a head start as no head at all.

    Args:
        threshold: b, >= 0, one number for all features.
        learnable: whether b is a parameter; what training makes negative counts as 0.

    Raises:
        ValueError: a negative threshold.

    >>> SymmetricReLU(1.0)(torch.tensor([-3.0, 0.5, 2.0])).tolist()
    [-2.0, 0.0, 1.0]
    """

    def __init__(self, threshold: float = 0.0, *, learnable: bool = True) -> None:
        super().__init__()
        if not threshold >= 0:
            raise ValueError(f"threshold must be >= 0, got {threshold!r}")
        self.threshold = nn.Parameter(torch.tensor(float(threshold)), requires_grad=learnable)

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """The soft threshold of each number."""
        with torch.no_grad():  # in place: a clamp inside the graph would cut the gradient off for good
            self.threshold.clamp_(min=0)
        threshold = self.threshold
        return torch.relu(x - threshold) - torch.relu(-x - threshold)


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "prelu": nn.PReLU,
    "tanh": nn.Tanh,
    "symmetric_relu": SymmetricReLU,
}


def make_activation(name: str) -> nn.Module:
    """A new module for "relu", "elu", "gelu", "prelu" (one slope, 0.25), "tanh" or "symmetric_relu".

    Raises:
        ValueError: another name.
    """
    check_choice("activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]()
