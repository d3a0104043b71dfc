"""How the terms of a loss become what it returns."""

from typing import Literal, get_args

from jaxtyping import Float
from torch import Tensor

from core.checks import check_choice

__all__ = ["Reduction", "check_reduction", "reduce"]

Reduction = Literal["mean", "sum", "none"]


def check_reduction(value: str) -> None:
    """Raise ``ValueError`` for anything but "mean", "sum" or "none"."""
    check_choice("reduction", value, get_args(Reduction))


def reduce(terms: Float[Tensor, " t"], reduction: Reduction) -> Float[Tensor, "..."]:
    """Mean, sum, or the terms themselves.

    >>> import torch
    >>> float(reduce(torch.tensor([1.0, 3.0]), "mean"))
    2.0
    """
    check_reduction(reduction)
    if reduction == "none":
        return terms
    return terms.mean() if reduction == "mean" else terms.sum()
