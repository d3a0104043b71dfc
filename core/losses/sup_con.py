"""Supervised contrastive loss: every row with the same label is a positive."""

from typing import Literal, get_args

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from core.checks import check_at_least, check_choice, check_embeddings, check_labels, check_positive, check_temperature
from core.losses.group_logsumexp import group_logsumexp
from core.losses.normalisation import full_precision, unit_rows
from core.losses.reduction import Reduction, check_reduction
from core.losses.rows import anchor_rows, anchors_of_views
from core.losses.softmax_loss import SoftmaxLoss
from core.similarity import similarity_logsumexp

__all__ = ["Empty", "SupConLoss", "Variant", "sup_con"]

Variant = Literal["out", "in"]
Empty = Literal["skip", "zero", "error"]


def sup_con(
    z: Float[Tensor, "n d"] | Float[Tensor, "v n d"],
    labels: Int64[Tensor, " n"],
    *,
    temperature: float | Float[Tensor, ""] = 0.1,
    reduction: Reduction = "mean",
    variant: Variant = "out",
    empty: Empty = "skip",
    base_temperature: float | None = None,
    normalize: bool = True,
    rows: slice | None = None,
) -> Float[Tensor, "..."]:
    """Supervised contrastive loss over all rows, each an anchor.

    Khosla et al. 2020, arXiv 2004.11362, eq. 2 ("out") and eq. 3 ("in"); P(i) are the other rows with i's label::

        L_out = -1/|P| sum_p log softmax_{k != i}(z_i.z_k / t)_p
        L_in  = -log( 1/|P| sum_p softmax_{k != i}(z_i.z_k / t)_p )     <= L_out

    The released code multiplies by t / 0.07 and lets anchors without positives count as 0; here the factor is an
    option and such anchors are skipped. Sums over positives are sums over classes: no (n, n) mask is made.

    Args:
        z: rows, or v views of n rows; normalised here.
        labels: class of each row; views of a row share it.
        temperature: t > 0; the reference takes 0.07, pytorch-metric-learning 0.1. A scalar tensor gets a gradient.
        reduction: "mean" or "sum" over anchors, or "none".
        variant: where the mean over positives stands, outside the logarithm or inside.
        empty: anchors without a positive: left out of the mean ("skip"), counted as 0 in it ("zero"), or refused
            ("error"). With ``reduction="none"`` they are 0.
        base_temperature: multiply by temperature / base_temperature; the reference code has 0.07.
        normalize: cosine if true, dot product if not.
        rows: rows to score, in every view; the others are candidates only. Means over equal shares average to the mean
            over the whole batch, whatever share the skipped anchors fall in.

    Shape:
        Output is a scalar, or ``(n,)`` or ``(v n,)`` (view by view) with ``reduction="none"``.

    Returns:
        The loss, >= 0, in float32 or better; 0 if no anchor has a positive.

    Raises:
        TypeError: integer embeddings, labels that are not int64.
        ValueError: shapes, temperature, variant, a single row, anchors without positives (if asked).

    Relations:
        NT-Xent where every label comes twice; both variants agree where each anchor has one positive.

    >>> z, labels = torch.eye(2).repeat(2, 1), torch.tensor([0, 1, 0, 1])
    >>> round(float(sup_con(z, labels, temperature=1.0)), 4)  # log(1 + 2/e)
    0.5514
    """
    check_reduction(reduction)
    check_choice("variant", variant, get_args(Variant))
    check_choice("empty", empty, get_args(Empty))
    check_temperature(temperature)
    check_embeddings("z", z, dims=(2, 3))
    count, views = z.shape[-2], len(z) if z.dim() == 3 else 1
    check_labels(labels, count)
    check_at_least("the number of rows", count * views, 2, "an anchor needs other rows; drop the last batch")

    anchors = anchor_rows(rows, count)
    flat = z.reshape(views * count, z.shape[-1])
    unit = unit_rows(flat) if normalize else full_precision(flat)
    own = anchors_of_views(anchors, count, views, z.device)
    _, group, sizes = torch.unique(labels.repeat(views), return_inverse=True, return_counts=True)
    others = (sizes - 1)[group]  # (v n,) positives of each row
    if empty == "error" and not others.all():
        raise ValueError(
            f"{int((others == 0).sum())} of {len(others)} rows have no other row with their label; sample classes "
            "so that each comes twice, or pass empty='skip'"
        )

    anchor = unit if rows is None else unit[own]
    total = similarity_logsumexp(anchor, unit, temperature=temperature, exclude=own)
    if variant == "out":
        sums = unit.new_zeros(len(sizes), unit.shape[1]).index_add(0, group, unit)[group[own]]
        positive = (anchor * (sums - anchor)).sum(dim=1) / others[own].clamp(min=1) / temperature
    else:
        inside = group_logsumexp(unit, group, sizes, temperature=temperature)[own]
        positive = inside - others[own].clamp(min=1).to(unit.dtype).log()
    terms = torch.where(others[own] > 0, total - positive, 0.0)
    if base_temperature is not None:
        check_positive("base_temperature", base_temperature, usual="0.07")
        terms = terms * (temperature / base_temperature)
    if reduction == "none":
        return terms
    if reduction == "sum":
        return terms.sum()
    counted = int((others > 0).sum()) if empty == "skip" else len(others)
    return terms.sum() * (len(others) / len(own) / max(counted, 1))


class SupConLoss(SoftmaxLoss):
    """`sup_con` with its settings."""

    def __init__(
        self,
        *,
        temperature: float = 0.1,
        reduction: Reduction = "mean",
        variant: Variant = "out",
        empty: Empty = "skip",
        base_temperature: float | None = None,
        normalize: bool = True,
    ) -> None:
        super().__init__(temperature=temperature, reduction=reduction, normalize=normalize)
        check_choice("variant", variant, get_args(Variant))
        check_choice("empty", empty, get_args(Empty))
        if base_temperature is not None:
            check_positive("base_temperature", base_temperature, usual="0.07")
        self.variant: Variant = variant
        self.empty: Empty = empty
        self.base_temperature = base_temperature

    def forward(
        self,
        z: Float[Tensor, "n d"] | Float[Tensor, "v n d"],
        labels: Int64[Tensor, " n"],
        *,
        rows: slice | None = None,
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `sup_con`."""
        return sup_con(
            z,
            labels,
            temperature=self.temperature,
            reduction=self.reduction,
            variant=self.variant,
            empty=self.empty,
            base_temperature=self.base_temperature,
            normalize=self.normalize,
            rows=rows,
        )
