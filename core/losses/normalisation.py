"""Unit rows, with a defined answer for zero rows: cosine 0 with everything, and no gradient."""

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["SHORTEST", "cosines", "full_precision", "inverse_norms", "unit_rows"]

SHORTEST = 1e-12
"""Rows no longer than this count as zero. Dividing by a floor instead would send them gradients of size 1e12."""


def full_precision(x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """float32 for half precision, anything else as it is: cosines lose three digits in bfloat16."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def inverse_norms(x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch 1"]:
    """1 / |x| for each row, and 0 for zero rows."""
    norms: Tensor = torch.linalg.vector_norm(full_precision(x), dim=-1, keepdim=True)
    return norms.masked_fill(norms <= SHORTEST, torch.inf).reciprocal()


def unit_rows(x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
    """Each row divided by its length, in float32 or better; zero rows stay zero.

    >>> unit_rows(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    x = full_precision(x)  # once: along x the gradient's two parts cancel, which they cannot if each is rounded
    return x * inverse_norms(x)


def cosines(a: Float[Tensor, "n d"], b: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    """Cosine of row i of ``a`` and row i of ``b``, without normalised copies of either."""
    a, b = full_precision(a), full_precision(b)
    inner = (a * b).sum(dim=1)
    return inner * inverse_norms(a)[:, 0] * inverse_norms(b)[:, 0]
