"""Objectives for more than two views of an instance: MV-InfoNCE, MV-DHEL and poly-view contrast."""

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from core.checks import check_choice, check_temperature
from core.losses.pair_terms import softplus
from core.losses.reduction import Reduction, check_reduction, reduce
from core.losses.rows import anchor_rows, anchors_of_views
from core.losses.softmax_loss import SoftmaxLoss
from core.losses.stacked_views import instance_products, prepared_views
from core.similarity import cross_logsumexp, similarity_logsumexp

__all__ = ["Aggregation", "MVDHELLoss", "MVInfoNCELoss", "PVCLoss", "mv_dhel", "mv_info_nce", "pvc"]

Aggregation = Literal["geometric", "arithmetic"]


def mv_info_nce(
    views: Float[Tensor, "v n d"],
    *,
    temperature: float | Float[Tensor, ""] = 0.5,
    reduction: Reduction = "mean",
    same_view_negatives: bool = True,
    normalize: bool = True,
    rows: slice | None = None,
) -> Float[Tensor, "..."]:
    """Multi-view InfoNCE: one term per instance, with all pairs of its views above all pairs of all views.

    Koromilas et al. 2025, arXiv 2507.06979; u_il is view l of instance i, P_i the log-sum over its unordered pairs::

        P_i = logsumexp_{l < m} u_il.u_im / t
        L_i = log sum_l sum_{(j, m) != (i, l)} exp(u_il.u_jm / t) - (log 2 + P_i)

    The published formula leaves the anchor's own view out of the denominator (only m != l, all j); the released code
    takes every row but the anchor. We follow the code, which made the numbers; ``same_view_negatives=False`` is the
    formula. It prints the loss with the sign of a gain; both minimise what stands here. The released code takes the
    logarithm of sums of exponentials; here the positives leave the kernel and join again in a softplus.

    Args:
        views: v >= 2 views of n >= 2 instances; normalised here.
        temperature: t > 0; 0.5 in the paper's CIFAR runs, 0.1 for ImageNet-1k. A scalar tensor gets a gradient.
        reduction: "mean" or "sum" over instances, or "none".
        same_view_negatives: whether rows of the anchor's own view are negatives.
        normalize: cosine if true, dot product if not.
        rows: instances to score; the others are candidates only (`core.distributed.GatheredLoss` sets it).

    Shape:
        Output is a scalar, or ``(n,)`` with ``reduction="none"`` (as many as ``rows`` selects).

    Returns:
        The loss, >= 0, in float32 or better.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes, temperature, fewer than 2 views or instances.

    Relations:
        At v = 2 at least NT-Xent, and equal to it where both anchors of a pair have the same denominator;
        log((v n - 1)/(v - 1)) when all rows are equal.

    >>> round(float(mv_info_nce(torch.eye(2).repeat(3, 1, 1), temperature=1.0)), 4)  # log((3 + 2e) / 2e)
    0.4394
    """
    check_reduction(reduction)
    check_temperature(temperature)
    unit = prepared_views(views, normalize=normalize)
    anchors = anchor_rows(rows, unit.shape[1])
    if same_view_negatives:
        negatives = _all_view_negatives(unit, temperature, anchors, rows is None)
    else:
        negatives = _other_view_negatives(unit, temperature, anchors, rows is None)
    positives = _pair_logits(unit[:, anchors.start : anchors.stop], temperature).logsumexp(dim=1)
    log_two = positives.new_tensor(2.0).log()
    return reduce(softplus(negatives.logsumexp(dim=0) - positives - log_two), reduction)


