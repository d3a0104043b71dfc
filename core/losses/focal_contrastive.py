"""Focal supervised contrast: SupCon whose positives weigh less the better they are found; classes or soft labels."""

from typing import Literal, get_args

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from core.checks import (
    check_at_least,
    check_choice,
    check_embeddings,
    check_labels,
    check_not_negative,
    check_temperature,
)
from core.losses.normalisation import unit_rows
from core.losses.rows import anchor_rows, anchors_of_views
from core.similarity import similarity_logsumexp
from core.similarity.block_logits import block_logits

__all__ = [
    "FocalContrastiveLoss",
    "FocalReduction",
    "focal_contrastive",
    "label_groups",
]

FocalReduction = Literal["mean", "sum", "none", "official"]

BLOCK = 256
"""Anchors whose logits to the rows of their classes are held at once."""


def focal_contrastive(
    v: Float[Tensor, "n d"] | Float[Tensor, "v n d"],
    targets: Int64[Tensor, " n"] | Float[Tensor, "n c"],
    *,
    temperature: float | Float[Tensor, ""] = 0.07,
    reduction: FocalReduction = "mean",
    gamma: float = 1.0,
    detach_weight: bool = False,
    label_tolerance: float = 1e-5,
    rows: slice | None = None,
) -> Float[Tensor, "..."]:
    """Focal contrastive loss of Core-tuning: SupCon with a weight on the positives that are hard to find.

    Zhang et al. 2021, arXiv 2102.06605; P(i) are the other rows with i's label::

        p_ij = softmax_{k != i}(v_i.v_k / t)_j
        L_i = -1/|P(i)| sum_{j in P(i)} (1 - p_ij)^gamma log p_ij

    Rows with soft labels are positives of each other if their label vectors are equal: a mixture within a class belongs
    to it, one of two classes is a negative for all but mixtures of the same classes in the same shares. (Clipped shares
    are often the same: `core.samplers.HardPairMixup` puts most of its negatives at exactly 0.8.) Positives are compared
    class by class, in blocks of anchors and again in the backward pass: memory is linear in n.

    Args:
        v: rows, or v views of n rows; normalised here.
        targets: class of each row, or a label vector for each; views of a row share it.
        temperature: t > 0; the released code takes 0.07. A scalar tensor gets a gradient.
        reduction: "mean" over anchors that have a positive, "sum", "none", or "official": that mean with the terms of
            an anchor divided by the number of rows instead of |P(i)|, as the released code does.
        gamma: >= 0; 0 is SupCon, the paper has 1.
        detach_weight: stop the gradient through the weight; the released code does not.
        label_tolerance: label vectors count as equal if no coordinate differs by more than this, >= 0. Steps of that
            size add up: coordinates that lie so close one after the other are one.
        rows: rows to score, in every view; the others are candidates only. Means over equal shares average to the mean
            over the whole batch, whatever share the skipped anchors fall in.

    Shape:
        Output is a scalar, or ``(n,)`` or ``(v n,)`` (view by view) with ``reduction="none"``; there anchors without a
        positive are 0.

    Returns:
        The loss, >= 0, in float32 or better; 0 if no anchor has a positive.

    Raises:
        TypeError: integer embeddings, targets that are neither int64 classes nor floating vectors.
        ValueError: shapes, settings, label vectors that are not finite, a single row.

    Relations:
        `sup_con` at gamma = 0, and below it elsewhere. A single positive with p near 1 costs (1 - p)^(1 + gamma).

    Notes:
        The released code compares soft labels through sums of c-th powers of 10 in float32, which collide; here the
        vectors are compared.

    >>> v = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    >>> [round(x, 4) for x in focal_contrastive(v, torch.tensor([0, 0, 1]), temperature=1.0, reduction="none").tolist()]
    [0.1151, 0.2693, 0.0]
    """
    check_choice("reduction", reduction, get_args(FocalReduction))
    check_temperature(temperature)
    check_not_negative("gamma", gamma)
    check_embeddings("v", v, dims=(2, 3))
    count, views = v.shape[-2], len(v) if v.dim() == 3 else 1
    group, sizes = label_groups(targets, count, tolerance=label_tolerance)
    check_at_least("the number of rows", count * views, 2, "an anchor needs other rows; drop the last batch")

    unit = unit_rows(v.reshape(views * count, v.shape[-1]))
    group, sizes = group.repeat(views), sizes * views
    own = anchors_of_views(anchor_rows(rows, count), count, views, v.device)
    anchor = unit if rows is None else unit[own]
    total = similarity_logsumexp(anchor, unit, temperature=temperature, exclude=own)

    members = torch.argsort(group, stable=True)  # rows, class by class: the positives of a block are one stretch
    ends = sizes.cumsum(0)
    turn = torch.argsort(group[own], stable=True)
    parts = []
    for block in turn.split(BLOCK):
        anchors = own[block]
        stretch = members[int((ends - sizes)[group[anchors[0]]]) : int(ends[group[anchors[-1]]])]
        parts.append(
            checkpoint(
                *(_block, unit, group, anchors, stretch, total[block], temperature, gamma, detach_weight),
                use_reentrant=False,
                preserve_rng_state=False,
            )
        )
    sums = torch.zeros_like(total).index_copy(0, turn, torch.cat(parts))

    others = (sizes - 1)[group]  # (v n,) positives of each row
    terms = sums / (len(unit) if reduction == "official" else others[own].clamp(min=1))
    if reduction == "none":
        return terms
    if reduction == "sum":
        return terms.sum()
    return terms.sum() * (len(unit) / len(own) / max(int((others > 0).sum()), 1))


