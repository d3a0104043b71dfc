"""Debiased contrastive learning: the negatives that are positives in truth are estimated and taken out of the sum."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.checks import check_rate, check_temperature
from core.losses.pair_terms import softplus, two_way_terms
from core.losses.reduction import Reduction, check_reduction, reduce

__all__ = ["DebiasedInfoNCELoss", "debiased_info_nce", "debiased_log_sum"]


def debiased_info_nce(
    query: Float[Tensor, "n d"],
    key: Float[Tensor, "n d"],
    *,
    temperature: float | Float[Tensor, ""] = 0.5,
    reduction: Reduction = "mean",
    tau_plus: float = 0.1,
    rows: slice | None = None,
) -> Float[Tensor, "..."]:
    """NT-Xent whose sum over negatives is corrected for the share of them that belong with the anchor.

    Chuang et al. 2020, arXiv 2007.00224, with one positive; z stacks both batches, p(i) is the other view of i, j runs
    over the N = 2n - 2 views of other instances::

        G_i = max( ( sum_j e^{z_i.z_j / t} - tau_plus N e^{z_i.z_p(i) / t} ) / (1 - tau_plus),  N e^{-1/t} )
        L_i = -log( e^{z_i.z_p(i) / t} / ( e^{z_i.z_p(i) / t} + G_i ) )

    The floor is the least sum that unit rows can have; where it holds, negatives get no gradient. Everything is
    computed from logarithms, so a low temperature neither overflows nor loses the difference.

    Args:
        query: first views; normalised here.
        key: second views, row by row; normalised here.
        temperature: t > 0; the released code takes 0.5. A scalar tensor gets a gradient.
        reduction: "mean" or "sum" over the 2n anchors, or "none".
        tau_plus: in [0, 1), the chance that a random instance belongs with the anchor: 1 / c for c equal classes.
        rows: instances to score, in both views; the others are candidates only (`core.distributed.GatheredLoss` sets
            it).

    Shape:
        Output is a scalar, or ``(2n,)`` with ``reduction="none"``: first views, then second.

    Returns:
        The loss, >= 0, in float32 or better.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes, temperature, ``tau_plus``, or a batch of 1, which has no negatives.

    Relations:
        NT-Xent at ``tau_plus=0``, to the last digit, and when all rows are equal. `core.losses.hardness_info_nce` with
        beta 0.

    Notes:
        Without debiasing the released code forgets the sum over negatives: it averages over pairs of one positive and
        one negative. Its value with debiasing is the one here.

    >>> z = torch.eye(2)
    >>> round(float(debiased_info_nce(z, z, temperature=1.0)), 4)  # (2 - 0.2 e) / 0.9 = 1.618 instead of 2
    0.4671
    """
    check_reduction(reduction)
    check_rate("tau_plus", tau_plus)
    terms = two_way_terms(query, key, temperature=temperature, rows=rows)
    negatives = debiased_log_sum(
        terms.negatives, terms.positive, 2 * len(query) - 2, temperature=temperature, tau_plus=tau_plus
    )
    return reduce(softplus(negatives - terms.positive), reduction)


def debiased_log_sum(
    negatives: Float[Tensor, " a"],
    positive: Float[Tensor, " a"],
    count: int,
    *,
    temperature: float | Float[Tensor, ""],
    tau_plus: float,
) -> Float[Tensor, " a"]:
    """Logarithm of max( (e^negatives - tau_plus N e^positive) / (1 - tau_plus), N e^{-1/t} ).

    Args:
        negatives: log-sum of each anchor's negatives.
        positive: each anchor's positive logit, of unit rows.
        count: N, negatives of an anchor.
        temperature: t.
        tau_plus: in [0, 1); at 0 ``negatives`` is returned as it is, which the floor cannot reach.

    >>> logs = debiased_log_sum(torch.zeros(2), torch.tensor([0.0, 9.0]), 1, temperature=1.0, tau_plus=0.5)
    >>> logs.tolist()  # the difference, and the floor
    [0.0, -1.0]
    """
    if tau_plus == 0:
        return negatives
    floor = math.log(count) - 1 / temperature
    gap = negatives - (positive + math.log(tau_plus * count))
    held = gap <= 0
    # log(e^a - e^b) = a + log(1 - e^{b - a}); the gradient of the other branch of a where must be finite too.
    apart = torch.where(held, 1.0, gap)
    rest = torch.where(apart < math.log(2), (-torch.expm1(-apart)).log(), torch.log1p(-torch.exp(-apart)))
    logs = negatives + rest - math.log1p(-tau_plus)
    held = held | (logs.detach() <= floor)
    return torch.where(held, floor, logs)


class DebiasedInfoNCELoss(nn.Module):
    """`debiased_info_nce` with its settings."""

    def __init__(self, *, temperature: float = 0.5, reduction: Reduction = "mean", tau_plus: float = 0.1) -> None:
        super().__init__()
        check_temperature(temperature)
        check_reduction(reduction)
        check_rate("tau_plus", tau_plus)
        self.temperature = temperature
        self.reduction: Reduction = reduction
        self.tau_plus = tau_plus

    def extra_repr(self) -> str:
        """Every setting by name."""
        return f"temperature={self.temperature!r}, reduction={self.reduction!r}, tau_plus={self.tau_plus!r}"

    def forward(
        self, query: Float[Tensor, "n d"], key: Float[Tensor, "n d"], *, rows: slice | None = None
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `debiased_info_nce`."""
        return debiased_info_nce(
            query,
            key,
            temperature=self.temperature,
            reduction=self.reduction,
            tau_plus=self.tau_plus,
            rows=rows,
        )