def mv_dhel(
    views: Float[Tensor, "v n d"],
    *,
    temperature: float | Float[Tensor, ""] = 0.5,
    reduction: Reduction = "mean",
    normalize: bool = True,
    rows: slice | None = None,
) -> Float[Tensor, "..."]:
    """Multi-view DHEL: all pairs of an instance's views together, and the negatives of each view among themselves.

    Koromilas et al. 2025, arXiv 2507.06979; u_il is view l of instance i::

        L_i = sum_l logsumexp_{j != i} u_il.u_jl / t - logsumexp_{l < m} u_il.u_im / t

    The published formula keeps the anchor itself in the denominator and sums over ordered pairs; the released code
    drops the anchor and takes unordered pairs, and so do we (the pairs differ by a constant log 2). The code multiplies
    the v sums of exponentials, which overflows in float32 for nearly collapsed rows; we add their logarithms.

    Args:
        views: v >= 2 views of n >= 2 instances; normalised here.
        temperature: t > 0; 0.5 in the paper's runs, 0.2 in the code's class. A scalar tensor gets a gradient.
        reduction: "mean" or "sum" over instances, or "none".
        normalize: cosine if true, dot product if not.
        rows: instances to score; the others are candidates only (`core.distributed.GatheredLoss` sets it).

    Shape:
        Output is a scalar, or ``(n,)`` with ``reduction="none"`` (as many as ``rows`` selects).

    Returns:
        The loss, of either sign, in float32 or better. One positive term stands against v terms of spread: at v = 2 the
        ratio is 1 : 2 where NT-Xent has 1 : 1, which is intended.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes, temperature, fewer than 2 views or instances.

    Relations:
        `core.losses.dhel` at v = 2; v log(n - 1) + (v - 1)/t - log(v (v - 1)/2) when all rows are equal. The pair that
        is closest already gets most of the pull: weights of positives are a softmax over pairs.

    >>> round(float(mv_dhel(torch.eye(2).repeat(3, 1, 1), temperature=1.0)), 4)  # -1 - log 3
    -2.0986
    """
    check_reduction(reduction)
    check_temperature(temperature)
    unit = prepared_views(views, normalize=normalize)
    anchors = anchor_rows(rows, unit.shape[1])
    own = torch.arange(anchors.start, anchors.stop, device=unit.device)
    spread = unit.new_zeros(len(anchors))
    for view in unit.unbind():
        # the same object on both sides switches the kernel to its symmetric half
        anchor = view if rows is None else view[anchors.start : anchors.stop]
        spread = spread + similarity_logsumexp(anchor, view, temperature=temperature, exclude=own)
    positives = _pair_logits(unit[:, anchors.start : anchors.stop], temperature).logsumexp(dim=1)
    return reduce(spread - positives, reduction)


def pvc(
    views: Float[Tensor, "v n d"],
    *,
    temperature: float | Float[Tensor, ""] = 0.5,
    reduction: Reduction = "mean",
    aggregation: Aggregation = "geometric",
    normalize: bool = True,
    rows: slice | None = None,
) -> Float[Tensor, "..."]:
    """Poly-view contrast: each view against each other view of its instance, own other views not in the denominator.

    Shidani et al. 2024, arXiv 2403.05490; for anchor view a and positive view b of instance i::

        p_iab = e^{s(ia, ib)} / (e^{s(ia, ib)} + sum_{j != i} sum_m e^{s(ia, jm)})
        geometric:   L_ia = -mean_{b != a} log p_iab
        arithmetic:  L_ia = -log mean_{b != a} p_iab      <= geometric

    The multi-view code base of Koromilas et al. averages losses over the batch before its "arithmetic" logarithm of a
    sum; we follow the equation.

    Args:
        views: v >= 2 views of n >= 2 instances; normalised here.
        temperature: t > 0, 0.05 to 0.5 as a rule. A scalar tensor gets a gradient.
        reduction: "mean" or "sum" over the v n anchors, or "none".
        aggregation: where the mean over positives stands, outside the logarithm or inside.
        normalize: cosine if true, dot product if not.
        rows: instances to score, in every view; the others are candidates only.

    Shape:
        Output is a scalar, or ``(v n,)`` with ``reduction="none"``, view by view.

    Returns:
        The loss, >= 0, in float32 or better.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes, temperature, aggregation, fewer than 2 views or instances.

    Relations:
        NT-Xent at v = 2, in both forms; log(1 + v (n - 1)) when all rows are equal.

    >>> round(float(pvc(torch.eye(2).repeat(2, 1, 1), temperature=1.0)), 4)  # log(1 + 2/e)
    0.5514
    """
    check_reduction(reduction)
    check_temperature(temperature)
    check_choice("aggregation", aggregation, get_args(Aggregation))
    unit = prepared_views(views, normalize=normalize)
    count, anchors = len(unit), anchor_rows(rows, unit.shape[1])
    negatives = _all_view_negatives(unit, temperature, anchors, rows is None)  # (v, a)
    logits = instance_products(unit[:, anchors.start : anchors.stop]) / temperature  # (a, v, v)
    others = ~torch.eye(count, dtype=torch.bool, device=unit.device)
    logits = logits[:, others].reshape(len(anchors), count, count - 1)
    losses = softplus(negatives.T[:, :, None] - logits)  # (a, v, v - 1)
    if aggregation == "geometric":
        terms = losses.mean(dim=2)
    else:
        terms = losses.new_tensor(float(count - 1)).log() - (-losses).logsumexp(dim=2)
    return reduce(terms.T.flatten(), reduction)