def _block(
    unit: Tensor,
    group: Tensor,
    anchors: Tensor,
    stretch: Tensor,
    total: Tensor,
    temperature: float | Tensor,
    gamma: float,
    detach_weight: bool,
) -> Tensor:
    """Sum over the positives of some anchors, ``(b,)``; ``stretch`` holds the rows of all their classes."""
    with torch.autocast(unit.device.type, enabled=False):
        logits = block_logits(unit[anchors], unit[stretch]) / temperature
        positive = (group[anchors, None] == group[stretch]) & (anchors[:, None] != stretch)
        # -log p, 0 for what is no positive; rounding may leave a p just above 1.
        surprise = torch.where(positive, total[:, None] - logits, 0.0).clamp(min=0)
        if gamma == 0:
            return surprise.sum(dim=1)
        # At 1 - p = 0 a power below 1 has no derivative, but its product with log p has: 0.
        rest = (-torch.expm1(-surprise)).clamp(min=torch.finfo(surprise.dtype).tiny)
        weight = rest.detach().pow(gamma) if detach_weight else rest.pow(gamma)
        return (weight * surprise).sum(dim=1)


def label_groups(
    targets: Int64[Tensor, " n"] | Float[Tensor, "n c"], count: int, *, tolerance: float
) -> tuple[Int64[Tensor, " n"], Int64[Tensor, " g"]]:
    """Number the rows with equal labels alike, and count each group.

    Coordinates are compared one by one: the values of each are sorted and cut at gaps above ``tolerance``. Work is
    that of sorting, so no pair of rows is formed.

    Args:
        targets: classes, or label vectors.
        count: rows that there must be.
        tolerance: >= 0, of a coordinate.

    Raises:
        TypeError: neither int64 nor floating.
        ValueError: shapes, vectors that are not finite, a negative tolerance.

    >>> label_groups(torch.tensor([[0.0, 1.0], [0.3, 0.7], [1e-7, 1.0]]), 3, tolerance=1e-5)[0].tolist()
    [0, 1, 0]
    """
    check_not_negative("label_tolerance", tolerance)
    if targets.dim() == 2 and targets.is_floating_point():
        if len(targets) != count or targets.shape[1] == 0:
            raise ValueError(f"targets must be ({count}, c), a label vector for each row, got {tuple(targets.shape)}")
        if not bool(targets.isfinite().all()):
            raise ValueError("targets must be finite: a label vector holds NaN or infinity")
        values, order = targets.detach().sort(dim=0)
        cut = torch.zeros_like(order)
        cut[1:] = values.diff(dim=0) > tolerance
        labels = torch.zeros_like(order).scatter(0, order, cut.cumsum(0))
        _, group, sizes = torch.unique(labels, dim=0, return_inverse=True, return_counts=True)
        return group, sizes
    if targets.is_floating_point():
        raise TypeError(
            f"targets must be int64 classes ({count},) or floating label vectors ({count}, c), got {targets.dtype} of "
            f"shape {tuple(targets.shape)}"
        )
    check_labels(targets, count)
    _, group, sizes = torch.unique(targets, return_inverse=True, return_counts=True)
    return group, sizes


class FocalContrastiveLoss(nn.Module):
    """`focal_contrastive` with its settings."""

    def __init__(
        self,
        *,
        temperature: float = 0.07,
        reduction: FocalReduction = "mean",
        gamma: float = 1.0,
        detach_weight: bool = False,
        label_tolerance: float = 1e-5,
    ) -> None:
        super().__init__()
        check_temperature(temperature)
        check_choice("reduction", reduction, get_args(FocalReduction))
        check_not_negative("gamma", gamma)
        check_not_negative("label_tolerance", label_tolerance)
        self.temperature = temperature
        self.reduction: FocalReduction = reduction
        self.gamma = gamma
        self.detach_weight = detach_weight
        self.label_tolerance = label_tolerance

    def extra_repr(self) -> str:
        """Every setting by name."""
        return (
            f"temperature={self.temperature}, reduction={self.reduction!r}, gamma={self.gamma}, "
            f"detach_weight={self.detach_weight}, label_tolerance={self.label_tolerance}"
        )

    def forward(
        self,
        v: Float[Tensor, "n d"] | Float[Tensor, "v n d"],
        targets: Int64[Tensor, " n"] | Float[Tensor, "n c"],
        *,
        rows: slice | None = None,
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `focal_contrastive`."""
        return focal_contrastive(
            v,
            targets,
            temperature=self.temperature,
            reduction=self.reduction,
            gamma=self.gamma,
            detach_weight=self.detach_weight,
            label_tolerance=self.label_tolerance,
            rows=rows,
        )
