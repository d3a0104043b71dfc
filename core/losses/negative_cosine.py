"""Minus the cosine of a prediction and its target: the loss of methods without negatives."""

from jaxtyping import Float
from torch import Tensor, nn

from core.checks import check_paired
from core.losses.normalisation import cosines
from core.losses.reduction import Reduction, check_reduction, reduce

__all__ = ["NegativeCosineLoss", "negative_cosine"]


def negative_cosine(
    query: Float[Tensor, "n d"],
    key: Float[Tensor, "n d"],
    *,
    reduction: Reduction = "mean",
    stop_gradient: bool = True,
) -> Float[Tensor, "..."]:
    """Minus the cosine of each prediction and its target.

    SimSiam (Chen & He 2021, arXiv 2011.10566, eq. 1) and, up to a constant, BYOL (arXiv 2006.07733, eq. 2) and BGRL
    (arXiv 2102.06514). They use it both ways: ``(f(p1, z2) + f(p2, z1)) / 2``, p the predictions, z the targets.

    Args:
        query: predictions; normalised here.
        key: targets, row by row; normalised here.
        reduction: "mean" or "sum" over rows, or "none".
        stop_gradient: whether targets are constants. Without it (and without a momentum copy) everything collapses.

    Shape:
        Output is a scalar, or ``(n,)`` with ``reduction="none"``.

    Returns:
        The loss in [-1, 1], in float32 or better; a zero vector has cosine 0 and gets no gradient.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes.

    Relations:
        BYOL's squared distance of unit vectors is 2 + 2 times this.

    >>> import torch
    >>> float(negative_cosine(torch.eye(2), torch.eye(2)))
    -1.0
    """
    check_paired(query, key)
    return reduce(-cosines(query, key.detach() if stop_gradient else key), reduction)


class NegativeCosineLoss(nn.Module):
    """`negative_cosine` with its settings."""

    def __init__(self, *, reduction: Reduction = "mean", stop_gradient: bool = True) -> None:
        super().__init__()
        check_reduction(reduction)
        self.reduction: Reduction = reduction
        self.stop_gradient = stop_gradient

    def forward(self, query: Float[Tensor, "n d"], key: Float[Tensor, "n d"]) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `negative_cosine`."""
        return negative_cosine(query, key, reduction=self.reduction, stop_gradient=self.stop_gradient)
