"""Hard negatives by weight: the nearer a negative, the more of the sum it is, together with debiasing."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.checks import check_rate, check_temperature
from core.losses.debiased import debiased_log_sum
from core.losses.pair_terms import softplus, two_way_terms
from core.losses.reduction import Reduction, check_reduction, reduce

__all__ = ["HardnessInfoNCELoss", "hardness_info_nce"]


def hardness_info_nce(
    query: Float[Tensor, "n d"],
    key: Float[Tensor, "n d"],
    *,
    temperature: float | Float[Tensor, ""] = 0.5,
    reduction: Reduction = "mean",
    beta: float = 1.0,
    tau_plus: float = 0.1,
    detach_weights: bool = False,
    rows: slice | None = None,
) -> Float[Tensor, "..."]:
    """NT-Xent with negatives weighted by their similarity to the anchor, and debiased.

    Robinson et al. 2021, arXiv 2010.04592; s_ij = z_i.z_j / t, j runs over the N = 2n - 2 views of other instances::

        R_i = N sum_j e^{beta s_ij} e^{s_ij} / sum_j e^{beta s_ij}
        G_i = max( ( R_i - tau_plus N e^{s_ip(i)} ) / (1 - tau_plus),  N e^{-1/t} )
        L_i = -log( e^{s_ip(i)} / ( e^{s_ip(i)} + G_i ) )

    R is an importance-weighted sum, and its logarithm the difference of two log-sum-exps, at temperatures
    t / (1 + beta) and t / beta: nothing overflows, and no matrix is kept.

    Args:
        query: first views; normalised here.
        key: second views, row by row; normalised here.
        temperature: t > 0; the released code takes 0.5. A scalar tensor gets a gradient.
        reduction: "mean" or "sum" over the 2n anchors, or "none".
        beta: concentration, >= 0; 0 weighs all negatives alike, a large one leaves N times the hardest.
        tau_plus: in [0, 1), the chance that a random instance belongs with the anchor: 1 / c for c equal classes.
        detach_weights: stop the gradient through the weights e^{beta s} / mean e^{beta s}; the value is the same.
        rows: instances to score, in both views; the others are candidates only (`core.distributed.GatheredLoss` sets
            it).

    Shape:
        Output is a scalar, or ``(2n,)`` with ``reduction="none"``: first views, then second.

    Returns:
        The loss, >= 0, in float32 or better.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes, settings, or a batch of 1, which has no negatives.

    Relations:
        `core.losses.debiased_info_nce` at ``beta=0`` and NT-Xent at ``beta=0, tau_plus=0``, to the last digit. All
        three agree when all rows are equal.

    Notes:
        The released code lets gradient through the weights, and so do we unless told otherwise: a negative's pull is
        then ((1 + beta) v - beta w) with v its share under e^{(1 + beta) s} and w under e^{beta s}, which turns its
        sign for easy negatives. With ``detach_weights`` it is v.

    >>> z = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    >>> [round(float(hardness_info_nce(z, -z, temperature=1.0, beta=b, tau_plus=0.0)), 4) for b in (0.0, 1.0)]
    [2.0075, 2.2304]
    """
    check_reduction(reduction)
    _check_settings(beta, tau_plus)
    check_temperature(temperature)
    if beta == 0:
        terms = two_way_terms(query, key, temperature=temperature, rows=rows)
        negatives, positive = terms.negatives, terms.positive
    else:
        hard = two_way_terms(query, key, temperature=temperature / (1 + beta), rows=rows)
        positive = hard.positive / (1 + beta)
        count = math.log(2 * len(query) - 2)
        if detach_weights:
            with torch.no_grad():
                mean_weight = two_way_terms(query, key, temperature=temperature / beta, rows=rows).negatives - count
            # With weights held, log R moves with each s_ij by its share under e^{(1 + beta) s}.
            log_sum = hard.negatives
            negatives = (log_sum - mean_weight).detach() + (log_sum - log_sum.detach()) / (1 + beta)
        else:
            weights = two_way_terms(query, key, temperature=temperature / beta, rows=rows)
            negatives = hard.negatives - (weights.negatives - count)
    negatives = debiased_log_sum(negatives, positive, 2 * len(query) - 2, temperature=temperature, tau_plus=tau_plus)
    return reduce(softplus(negatives - positive), reduction)


def _check_settings(beta: float, tau_plus: float) -> None:
    if not (math.isfinite(beta) and beta >= 0):
        raise ValueError(f"beta must be finite and >= 0, got {beta!r}; usual values are 0.5 to 2")
    check_rate("tau_plus", tau_plus)


class HardnessInfoNCELoss(nn.Module):
    """`hardness_info_nce` with its settings."""

    def __init__(
        self,
        *,
        temperature: float = 0.5,
        reduction: Reduction = "mean",
        beta: float = 1.0,
        tau_plus: float = 0.1,
        detach_weights: bool = False,
    ) -> None:
        super().__init__()
        check_temperature(temperature)
        check_reduction(reduction)
        _check_settings(beta, tau_plus)
        self.temperature = temperature
        self.reduction: Reduction = reduction
        self.beta = beta
        self.tau_plus = tau_plus
        self.detach_weights = detach_weights

    def extra_repr(self) -> str:
        """Every setting by name."""
        return (
            f"temperature={self.temperature!r}, reduction={self.reduction!r}, beta={self.beta!r}, "
            f"tau_plus={self.tau_plus!r}, detach_weights={self.detach_weights!r}"
        )

    def forward(
        self, query: Float[Tensor, "n d"], key: Float[Tensor, "n d"], *, rows: slice | None = None
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `hardness_info_nce`."""
        return hardness_info_nce(
            query,
            key,
            temperature=self.temperature,
            reduction=self.reduction,
            beta=self.beta,
            tau_plus=self.tau_plus,
            detach_weights=self.detach_weights,
            rows=rows,
        )
