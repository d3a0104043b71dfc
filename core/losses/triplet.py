"""Triplets: an anchor nearer to its positive than to a negative, by a margin."""

from typing import Literal, get_args

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from core.checks import check_choice, check_embeddings, check_labels
from core.losses.normalisation import full_precision, unit_rows
from core.losses.pair_terms import softplus

__all__ = ["TripletLoss", "triplet"]

Mining = Literal["all", "batch_hard", "semi_hard"]
Distance = Literal["cosine", "euclidean"]
TripletReduction = Literal["mean", "mean_nonzero", "sum", "none"]

BLOCK = 1 << 21
"""Numbers held at once while triplets are compared: 8 MB in float32."""


def triplet(
    z: Float[Tensor, "n d"] | Float[Tensor, "v n d"],
    labels: Int64[Tensor, " n"],
    *,
    margin: float | None = 0.05,
    reduction: TripletReduction = "mean_nonzero",
    mining: Mining = "all",
    distance: Distance = "cosine",
) -> Float[Tensor, "..."]:
    """Triplet loss over the triplets of a labelled batch.

    Schroff et al. 2015 (FaceNet), arXiv 1503.03832; batch-hard mining and the soft margin: Hermans et al. 2017,
    arXiv 1703.07737, eq. 5. For anchor a, positive p, negative n::

        max(0, d(a, p) - d(a, n) + margin)     or     softplus(d(a, p) - d(a, n))

    "all" takes every triplet, "semi_hard" those with d(a, p) < d(a, n) < d(a, p) + margin, "batch_hard" the farthest
    positive and the nearest negative of each anchor. Triplets are compared in blocks of anchors and again in the
    backward pass, so memory stays linear in n; time is (pairs with equal labels) times n.

    Args:
        z: rows, or stacked views of the same instances; normalised here for the cosine distance, taken as they are for
            the Euclidean one.
        labels: class of each row, or of each instance.
        margin: >= 0, in units of the distance; ``None`` takes the softplus form, which semi-hard mining cannot.
        reduction: over the mined triplets: "mean", "mean_nonzero" (those with loss above 0), "sum", or "none".
        mining: which triplets count.
        distance: "cosine" is 1 - cos, in [0, 2].

    Shape:
        Output is a scalar; with ``reduction="none"`` ``(n,)``, the sum over each anchor's triplets; for views
        ``(v n,)``, view by view.

    Returns:
        The loss, >= 0, in float32 or better; 0 if no triplet is mined. Equal rows are at Euclidean distance 0, with
        gradient 0.

    Raises:
        TypeError: integer embeddings, labels that are not int64.
        ValueError: shapes, margin, or a batch that holds no triplet at all.

    >>> z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])  # d(a, p) = 1, d(a, n) = 0 for the first anchor
    >>> triplet(z, torch.tensor([0, 0, 1]), margin=0.5, reduction="none").tolist()
    [1.5, 0.5, 0.0]
    """
    check_choice("reduction", reduction, get_args(TripletReduction))
    _check_settings(margin, mining, distance)
    check_embeddings("z", z, dims=(2, 3))
    check_labels(labels, z.shape[-2])
    if z.dim() == 3:
        z, labels = z.flatten(0, 1), labels.repeat(len(z))
    _, group, sizes = torch.unique(labels, return_inverse=True, return_counts=True)
    if len(sizes) < 2 or int(sizes.max()) < 2:
        raise ValueError(
            f"labels hold no triplet: it takes two rows of one class and one of another, got {len(z)} rows in "
            f"{len(sizes)} classes"
        )
    unit = unit_rows(z) if distance == "cosine" else full_precision(z)
    widest = 1 if mining == "batch_hard" else int(sizes.max())
    step = max(1, BLOCK // (len(z) * widest))
    sums, mined, nonzero = [], 0, 0
    for start in range(0, len(z), step):
        anchors = slice(start, min(start + step, len(z)))
        losses, found, active = checkpoint(
            _block, unit, group, anchors, margin, mining, distance, use_reentrant=False, preserve_rng_state=False
        )
        sums.append(losses)
        mined += int(found)
        nonzero += int(active)
    terms = torch.cat(sums)
    if reduction == "none":
        return terms
    if reduction == "sum":
        return terms.sum()
    return terms.sum() / max(1, mined if reduction == "mean" else nonzero)


def _check_settings(margin: float | None, mining: str, distance: str) -> None:
    check_choice("mining", mining, get_args(Mining))
    check_choice("distance", distance, get_args(Distance))
    if margin is not None and not margin >= 0:
        raise ValueError(f"margin must be >= 0 or None for the softplus form, got {margin!r}")
    if margin is None and mining == "semi_hard":
        raise ValueError("mining='semi_hard' needs a margin, which says how far it looks; got margin=None")


def _block(
    unit: Tensor, group: Tensor, anchors: slice, margin: float | None, mining: Mining, distance: Distance
) -> tuple[Tensor, Tensor, Tensor]:
    """Sum of each anchor's triplets, and how many were mined and are above 0."""
    far = _distances(unit[anchors], unit, distance)  # (b, n)
    same = group[anchors, None] == group
    others = ~same
    positives = same.clone()
    positives[torch.arange(len(far)), torch.arange(anchors.start, anchors.stop)] = False
    if mining == "batch_hard":
        valid = positives.any(dim=1) & others.any(dim=1)
        hardest = far.masked_fill(~positives, -torch.inf).amax(dim=1)
        nearest = far.masked_fill(~others, torch.inf).amin(dim=1)
        gap = torch.where(valid, hardest, 0.0) - torch.where(valid, nearest, 0.0)
        terms = torch.where(valid, _penalty(gap, margin), 0.0)
        return terms, valid.sum(), (terms > 0).sum()
    anchor, positive = positives.nonzero(as_tuple=True)
    gap = far[anchor, positive][:, None] - far[anchor]  # (pairs, n)
    valid = others[anchor]
    if mining == "semi_hard" and margin is not None:
        valid = valid & (gap < 0) & (gap > -margin)
    terms = torch.where(valid, _penalty(gap, margin), 0.0)
    sums = far.new_zeros(len(far)).index_add(0, anchor, terms.sum(dim=1))
    return sums, valid.sum(), (terms > 0).sum()


def _penalty(gap: Tensor, margin: float | None) -> Tensor:
    return softplus(gap) if margin is None else (gap + margin).clamp(min=0)


def _distances(a: Tensor, b: Tensor, distance: Distance) -> Tensor:
    with torch.autocast(a.device.type, enabled=False):
        if distance == "cosine":
            return 1 - a @ b.T
        # Not by the Gram matrix: it gives nearby rows a distance of 1e-3 where it is 0, and a gradient to match.
        return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


class TripletLoss(nn.Module):
    """`triplet` with its settings."""

    def __init__(
        self,
        *,
        margin: float | None = 0.05,
        reduction: TripletReduction = "mean_nonzero",
        mining: Mining = "all",
        distance: Distance = "cosine",
    ) -> None:
        super().__init__()
        check_choice("reduction", reduction, get_args(TripletReduction))
        _check_settings(margin, mining, distance)
        self.margin = margin
        self.reduction: TripletReduction = reduction
        self.mining: Mining = mining
        self.distance: Distance = distance

    def forward(
        self, z: Float[Tensor, "n d"] | Float[Tensor, "v n d"], labels: Int64[Tensor, " n"]
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `triplet`."""
        return triplet(
            z,
            labels,
            margin=self.margin,
            reduction=self.reduction,
            mining=self.mining,
            distance=self.distance,
        )
