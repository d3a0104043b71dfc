"""Barlow Twins: the two views' features must correlate with themselves and with no other feature."""

from jaxtyping import Float
from torch import Tensor, nn

from core.checks import check_at_least, check_not_negative, check_paired, check_positive
from core.losses.decorrelation import off_diagonal_squares, unit_columns

__all__ = ["BarlowTwinsLoss", "barlow_twins"]


def barlow_twins(
    query: Float[Tensor, "n d"],
    key: Float[Tensor, "n d"],
    *,
    lambda_param: float = 5e-3,
    scale_loss: float = 1.0,
) -> Float[Tensor, ""]:
    """Distance of the cross-correlation matrix of two views from the identity.

    Zbontar et al. 2021, arXiv 2103.03230, eqs. 1 and 2; C_ij is the correlation, over the batch, of column i of
    ``query`` with column j of ``key``::

        L = sum_i (1 - C_ii)^2 + lambda sum_{i != j} C_ij^2

    The paper's eq. 2 is the plain correlation, in which n or n - 1 cancels, and so is ours. The released code and
    solo-learn standardise with BatchNorm (variance over n, plus 1e-5, which keeps C_ii a little below 1); lightly does
    so with one mean and variance for both views together.

    Args:
        query: first views; centred and scaled column by column here.
        key: second views, row by row; treated alike.
        lambda_param: lambda >= 0, the weight of redundancy; the paper takes 5e-3, its code 0.0051.
        scale_loss: > 0, a factor of the whole; solo-learn takes 0.1 on CIFAR. It matters to optimizers that feel the
            size of gradients.

    Shape:
        Output is a scalar. Beside the inputs it holds a (d, d) matrix where 2 n > d, elsewhere (n, n).

    Returns:
        The loss, >= 0, in float32 or better.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes, settings, or a batch of 1, which has no correlation.

    Relations:
        0 for equal views of uncorrelated columns. A constant column correlates with nothing: it adds 1 and gets no
        gradient. Invariant to shifts and positive factors of columns, to the order of columns and of rows.

    >>> import torch
    >>> x = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> round(float(barlow_twins(x, x)), 6), round(float(barlow_twins(x, x.roll(1, 1))), 6)
    (0.0, 2.01)
    """
    check_paired(query, key)
    check_at_least("the batch", len(query), 2, "a correlation needs several rows; drop the last batch")
    _check_settings(lambda_param, scale_loss)
    first = unit_columns(query)
    second = first if query is key else unit_columns(key)
    alike = (1 - (first * second).sum(dim=0)).square().sum()
    return scale_loss * (alike + lambda_param * off_diagonal_squares(first, second))


def _check_settings(lambda_param: float, scale_loss: float) -> None:
    check_not_negative("lambda_param", lambda_param)
    check_positive("scale_loss", scale_loss)


class BarlowTwinsLoss(nn.Module):
    """`barlow_twins` with its settings."""

    def __init__(self, *, lambda_param: float = 5e-3, scale_loss: float = 1.0) -> None:
        super().__init__()
        _check_settings(lambda_param, scale_loss)
        self.lambda_param = lambda_param
        self.scale_loss = scale_loss

    def extra_repr(self) -> str:
        """Every setting by name."""
        return f"lambda_param={self.lambda_param!r}, scale_loss={self.scale_loss!r}"

    def forward(self, query: Float[Tensor, "n d"], key: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
        """The loss of one batch; arguments as in `barlow_twins`."""
        return barlow_twins(query, key, lambda_param=self.lambda_param, scale_loss=self.scale_loss)
