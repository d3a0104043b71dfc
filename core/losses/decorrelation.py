"""The sum of squared products of different columns, behind Barlow Twins and VICReg, and columns of unit variance."""

import torch
from jaxtyping import Float
from torch import Tensor

from core.losses.normalisation import SHORTEST, full_precision

__all__ = ["centred_columns", "off_diagonal_squares", "unit_columns"]

ROUNDING = 16
"""Columns that spread less than this many units of rounding count as constant."""


def centred_columns(z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Each column minus its mean, in float32 or better."""
    z = full_precision(z)
    return z - z.mean(dim=0)


def unit_columns(z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Each column minus its mean, divided by its length; constant columns become 0 and get no gradient.

    The product of two such columns is their Pearson correlation.

    >>> unit_columns(torch.tensor([[3.0, 0.1], [1.0, 0.1]])).T.tolist()
    [[0.7071067690849304, -0.7071067690849304], [0.0, 0.0]]
    """
    centred = centred_columns(z)
    lengths: Tensor = torch.linalg.vector_norm(centred, dim=0)
    # The mean is rounded, so a constant column keeps a rest of the size of its rounding.
    rounding = ROUNDING * torch.finfo(centred.dtype).eps * torch.linalg.vector_norm(full_precision(z.detach()), dim=0)
    return centred * lengths.masked_fill(lengths <= rounding.clamp(min=SHORTEST), torch.inf).reciprocal()


def off_diagonal_squares(first: Float[Tensor, "n d"], second: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    """Sum over i != j of (column i of ``first`` . column j of ``second``)^2.

    Forms the (d, d) products, or the (n, n) ones of the rows where n is small: |A' B|^2 = <A A', B B'>. Memory is
    d d numbers where 2 n > d and n n elsewhere, beside the inputs. Autocast does not reach inside.

    >>> x = torch.tensor([[1.0, 2.0]])
    >>> float(off_diagonal_squares(x, x))  # 2^2 + 2^2
    8.0
    """
    count, width = first.shape
    with torch.autocast(first.device.type, enabled=False):
        if 2 * count > width:
            return (first.T @ second).fill_diagonal_(0.0).square().sum()
        # With few rows columns cannot all be orthogonal: what is left after the diagonal is no small difference.
        rows = first @ first.T
        total = (rows * (rows if second is first else second @ second.T)).sum()
        return total - (first * second).sum(dim=0).square().sum()
