"""The spectral contrastive loss: positives align, all pairs become orthogonal; its minimum is known exactly."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.checks import check_at_least, check_paired
from core.losses.normalisation import full_precision, unit_rows
from core.losses.reduction import Reduction, check_reduction, reduce
from core.losses.rows import anchor_rows

__all__ = ["SpectralContrastiveLoss", "spectral_contrastive"]


def spectral_contrastive(
    query: Float[Tensor, "n d"],
    key: Float[Tensor, "n d"],
    *,
    reduction: Reduction = "mean",
    include_own: bool = False,
    normalize: bool = False,
    rows: slice | None = None,
) -> Float[Tensor, "..."]:
    """Minus twice the products of positive pairs, plus the mean squared product of independent rows.

    HaoChen et al. 2021, arXiv 2106.04156, L = -2 E[f(x).f(x+)] + E_{x, x'}[(f(x).f(x'))^2], over a batch of pairs::

        L_i = -2 q_i.k_i + 1/(n - 1) sum_{j != i} (q_i.k_j)^2

    The squares are one quadratic form, sum_j (q_i.k_j)^2 = q_i.(K'K q_i), so that no (n, n) matrix is needed: memory
    grows with the square of the smaller of n and d.

    Args:
        query: first views, as they are: lengths matter, and the loss finds them.
        key: second views, row by row.
        reduction: "mean" or "sum" over anchors, or "none".
        include_own: whether a row's own pair counts among the independent ones: the mean over all n^2 pairs, which is
            exact where the batch is the whole population, as in the linear theory, and biased where it is a sample.
        normalize: unit rows first.
        rows: anchors to score; the others are candidates only (`core.distributed.GatheredLoss` sets it).

    Shape:
        Output is a scalar, or ``(n,)`` with ``reduction="none"`` (as many as ``rows`` selects).

    Returns:
        The loss, of either sign, in float32 or better.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes, or a batch of 1 without ``include_own``.

    Relations:
        With ``include_own`` and key = query, ||F'F||^2 - 2 <F, F> for F = query / sqrt(n). Equal up to a constant to
        the factorisation of the graph of views; `core.evaluation.linear_spectral_solution` has the minimum of a linear
        model.

    >>> float(spectral_contrastive(torch.eye(2), torch.eye(2)))  # positives -2, orthogonal rows 0
    -2.0
    """
    check_reduction(reduction)
    check_paired(query, key)
    count = len(query)
    if include_own:
        check_at_least("the batch", count, 1)
    else:
        check_at_least("the batch", count, 2, "a row's only candidates are the other rows; drop the last batch")
    anchors = anchor_rows(rows, count)
    mine = slice(anchors.start, anchors.stop)
    prepare = unit_rows if normalize else full_precision
    query, key = prepare(query[mine]), prepare(key)
    dtype = torch.promote_types(query.dtype, key.dtype)
    query, key = query.to(dtype), key.to(dtype)
    positive = (query * key[mine]).sum(dim=1)
    with torch.autocast(query.device.type, enabled=False):
        squares = _gram(query, key) if count > query.shape[1] else _pairwise(query, key)
    apart = squares / count if include_own else (squares - positive.square()) / (count - 1)
    return reduce(apart - 2 * positive, reduction)


def _gram(query: Tensor, key: Tensor) -> Tensor:
    """Sum over all keys of the squared products of each query, by the (d, d) Gram matrix."""
    return (query @ (key.T @ key) * query).sum(dim=1)


def _pairwise(query: Tensor, key: Tensor) -> Tensor:
    """The same from all products, where there are fewer rows than columns."""
    return (query @ key.T).square().sum(dim=1)


class SpectralContrastiveLoss(nn.Module):
    """`spectral_contrastive` with its settings."""

    def __init__(self, *, reduction: Reduction = "mean", include_own: bool = False, normalize: bool = False) -> None:
        super().__init__()
        check_reduction(reduction)
        self.reduction: Reduction = reduction
        self.include_own = include_own
        self.normalize = normalize

    def extra_repr(self) -> str:
        """Every setting by name."""
        return f"reduction={self.reduction!r}, include_own={self.include_own}, normalize={self.normalize}"

    def forward(
        self, query: Float[Tensor, "n d"], key: Float[Tensor, "n d"], *, rows: slice | None = None
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `spectral_contrastive`."""
        return spectral_contrastive(
            query,
            key,
            reduction=self.reduction,
            include_own=self.include_own,
            normalize=self.normalize,
            rows=rows,
        )
