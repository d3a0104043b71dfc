"""SimCSE: each sentence against all second views, and with labels against all hard negatives too."""

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from core.checks import check_paired, check_temperature
from core.losses.info_nce import info_nce
from core.losses.normalisation import full_precision, unit_rows
from core.losses.pair_terms import checked_ids, softplus
from core.losses.reduction import Reduction, check_reduction, reduce
from core.losses.rows import anchor_rows, columns, other_members
from core.losses.softmax_loss import SoftmaxLoss
from core.similarity import similarity_logsumexp

__all__ = ["SimCSELoss", "sim_cse"]


def sim_cse(
    query: Float[Tensor, "n d"],
    key: Float[Tensor, "n d"],
    hard_negatives: Float[Tensor, "n d"] | None = None,
    *,
    temperature: float | Float[Tensor, ""] = 0.05,
    reduction: Reduction = "mean",
    hard_negative_weight: float = 0.0,
    ids: Int64[Tensor, " n"] | None = None,
    normalize: bool = True,
    rows: slice | None = None,
) -> Float[Tensor, "..."]:
    """SimCSE: cross-entropy of each sentence over all positives and all hard negatives of the batch.

    Gao et al. 2021, arXiv 2104.08821; z+ are second views or entailed sentences, z- contradictions::

        L_i = -log( e^{z_i.z+_i / t} / sum_j ( e^{z_i.z+_j / t} + e^{w [i = j]} e^{z_i.z-_j / t} ) )

    Without hard negatives it is the unsupervised form: the same batch twice through an encoder in training mode, in one
    forward pass so that the dropout masks differ. In eval mode both views are equal and the loss teaches nothing.

    Args:
        query: anchors; normalised here.
        key: second views or positives, row by row; normalised here.
        hard_negatives: one for each row, a candidate of all; normalised here.
        temperature: t > 0. A scalar tensor gets a gradient.
        reduction: "mean" or "sum" over anchors, or "none".
        hard_negative_weight: w, any finite number, added to the logit of a row's own hard negative; it does not
            multiply the similarity. Needs ``hard_negatives``, unless it is 0.
        ids: rows with the same id are the same sentence; their positives are no negatives of each other.
        normalize: cosine if true, dot product if not.
        rows: anchors to score; the others are candidates only (`core.distributed.GatheredLoss` sets it).

    Shape:
        Output is a scalar, or ``(n,)`` with ``reduction="none"`` (as many as ``rows`` selects).

    Returns:
        The loss, >= 0, in float32 or better.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes, temperature, a weight that is not finite or has nothing to weigh, a batch of 1 without hard
            negatives.

    Relations:
        `core.losses.info_nce` without hard negatives; log 2n when all rows are equal and w = 0.

    >>> z = torch.eye(2)
    >>> round(float(sim_cse(z, z, -z, temperature=1.0)), 4)  # log(1 + 1/e + 1/e + 1/e^2)
    0.6265
    """
    check_reduction(reduction)
    _check_weight(hard_negative_weight)
    if hard_negatives is None:
        if hard_negative_weight:
            raise ValueError(f"hard_negative_weight={hard_negative_weight!r} has nothing to weigh: pass hard_negatives")
        return info_nce(
            query, key, temperature=temperature, reduction=reduction, ids=ids, normalize=normalize, rows=rows
        )
    check_paired(query, key)
    check_paired(query, hard_negatives, ("query", "hard_negatives"))
    check_temperature(temperature)
    count = len(query)
    anchors = anchor_rows(rows, count)
    mine = slice(anchors.start, anchors.stop)
    prepare = unit_rows if normalize else full_precision
    anchor, pool = prepare(query[mine]), prepare(torch.cat([key, hard_negatives]))
    positive = (anchor * pool[mine]).sum(dim=1) / temperature
    negatives = (anchor * pool[count:][mine]).sum(dim=1) / temperature + hard_negative_weight
    if count > 1:
        own = torch.arange(anchors.start, anchors.stop, device=query.device)
        parts = [own, own + count]
        if ids is not None:
            parts.append(other_members(checked_ids(ids, count))[mine])
        others = similarity_logsumexp(anchor, pool, temperature=temperature, exclude=columns(parts))
        negatives = torch.logaddexp(negatives, others)
    return reduce(softplus(negatives - positive), reduction)


def _check_weight(weight: float) -> None:
    if not math.isfinite(weight):
        raise ValueError(f"hard_negative_weight must be finite, got {weight!r}; it is added to a logit, 0 is neutral")


class SimCSELoss(SoftmaxLoss):
    """`sim_cse` with its settings."""

    def __init__(
        self,
        *,
        temperature: float = 0.05,
        reduction: Reduction = "mean",
        hard_negative_weight: float = 0.0,
        normalize: bool = True,
    ) -> None:
        super().__init__(temperature=temperature, reduction=reduction, normalize=normalize)
        _check_weight(hard_negative_weight)
        self.hard_negative_weight = hard_negative_weight

    def forward(
        self,
        query: Float[Tensor, "n d"],
        key: Float[Tensor, "n d"],
        hard_negatives: Float[Tensor, "n d"] | None = None,
        *,
        ids: Int64[Tensor, " n"] | None = None,
        rows: slice | None = None,
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `sim_cse`."""
        return sim_cse(
            query,
            key,
            hard_negatives,
            temperature=self.temperature,
            reduction=self.reduction,
            hard_negative_weight=self.hard_negative_weight,
            ids=ids,
            normalize=self.normalize,
            rows=rows,
        )
