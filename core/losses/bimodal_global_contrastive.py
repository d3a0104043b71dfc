"""SogCLR between two modalities: each side has a memory of its own."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from core.checks import check_at_least, check_paired
from core.losses.epoch_schedule import Schedule
from core.losses.global_terms import (
    GlobalLoss,
    GlobalStep,
    PositiveCoefficient,
    own_part,
    pair_anchors,
    score_anchors,
)
from core.losses.pair_terms import PairTerms, crossed_terms
from core.losses.partition_state import PartitionState
from core.losses.reduction import Reduction, check_reduction, reduce
from core.losses.sample_index import check_index

__all__ = ["BimodalSogCLRLoss", "bimodal_sogclr"]


def bimodal_sogclr(
    query: Float[Tensor, "n d"],
    key: Float[Tensor, "n d"],
    log_partition: Float[Tensor, "2 n"],
    *,
    temperature: float = 0.01,
    reduction: Reduction = "mean",
    gamma: float = 0.8,
    positive_coefficient: PositiveCoefficient = "ratio",
    rows: slice | None = None,
) -> GlobalStep:
    """One step of SogCLR between two modalities: each row against the n - 1 rows of other samples on the other side.

    As `core.losses.sogclr`, with 2n anchors that each have a state of their own. The SogCLR class released for images
    and texts (with arXiv 2305.11965) leaves the positive in g; here, as in LibAUC, it is out. The mean over 2n anchors
    is half the sum of the two sides.

    Args:
        query: one modality, for instance images; normalised here.
        key: the other, row by row; normalised here.
        log_partition: log s of both sides before this step, -inf where never seen.
        temperature: t > 0; 0.01 in the released code.
        reduction: "mean" or "sum" over the 2n anchors, or "none".
        gamma: weight of the new value, in (0, 1].
        positive_coefficient: factor of the positive's gradient, "ratio" or "unit".
        rows: samples to score, on both sides; the others are candidates only.

    Shape:
        The loss is a scalar, or ``(2n,)`` with ``reduction="none"``: one side, then the other.

    Returns:
        Loss, and the new log s of the scored samples, ``(2, r)``.

    Raises:
        TypeError: integer embeddings.
        ValueError: shapes, settings, or a batch of 1, which has no negatives.

    Relations:
        Swapping the modalities swaps the states.

    >>> step = bimodal_sogclr(torch.eye(2), torch.eye(2), torch.full((2, 2), -torch.inf), temperature=1.0)
    >>> float(step.loss), step.log_partition.tolist()
    (-1.0, [[-1.0, -1.0], [-1.0, -1.0]])
    """
    check_reduction(reduction)
    forth, back = crossed_terms(query, key, temperature=temperature, rows=rows)
    pairs = PairTerms(torch.cat([forth.negatives, back.negatives]), torch.cat([forth.positive, back.positive]))
    scored = score_anchors(
        pair_anchors(pairs, temperature, len(query) - 1),
        own_part("log_partition", log_partition, len(query), rows).flatten(),
        temperature=temperature,
        gamma=gamma,
        positive_coefficient=positive_coefficient,
    )
    return GlobalStep(reduce(scored.terms, reduction), scored.log_partition.view(2, -1))


class BimodalSogCLRLoss(GlobalLoss):
    """`bimodal_sogclr` with its settings and a memory for each modality, ``partition_a`` and ``partition_b``.

    Each call in training mode takes the batch into the memories; in eval mode they stay as they are.

    Args:
        num_samples: samples of the first modality, >= 2.
        num_samples_b: samples of the second; ``None`` where samples come in pairs, as many as of the first.
        temperature: t > 0.
        reduction: "mean" or "sum" over the 2n anchors, or "none".
        gamma: weight of the new value in (0, 1], or its schedule; see `set_epoch`.
        positive_coefficient: "ratio" or "unit", see `core.losses.sogclr`.

    Raises:
        ValueError: settings.

    >>> loss = BimodalSogCLRLoss(num_samples=5, temperature=1.0)
    >>> float(loss(torch.eye(2), torch.eye(2), torch.tensor([4, 0])))
    -1.0
    """

    def __init__(
        self,
        num_samples: int,
        *,
        num_samples_b: int | None = None,
        temperature: float = 0.01,
        reduction: Reduction = "mean",
        gamma: float | Schedule = 0.8,
        positive_coefficient: PositiveCoefficient = "ratio",
    ) -> None:
        super().__init__(
            num_samples,
            temperature=temperature,
            reduction=reduction,
            gamma=gamma,
            positive_coefficient=positive_coefficient,
        )
        self.num_samples_b = num_samples if num_samples_b is None else num_samples_b
        check_at_least("num_samples_b", self.num_samples_b, 2, "a sample's negatives are the other samples")
        self.partition_a = PartitionState(num_samples)
        self.partition_b = PartitionState(self.num_samples_b)

    def forward(
        self,
        a: Float[Tensor, "n d"],
        b: Float[Tensor, "n d"],
        index_a: Int64[Tensor, " n"],
        index_b: Int64[Tensor, " n"] | None = None,
        *,
        rows: slice | None = None,
    ) -> Float[Tensor, "..."]:
        """The loss of one batch of pairs.

        Args:
            a: one modality.
            b: the other, row by row.
            index_a: position of each row of ``a`` among the samples of its modality, every one at most once.
            index_b: the same for ``b``; ``None`` where it is ``index_a``.
            rows: as in `bimodal_sogclr`; only these samples enter the memories.

        Raises:
            TypeError: integer embeddings, an index that is not int64.
            ValueError: as `bimodal_sogclr`; a sample outside the data set, or one that comes twice.
        """
        index_b = index_a if index_b is None else index_b
        check_paired(a, b, ("a", "b"))
        check_index("index_a", index_a, len(a), self.num_samples)
        check_index("index_b", index_b, len(a), self.num_samples_b)
        step = bimodal_sogclr(
            a,
            b,
            torch.stack([self.partition_a.read(index_a), self.partition_b.read(index_b)]).to(a.device),
            temperature=self.temperature,
            reduction=self.reduction,
            gamma=self.now(self.gamma),
            positive_coefficient=self.positive_coefficient,
            rows=rows,
        )
        if self.training:
            self.partition_a.update(own_part("index_a", index_a, len(a), rows), step.log_partition[0])
            self.partition_b.update(own_part("index_b", index_b, len(a), rows), step.log_partition[1])
        return step.loss

    @torch.no_grad()
    def objective(self) -> Float[Tensor, ""]:
        """Estimate of F, the mean of both modalities' t log s over all samples seen; NaN before the first batch."""
        sides = [state.log_partition[state.visited].mean() for state in (self.partition_a, self.partition_b)]
        return self.temperature * torch.stack(sides).mean()
