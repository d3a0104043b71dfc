"""Global contrast of volumetric scans: slices of one partition show the same anatomy and do not repel each other."""

from typing import Literal, get_args

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from core.checks import check_at_least, check_choice, check_embeddings, check_temperature
from core.losses.complement_logsumexp import complement_logsumexp
from core.losses.normalisation import unit_rows
from core.losses.pair_terms import softplus
from core.losses.reduction import Reduction, check_reduction, reduce
from core.losses.rows import anchor_rows, anchors_of_views
from core.losses.stacked_views import instance_products

__all__ = ["DomainContrastLoss", "DomainStrategy", "domain_contrast"]

DomainStrategy = Literal["random", "domain_negatives", "domain"]

BLOCK = 1 << 21
"""Similarities held at once while partners are compared: 8 MB in float32."""


def domain_contrast(
    z: Float[Tensor, "v n d"],
    partition: Int64[Tensor, " n"],
    volume: Int64[Tensor, " n"],
    match: Int64[Tensor, " n"] | None = None,
    *,
    temperature: float | Float[Tensor, ""] = 0.1,
    reduction: Reduction = "mean",
    strategy: DomainStrategy = "domain",
    rows: slice | None = None,
) -> Float[Tensor, "..."]:
    """Contrast of slices that knows where in the body they lie.

    Chaitanya et al. 2020, arXiv 2006.10511, eq. 1, for each positive pair (a, b) and the negatives N of a::

        l(a, b) = -log( exp(cos(z_a, z_b) / t) / (exp(cos(z_a, z_b) / t) + sum_{n in N} exp(cos(z_a, z_n) / t)) )

    - "random" (G^R): positives are the other views of the slice, negatives all other slices.
    - "domain_negatives" (G^D-): the same positives; negatives are the slices of other partitions only. Slices of the
      same partition of other volumes are neither.
    - "domain" (G^D): besides, slices of the same partition of other volumes are positives, view by view.

    The other positives of an anchor are never in its denominator. The loss is the sum of all terms, each pair both
    ways, divided by the number of images v n; it is not the mean over terms.

    Args:
        z: v views of n slices: in the paper two transforms ("random"), the slice and two transforms
            ("domain_negatives"), the slice and one transform ("domain"). Normalised here.
        partition: which part of its volume each slice comes from, equal parts counted along the body. Volumes must be
            aligned first. "random" does not read it.
        volume: which volume each slice comes from; only "domain" reads it.
        match: "domain" takes as partners only slices with the same number here. The paper draws two sets of volumes and
            pairs their slices; number the volumes of each set alike for that. None pairs all volumes.
        temperature: t > 0; 0.1 in the released code. A scalar tensor gets a gradient.
        reduction: "mean" over images, "sum", or "none", the sum of each image's terms.
        strategy: which images are positives and negatives.
        rows: slices to score, in all views; the others are candidates only (`core.distributed.GatheredLoss` sets it).

    Shape:
        Output is a scalar, or ``(v n,)``, view by view, with ``reduction="none"`` (as many as ``rows`` selects).

    Returns:
        The loss, >= 0, in float32 or better. An image without negatives costs 0.

    Raises:
        TypeError: integer embeddings, labels that are not int64.
        ValueError: shapes, settings, fewer than 2 views, "random" with 1 slice, "domain" without any partners.

    Relations:
        "random" with two views is NT-Xent, and so is "domain_negatives" with every slice in a partition of its own.
        log(1 + |N|) for each term when all rows are equal.

    Notes:
        The released G^D draws both sets independently, so that partners can come from one volume, and fills a part of
        its batch with zero images; its filter of negatives is right for 4 partitions only. None of this is repeated.

    >>> z = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).repeat(2, 1, 1)
    >>> where = torch.tensor([0, 1])
    >>> round(float(domain_contrast(z, where, where, temperature=1.0, strategy="domain_negatives")), 4)  # log(1 + 2/e)
    0.5514
    """
    check_reduction(reduction)
    check_temperature(temperature)
    check_choice("strategy", strategy, get_args(DomainStrategy))
    check_embeddings("z", z, dims=(3,))
    views, count = z.shape[:2]
    check_at_least("the number of views", views, 2, "the positives of a slice are its other views")
    check_at_least("the number of slices", count, 2 if strategy == "random" else 1, "the others are the negatives")
    _check_groups(count, partition=partition, volume=volume, **({} if match is None else {"match": match}))
    anchors = anchor_rows(rows, count)
    unit = unit_rows(z)
    group = torch.arange(count, device=z.device) if strategy == "random" else partition
    own = anchors_of_views(anchors, count, views, z.device)
    negatives = complement_logsumexp(
        unit.flatten(0, 1), group.repeat(views), temperature=temperature, anchors=None if rows is None else own
    ).reshape(views, len(anchors))
    products = instance_products(unit[:, anchors.start : anchors.stop]) / temperature  # (a, v, v)
    others = ~torch.eye(views, dtype=torch.bool, device=z.device)
    positives = products[:, others].reshape(len(anchors), views, views - 1)
    terms = softplus(negatives.T[:, :, None] - positives).sum(dim=2).T  # (v, a)
    if strategy == "domain":
        kind = _kinds(partition, match)
        _check_partners(kind, volume)
        terms = terms + torch.stack(
            [_partner_terms(unit[v], negatives[v], anchors, kind, volume, temperature) for v in range(views)]
        )
    return reduce(terms.flatten(), reduction)