def _pair_logits(unit: Tensor, temperature: float | Tensor) -> Tensor:
    """Similarities of the v (v - 1) / 2 pairs of views of each instance, ``(n, pairs)``."""
    first, second = torch.triu_indices(len(unit), len(unit), offset=1, device=unit.device)
    return instance_products(unit)[:, first, second] / temperature


def _all_view_negatives(unit: Tensor, temperature: float | Tensor, anchors: range, whole: bool) -> Tensor:
    """Log-sum-exp of each anchor over the views of all other instances, ``(v, a)``."""
    views, count, width = unit.shape
    flat = unit.reshape(views * count, width)
    own = anchors_of_views(anchors, count, views, unit.device)
    shifts = count * torch.arange(views, device=unit.device)
    instance = (own % count)[:, None] + shifts  # (v a, v): every view of the anchor's instance
    total = similarity_logsumexp(flat if whole else flat[own], flat, temperature=temperature, exclude=instance)
    return total.reshape(views, len(anchors))


def _other_view_negatives(unit: Tensor, temperature: float | Tensor, anchors: range, whole: bool) -> Tensor:
    """Log-sum-exp over the other instances in other views, one row for each ordered pair of views."""
    own = torch.arange(anchors.start, anchors.stop, device=unit.device)
    parts: list[Tensor] = []
    for first in range(len(unit)):
        for second in range(first + 1, len(unit)):
            a, b = unit[first], unit[second]
            if whole:  # both directions share one matrix
                parts += cross_logsumexp(a, b, temperature=temperature, exclude=own)
            else:
                mine = slice(anchors.start, anchors.stop)
                parts.append(similarity_logsumexp(a[mine], b, temperature=temperature, exclude=own))
                parts.append(similarity_logsumexp(b[mine], a, temperature=temperature, exclude=own))
    return torch.stack(parts)


class MVInfoNCELoss(SoftmaxLoss):
    """`mv_info_nce` with its settings."""

    def __init__(
        self,
        *,
        temperature: float = 0.5,
        reduction: Reduction = "mean",
        same_view_negatives: bool = True,
        normalize: bool = True,
    ) -> None:
        super().__init__(temperature=temperature, reduction=reduction, normalize=normalize)
        self.same_view_negatives = same_view_negatives

    def forward(self, views: Float[Tensor, "v n d"], *, rows: slice | None = None) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `mv_info_nce`."""
        return mv_info_nce(
            views,
            temperature=self.temperature,
            reduction=self.reduction,
            same_view_negatives=self.same_view_negatives,
            normalize=self.normalize,
            rows=rows,
        )


class MVDHELLoss(SoftmaxLoss):
    """`mv_dhel` with its settings."""

    def __init__(self, *, temperature: float = 0.5, reduction: Reduction = "mean", normalize: bool = True) -> None:
        super().__init__(temperature=temperature, reduction=reduction, normalize=normalize)

    def forward(self, views: Float[Tensor, "v n d"], *, rows: slice | None = None) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `mv_dhel`."""
        return mv_dhel(
            views, temperature=self.temperature, reduction=self.reduction, normalize=self.normalize, rows=rows
        )


class PVCLoss(SoftmaxLoss):
    """`pvc` with its settings."""

    def __init__(
        self,
        *,
        temperature: float = 0.5,
        reduction: Reduction = "mean",
        aggregation: Aggregation = "geometric",
        normalize: bool = True,
    ) -> None:
        super().__init__(temperature=temperature, reduction=reduction, normalize=normalize)
        check_choice("aggregation", aggregation, get_args(Aggregation))
        self.aggregation: Aggregation = aggregation

    def forward(self, views: Float[Tensor, "v n d"], *, rows: slice | None = None) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `pvc`."""
        return pvc(
            views,
            temperature=self.temperature,
            reduction=self.reduction,
            aggregation=self.aggregation,
            normalize=self.normalize,
            rows=rows,
        )
