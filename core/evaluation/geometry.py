"""What embeddings look like on the sphere: alignment, uniformity, effective rank."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from core.checks import check_at_least, check_embeddings, check_paired, check_positive
from core.similarity import similarity_logsumexp

__all__ = ["alignment", "effective_rank", "uniformity"]


def alignment(x: Float[Tensor, "n d"], y: Float[Tensor, "n d"], *, alpha: float = 2.0) -> Float[Tensor, ""]:
    """Mean distance of positive pairs, ``E |x - y|^alpha`` of unit rows; 0 is best.

    Wang and Isola 2020, arXiv 2005.10242, eq. 1. Differentiable.

    Args:
        x: first of each pair; normalised here.
        y: second of each pair; normalised here.
        alpha: power, > 0.

    >>> float(alignment(torch.eye(2), -torch.eye(2)))
    4.0
    """
    check_paired(x, y, ("x", "y"))
    check_positive("alpha", alpha)
    check_at_least("the number of pairs", len(x), 1)
    squared = (normalize(x, dim=1) - normalize(y, dim=1)).square().sum(1)
    return (squared if alpha == 2.0 else squared.pow(alpha / 2)).mean()


def uniformity(x: Float[Tensor, "n d"], *, t: float = 2.0) -> Float[Tensor, ""]:
    """``log mean over pairs i < j of exp(-t |x_i - x_j|^2)`` of unit rows; 0 when all are equal, lower is more uniform.

    Wang and Isola 2020, arXiv 2005.10242, eq. 2. Since |x - y|^2 = 2 - 2 x.y it is a log-sum-exp of similarities at
    temperature 1 / (2 t), so it runs through the tiled kernel in O(n) memory. Differentiable.

    Args:
        x: at least two rows; normalised here.
        t: > 0; the paper takes 2, lightly's default is 1.

    >>> round(float(uniformity(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))), 4)
    -8.0
    """
    check_embeddings("x", x)
    check_positive("t", t)
    check_at_least("the number of rows", len(x), 2)
    unit = normalize(x, dim=1)
    rows = similarity_logsumexp(unit, unit, temperature=1 / (2 * t), exclude=torch.arange(len(x), device=x.device))
    return rows.logsumexp(0) - 2 * t - math.log(len(x) * (len(x) - 1))


def effective_rank(x: Float[Tensor, "n d"], *, centre: bool = False) -> float:
    """Exp of the entropy of the normalised singular values: how many directions the rows really use.

    Roy and Vetterli 2007 (effective rank); RankMe (Garrido et al. 2023, arXiv 2210.02885) takes the same number of
    uncentred embeddings. Between 1 (collapse to a line) and min(n, d).

    Args:
        x: rows.
        centre: subtract the mean row first.

    Raises:
        ValueError: all rows are zero (after centring).

    >>> round(effective_rank(torch.eye(4)), 4)
    4.0
    """
    check_embeddings("x", x)
    check_at_least("the number of rows", len(x), 1)
    rows = x.detach().double()
    rows = rows - rows.mean(0) if centre else rows
    values = torch.linalg.svdvals(rows)
    total = float(values.sum())
    if total == 0.0:
        raise ValueError("every row is zero: the rank is not defined")
    return float(torch.special.entr(values / total).sum().exp())
