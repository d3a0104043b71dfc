"""Rank-N-Contrast: embeddings whose distances follow the order of the distances of a continuous target."""

from collections.abc import Callable
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from core.checks import check_at_least, check_choice, check_embeddings, check_targets, check_temperature
from core.losses.normalisation import full_precision, unit_rows
from core.losses.reduction import Reduction, check_reduction, reduce
from core.losses.rows import anchor_rows, anchors_of_views
from core.similarity.block_logits import block_logits

__all__ = ["LabelDistance", "RankNContrastLoss", "RankSimilarity", "SupCRLoss", "rank_n_contrast"]

LabelDistance = Literal["l1"] | Callable[[Tensor, Tensor], Tensor]
RankSimilarity = Literal["l2", "cosine"]

BLOCK = 1 << 19
"""Pairs held at once: some ten numbers each, 20 MB in float32."""


def rank_n_contrast(
    z: Float[Tensor, "n d"] | Float[Tensor, "v n d"],
    targets: Float[Tensor, " n"] | Float[Tensor, "n 1"],
    *,
    temperature: float | Float[Tensor, ""] = 2.0,
    reduction: Reduction = "mean",
    label_distance: LabelDistance = "l1",
    similarity: RankSimilarity = "l2",
    rows: slice | None = None,
) -> Float[Tensor, "..."]:
    """Rank-N-Contrast loss, earlier called SupCR: a row is nearer to its anchor than all rows with farther targets.

    Zha et al. 2023, arXiv 2210.01189; d_ij is the distance of targets, s = -|z_i - z_j| and m the number of rows::

        L_i  = 1/(m - 1) sum_{j != i} -log( exp(s_ij / t) / sum_{k in S_ij} exp(s_ik / t) )
        S_ij = { k != i : d_ik >= d_ij }        which holds j and all ties

    One sort of the distances of an anchor and one running log-sum-exp give all its m - 1 denominators. Anchors go
    through in blocks, and again in the backward pass: memory is linear in m, time m^2 log m.

    Args:
        z: rows, or v views of n rows. As they are: nothing is normalised for "l2".
        targets: one number for each row; views of a row share it. They are compared exactly, so hand them over as they
            were measured: 30 and 32 are equally far from 31, standardised they need not be.
        temperature: t > 0; the released code takes 2. A scalar tensor gets a gradient.
        reduction: "mean" or "sum" over anchors, or "none".
        label_distance: "l1" is |y_i - y_j|. A function of targets ``(b, 1)`` and ``(1, m)`` that gives ``(b, m)`` may
            say otherwise, for instance round a circle. Only the order of distances from one anchor matters.
        similarity: "l2" is the negative Euclidean distance, "cosine" the cosine.
        rows: rows to score, in every view; the others are candidates only (`core.distributed.GatheredLoss` sets it).

    Shape:
        Output is a scalar, or ``(n,)`` or ``(v n,)`` (view by view) with ``reduction="none"``.

    Returns:
        The loss, >= 0, in float32 or better. Equal rows are at distance 0, with gradient 0.

    Raises:
        TypeError: integer embeddings or targets.
        ValueError: shapes, settings, targets that are not finite or not one number a row, a single row.

    Relations:
        With equal targets throughout it is SupCon of one class, over distances. A farthest row has no rival: its term
        is 0.

    Notes:
        With two views the other view of a row is at target distance 0, so it has all rows as rivals, as in the released
        code.

    >>> z = y = torch.tensor([0.0, 1.0, 3.0])
    >>> round(float(rank_n_contrast(z[:, None], y)), 4)
    0.2102
    """
    check_reduction(reduction)
    check_temperature(temperature)
    _check_settings(label_distance, similarity)
    check_embeddings("z", z, dims=(2, 3))
    count, views = z.shape[-2], len(z) if z.dim() == 3 else 1
    check_targets(targets, count)
    check_at_least("the number of rows", count * views, 2, "an anchor needs other rows; drop the last batch")

    flat = z.reshape(views * count, z.shape[-1])
    prepared = unit_rows(flat) if similarity == "cosine" else full_precision(flat)
    given = full_precision(targets.detach()).reshape(count).repeat(views)
    own = anchors_of_views(anchor_rows(rows, count), count, views, z.device)
    terms = [
        checkpoint(
            *(_block, prepared, given, anchors, temperature, label_distance, similarity),
            use_reentrant=False,
            preserve_rng_state=False,
        )
        for anchors in own.split(max(1, BLOCK // len(flat)))
    ]
    return reduce(torch.cat(terms), reduction)


def _check_settings(label_distance: object, similarity: str) -> None:
    if label_distance != "l1" and not callable(label_distance):
        raise ValueError(
            f"label_distance must be 'l1' or a function of targets (b, 1) and (1, m), got {label_distance!r}"
        )
    check_choice("similarity", similarity, get_args(RankSimilarity))


def _block(
    z: Tensor,
    targets: Tensor,
    anchors: Tensor,
    temperature: float | Tensor,
    label_distance: LabelDistance,
    similarity: RankSimilarity,
) -> Tensor:
    """Terms of some anchors, ``(b,)``."""
    with torch.autocast(z.device.type, enabled=False):
        near = _similarities(z[anchors], z, similarity) / temperature  # (b, m)
        far = _label_distances(targets[anchors, None], targets[None], label_distance)
        own = anchors[:, None]
        # The anchor itself is the nearest of all, and no candidate: it goes last, where nothing comes after it.
        far, order = far.scatter(1, own, -torch.inf).sort(dim=1, descending=True)
        ranked = near.gather(1, order[:, :-1])  # (b, m - 1)
        totals = ranked.logcumsumexp(dim=1).gather(1, _last_of_ties(far[:, :-1]))
        return (totals - ranked).mean(dim=1)


def _similarities(anchor: Tensor, z: Tensor, similarity: RankSimilarity) -> Tensor:
    if similarity == "cosine":
        return block_logits(anchor, z)
    # Not by the Gram matrix: it gives nearby rows a distance of 1e-3 where it is 0, and a gradient to match.
    return -torch.cdist(anchor, z, compute_mode="donot_use_mm_for_euclid_dist")


def _label_distances(anchor: Tensor, targets: Tensor, label_distance: LabelDistance) -> Tensor:
    if label_distance == "l1":
        return (anchor - targets).abs()
    far = label_distance(anchor, targets)
    expected = (len(anchor), targets.shape[1])
    if far.shape != expected or bool(far.isnan().any()):
        raise ValueError(
            f"label_distance must give numbers of shape {expected} for targets of shape {tuple(anchor.shape)} and "
            f"{tuple(targets.shape)}, got shape {tuple(far.shape)}{' with NaN' if far.isnan().any() else ''}"
        )
    return far if far.is_floating_point() else far.to(full_precision(anchor).dtype)


def _last_of_ties(ranked: Tensor) -> Tensor:
    """For each place of sorted rows the last place that holds the same value.

    >>> _last_of_ties(torch.tensor([[5.0, 3.0, 3.0, 1.0]])).tolist()
    [[0, 2, 2, 3]]
    """
    width = ranked.shape[1]
    place = torch.arange(width, device=ranked.device).expand_as(ranked)
    inside = torch.zeros_like(ranked, dtype=torch.bool)
    inside[:, :-1] = ranked[:, :-1] == ranked[:, 1:]
    return place.masked_fill(inside, width).flip(1).cummin(dim=1).values.flip(1)


class RankNContrastLoss(nn.Module):
    """`rank_n_contrast` with its settings."""

    def __init__(
        self,
        *,
        temperature: float = 2.0,
        reduction: Reduction = "mean",
        label_distance: LabelDistance = "l1",
        similarity: RankSimilarity = "l2",
    ) -> None:
        super().__init__()
        check_temperature(temperature)
        check_reduction(reduction)
        _check_settings(label_distance, similarity)
        self.temperature = temperature
        self.reduction: Reduction = reduction
        self.label_distance: LabelDistance = label_distance
        self.similarity: RankSimilarity = similarity

    def extra_repr(self) -> str:
        """Every setting by name."""
        return (
            f"temperature={self.temperature}, reduction={self.reduction!r}, label_distance={self.label_distance!r}, "
            f"similarity={self.similarity!r}"
        )

    def forward(
        self,
        z: Float[Tensor, "n d"] | Float[Tensor, "v n d"],
        targets: Float[Tensor, " n"] | Float[Tensor, "n 1"],
        *,
        rows: slice | None = None,
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `rank_n_contrast`."""
        return rank_n_contrast(
            z,
            targets,
            temperature=self.temperature,
            reduction=self.reduction,
            label_distance=self.label_distance,
            similarity=self.similarity,
            rows=rows,
        )


SupCRLoss = RankNContrastLoss
"""The earlier name of `RankNContrastLoss`, for the same loss."""
