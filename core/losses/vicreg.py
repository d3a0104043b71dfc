"""VICReg: views alike, every feature alive, no two features the same; no negatives and no asymmetry."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.checks import check_at_least, check_not_negative, check_paired, check_positive
from core.losses.decorrelation import centred_columns, off_diagonal_squares
from core.losses.normalisation import full_precision

__all__ = ["VICRegLoss", "vicreg"]


def vicreg(
    query: Float[Tensor, "n d"],
    key: Float[Tensor, "n d"],
    *,
    lambda_param: float = 25.0,
    mu_param: float = 25.0,
    nu_param: float = 1.0,
    eps: float = 1e-4,
) -> Float[Tensor, ""]:
    """Invariance of the views, variance of each feature, covariance of different ones.

    Bardes et al. 2022, arXiv 2105.04906, eqs. 1 to 6; variances and covariances divide by n - 1::

        inv = mean over n and d of (q - k)^2
        var = mean over both views and d of max(0, 1 - sqrt(Var_j + eps))
        cov = sum over both views of 1/d sum_{i != j} Cov_ij^2
        L   = lambda inv + mu var + nu cov

    The weights belong to the released code, which we follow: it averages inv over d too, where eq. 5 sums, and var over
    the views, where eq. 6 adds them (as solo-learn does: mu_param=50 gives that). lightly computes what we do.

    Args:
        query: first views, as they are: the loss is about their scale, and nothing is normalised.
        key: second views, row by row.
        lambda_param: lambda >= 0, the weight of invariance.
        mu_param: mu >= 0, the weight of variance.
        nu_param: nu >= 0, the weight of covariance.
        eps: > 0, keeps the gradient of the standard deviation finite for a constant column.

    Shape:
        Output is a scalar. Beside the inputs it holds a (d, d) matrix where 2 n > d, elsewhere (n, n).

    Returns:
        The loss, >= 0, in float32 or better.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes, settings, or a batch of 1, which has no variance.

    Relations:
        mu (1 - sqrt(eps)) if all rows are equal, 24.75 by default. Invariant to a shift of both views, to the order of
        rows and of columns; unlike Barlow Twins the views are decorrelated each on its own.

    >>> import torch
    >>> x = torch.ones(4, 3)
    >>> float(vicreg(x, x)), float(vicreg(x, x + 1, mu_param=0.0))  # collapsed; a shift between the views
    (24.75, 25.0)
    """
    check_paired(query, key)
    check_at_least("the batch", len(query), 2, "a variance needs several rows; drop the last batch")
    _check_settings(lambda_param, mu_param, nu_param, eps)
    width = query.shape[1]
    invariance = (full_precision(query) - full_precision(key)).square().mean()
    dead, shared = [], []
    for view in (query, key):
        scaled = centred_columns(view) / (len(view) - 1) ** 0.5  # products of its columns are covariances
        dead.append(torch.relu(1 - (scaled.square().sum(dim=0) + eps).sqrt()).mean())
        shared.append(off_diagonal_squares(scaled, scaled) / width)
    return lambda_param * invariance + mu_param * (dead[0] + dead[1]) / 2 + nu_param * (shared[0] + shared[1])


def _check_settings(lambda_param: float, mu_param: float, nu_param: float, eps: float) -> None:
    for name, value in (("lambda_param", lambda_param), ("mu_param", mu_param), ("nu_param", nu_param)):
        check_not_negative(name, value)
    check_positive("eps", eps, usual="1e-4")


class VICRegLoss(nn.Module):
    """`vicreg` with its settings."""

    def __init__(
        self, *, lambda_param: float = 25.0, mu_param: float = 25.0, nu_param: float = 1.0, eps: float = 1e-4
    ) -> None:
        super().__init__()
        _check_settings(lambda_param, mu_param, nu_param, eps)
        self.lambda_param = lambda_param
        self.mu_param = mu_param
        self.nu_param = nu_param
        self.eps = eps

    def extra_repr(self) -> str:
        """Every setting by name."""
        return (
            f"lambda_param={self.lambda_param!r}, mu_param={self.mu_param!r}, nu_param={self.nu_param!r}, "
            f"eps={self.eps!r}"
        )

    def forward(self, query: Float[Tensor, "n d"], key: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
        """The loss of one batch; arguments as in `vicreg`."""
        return vicreg(
            query,
            key,
            lambda_param=self.lambda_param,
            mu_param=self.mu_param,
            nu_param=self.nu_param,
            eps=self.eps,
        )