def _check_groups(count: int, **groups: Tensor) -> None:
    for name, value in groups.items():
        if value.dtype != torch.int64:
            raise TypeError(f"{name} must be int64, got {value.dtype}; convert it with .long()")
        if value.shape != (count,):
            raise ValueError(f"{name} must have shape ({count},), one number per slice, got {tuple(value.shape)}")


def _kinds(partition: Tensor, match: Tensor | None) -> Tensor:
    """One number for each partition, or for each partition and match: slices that may be partners share it."""
    if match is None:
        return partition
    _, kinds = torch.unique(torch.stack([partition, match], dim=1), dim=0, return_inverse=True)
    joined: Tensor = kinds
    return joined


def _check_partners(kind: Tensor, volume: Tensor) -> None:
    found = torch.unique(torch.stack([kind, volume], dim=1), dim=0)[:, 0]
    if len(torch.unique(found)) == len(found):
        raise ValueError(
            "strategy='domain' needs slices of one partition from two volumes (with equal match, if given), and the "
            "batch has none; draw two volumes or more, or take strategy='domain_negatives'"
        )


def _partner_terms(
    view: Tensor, negatives: Tensor, anchors: range, kind: Tensor, volume: Tensor, temperature: float | Tensor
) -> Tensor:
    """Sum of the terms of each anchor with its partners in the same view, ``(a,)``, in blocks of anchors."""
    step = max(1, BLOCK // len(view))
    parts = []
    for start in range(anchors.start, anchors.stop, step):
        block = slice(start, min(start + step, anchors.stop))
        given = negatives[block.start - anchors.start : block.stop - anchors.start]
        parts.append(
            checkpoint(
                *(_block, view, given, block, kind, volume, temperature), use_reentrant=False, preserve_rng_state=False
            )
        )
    return torch.cat(parts)


def _block(
    view: Tensor, negatives: Tensor, block: slice, kind: Tensor, volume: Tensor, temperature: float | Tensor
) -> Tensor:
    with torch.autocast(view.device.type, enabled=False):
        positives = view[block] @ view.T / temperature  # (b, n)
    partners = (kind[block, None] == kind) & (volume[block, None] != volume)
    return torch.where(partners, softplus(negatives[:, None] - positives), 0.0).sum(dim=1)


class DomainContrastLoss(nn.Module):
    """`domain_contrast` with its settings."""

    def __init__(
        self, *, temperature: float = 0.1, reduction: Reduction = "mean", strategy: DomainStrategy = "domain"
    ) -> None:
        super().__init__()
        check_temperature(temperature)
        check_reduction(reduction)
        check_choice("strategy", strategy, get_args(DomainStrategy))
        self.temperature = temperature
        self.reduction: Reduction = reduction
        self.strategy: DomainStrategy = strategy

    def extra_repr(self) -> str:
        """Every setting by name."""
        return f"temperature={self.temperature}, reduction={self.reduction!r}, strategy={self.strategy!r}"

    def forward(
        self,
        z: Float[Tensor, "v n d"],
        partition: Int64[Tensor, " n"],
        volume: Int64[Tensor, " n"],
        match: Int64[Tensor, " n"] | None = None,
        *,
        rows: slice | None = None,
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `domain_contrast`."""
        return domain_contrast(
            z,
            partition,
            volume,
            match,
            temperature=self.temperature,
            reduction=self.reduction,
            strategy=self.strategy,
            rows=rows,
        )
