"""GraphMAE's reconstruction error: one minus the cosine, to a power that turns easy rows down."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.checks import check_at_least, check_paired, check_positive
from core.losses.normalisation import full_precision
from core.losses.reduction import Reduction, check_reduction, reduce

__all__ = ["ScaledCosineErrorLoss", "scaled_cosine_error"]


def scaled_cosine_error(
    prediction: Float[Tensor, "n d"],
    target: Float[Tensor, "n d"],
    *,
    gamma: float = 3.0,
    reduction: Reduction = "mean",
    eps: float = 1e-12,
    allow_gamma_below_one: bool = False,
) -> Float[Tensor, "..."]:
    """Scaled cosine error of each prediction against its target.

    Hou et al. 2022 (GraphMAE), arXiv 2205.10803, eq. 2; the power is outside the bracket, some ports have it inside::

        L_i = (1 - cos(x_i, y_i))^gamma

    Args:
        prediction: decoder output of the masked rows; normalised here.
        target: their true features; normalised here.
        gamma: >= 1; the paper takes 1 to 3. Above 1 the gradient fades as the cosine nears 1.
        reduction: "mean" or "sum" over rows, or "none".
        eps: least length that a row is divided by, > 0.
        allow_gamma_below_one: admit 0 < gamma < 1, whose slope grows without bound at cosine 1; the last float32 step
            before 1 is cut off.

    Shape:
        Output is a scalar, or ``(n,)`` with ``reduction="none"``.

    Returns:
        The error in [0, 2^gamma], in float32 or better. A zero row, on either side, has cosine 0: error 1.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes, gamma, or no row at all (an empty mask).

    Notes:
        A zero target sends no gradient. A zero prediction is sent ``gamma y / (|y| eps)``, 1e12 at the default, as in
        the released code, where the other losses of this package would send none. It matters: until its bias has moved,
        GraphMAE's decoder says exactly 0 of a node whose neighbours are all masked, and the huge first gradient lets
        Adam hold the bias nearly still from then on. Without it the bias learns the mean features and the encoder has
        less to learn (docs/decisions.md tells what it changes). Clip no gradient norm, or choose a larger eps then.

    Relations:
        With gamma = 1 half the squared distance of the unit vectors.

    >>> round(float(scaled_cosine_error(torch.tensor([[1.0, 1.0]]), torch.tensor([[1.0, 0.0]]), gamma=2.0)), 4)
    0.0858
    """
    check_reduction(reduction)
    _check_gamma(gamma, allow_gamma_below_one)
    check_paired(prediction, target, ("prediction", "target"))
    check_at_least("the number of masked rows", len(prediction), 1, "the mask is empty")
    check_positive("eps", eps)
    x, y = full_precision(prediction), full_precision(target)
    # (x.y) / (|x| |y|) without normalised copies of either
    distance = 1 - (x * y).sum(1) / (_length(x, eps) * _length(y, eps))
    # Rounding can leave the distance at -1e-7, whose fractional power is NaN.
    least = torch.finfo(distance.dtype).eps if gamma < 1 else 0.0
    return reduce(distance.clamp(min=least) ** gamma, reduction)


def _length(x: Tensor, eps: float) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(x, dim=1)
    return length.clamp(min=eps)


def _check_gamma(gamma: float, allow_below_one: bool) -> None:
    check_positive("gamma", gamma, usual="1 to 3")
    if gamma < 1 and not allow_below_one:
        raise ValueError(f"gamma must be >= 1, got {gamma!r}; allow_gamma_below_one=True admits it")


class ScaledCosineErrorLoss(nn.Module):
    """`scaled_cosine_error` with its settings."""

    def __init__(
        self,
        *,
        gamma: float = 3.0,
        reduction: Reduction = "mean",
        eps: float = 1e-12,
        allow_gamma_below_one: bool = False,
    ) -> None:
        super().__init__()
        check_reduction(reduction)
        _check_gamma(gamma, allow_gamma_below_one)
        self.gamma = gamma
        self.reduction: Reduction = reduction
        self.eps = eps
        self.allow_gamma_below_one = allow_gamma_below_one

    def forward(self, prediction: Float[Tensor, "n d"], target: Float[Tensor, "n d"]) -> Float[Tensor, "..."]:
        """The error of one batch; arguments as in `scaled_cosine_error`."""
        return scaled_cosine_error(
            prediction,
            target,
            gamma=self.gamma,
            reduction=self.reduction,
            eps=self.eps,
            allow_gamma_below_one=self.allow_gamma_below_one,
        )
