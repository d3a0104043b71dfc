"""SogCLR: all negatives of the data set, through a moving average of each sample's partition function."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from core.checks import check_paired
from core.losses.epoch_schedule import Schedule
from core.losses.global_terms import (
    GlobalLoss,
    GlobalStep,
    PositiveCoefficient,
    mean_of_views,
    own_part,
    pair_anchors,
    score_anchors,
)
from core.losses.pair_terms import two_way_terms
from core.losses.partition_state import PartitionState
from core.losses.reduction import Reduction, check_reduction, reduce
from core.losses.sample_index import check_index

__all__ = ["SogCLRLoss", "sogclr"]


def sogclr(
    query: Float[Tensor, "n d"],
    key: Float[Tensor, "n d"],
    log_partition: Float[Tensor, " n"],
    *,
    temperature: float = 0.1,
    reduction: Reduction = "mean",
    gamma: float = 0.9,
    positive_coefficient: PositiveCoefficient = "ratio",
    rows: slice | None = None,
) -> GlobalStep:
    """One step of SogCLR over 2n views: the gradient of a loss over all negatives, estimated from a batch.

    Yuan et al. 2022, arXiv 2202.12387. The objective compares each view with all negatives of the data set::

        F = 1/(2n) sum_i t log mean_z exp(h_iz / t)        h_iz = z_i.z_z - z_i.z_p(i)

    A batch gives g_i, the mean over its own 2(n - 1) negatives, self and positive left out; memory does the rest::

        s_i <- (1 - gamma) s_i + gamma g_i                 s_i = g_i at the first visit
        gradient of term i = mean_z W_iz grad(h_iz)        W_iz = exp(h_iz / t) / s_i

    There is no 1/t in it. The returned number is not the surrogate sum W h of the released code, which says nothing,
    but the estimate t log s_i of F. Both views of a sample start from the old s_i; their mean is the new one.

    Args:
        query: first views; normalised here.
        key: second views, row by row; normalised here.
        log_partition: log s of each sample before this step, -inf where it was never seen.
        temperature: t > 0; 0.1 in LibAUC.
        reduction: "mean" or "sum" over the 2n views, or "none". The released code adds the means of the two views.
        gamma: weight of the new value, in (0, 1]; at 1 the state has no effect.
        positive_coefficient: factor of the positive's gradient, g_i / s_i ("ratio", the theory's estimator) or 1
            ("unit", the released code for images).
        rows: samples to score, in both views; the others are candidates only.

    Shape:
        The loss is a scalar, or ``(2n,)`` with ``reduction="none"``: first views, then second.

    Returns:
        Loss, in float32 or better and negative as a rule, and the new log s of the scored samples.

    Raises:
        TypeError: integer embeddings.
        ValueError: shapes, settings, or a batch of 1, which has no negatives.

    Relations:
        At gamma = 1 it is t (DCL - log(2n - 2)), in value and gradient.

    >>> step = sogclr(torch.eye(2), torch.eye(2), torch.full((2,), -torch.inf), temperature=1.0)
    >>> float(step.loss), step.log_partition.tolist()  # both negatives have h = -1
    (-1.0, [-1.0, -1.0])
    """
    check_reduction(reduction)
    pairs = two_way_terms(query, key, temperature=temperature, rows=rows)
    scored = score_anchors(
        pair_anchors(pairs, temperature, 2 * (len(query) - 1)),
        own_part("log_partition", log_partition, len(query), rows).repeat(2),
        temperature=temperature,
        gamma=gamma,
        positive_coefficient=positive_coefficient,
    )
    return GlobalStep(reduce(scored.terms, reduction), mean_of_views(scored.log_partition))


class SogCLRLoss(GlobalLoss):
    """`sogclr` with its settings and its memory, ``partition``.

    Each call in training mode takes the batch into the memory; in eval mode the memory stays as it is.

    Args:
        num_samples: samples in the data set, >= 2. The memory is one number each.
        temperature: t > 0.
        reduction: "mean" or "sum" over the 2n views, or "none".
        gamma: weight of the new value in (0, 1], or its schedule, for instance `CosineSchedule`; see `set_epoch`.
        positive_coefficient: "ratio" or "unit", see `sogclr`.

    Raises:
        ValueError: settings.

    >>> loss = SogCLRLoss(num_samples=5, temperature=1.0)
    >>> float(loss(torch.eye(2), torch.eye(2), torch.tensor([4, 0]))), float(loss.objective())
    (-1.0, -1.0)
    """

    def __init__(
        self,
        num_samples: int,
        *,
        temperature: float = 0.1,
        reduction: Reduction = "mean",
        gamma: float | Schedule = 0.9,
        positive_coefficient: PositiveCoefficient = "ratio",
    ) -> None:
        super().__init__(
            num_samples,
            temperature=temperature,
            reduction=reduction,
            gamma=gamma,
            positive_coefficient=positive_coefficient,
        )
        self.partition = PartitionState(num_samples)

    def forward(
        self,
        query: Float[Tensor, "n d"],
        key: Float[Tensor, "n d"],
        index: Int64[Tensor, " n"],
        *,
        rows: slice | None = None,
    ) -> Float[Tensor, "..."]:
        """The loss of one batch.

        Args:
            query: first views.
            key: second views.
            index: position of each sample in the data set, every one at most once.
            rows: as in `sogclr`; only these samples enter the memory.

        Raises:
            TypeError: integer embeddings, an index that is not int64.
            ValueError: as `sogclr`; a sample outside the data set, or one that comes twice.
        """
        check_paired(query, key)
        check_index("index", index, len(query), self.num_samples)
        step = sogclr(
            query,
            key,
            self.partition.read(index).to(query.device),
            temperature=self.temperature,
            reduction=self.reduction,
            gamma=self.now(self.gamma),
            positive_coefficient=self.positive_coefficient,
            rows=rows,
        )
        if self.training:
            self.partition.update(own_part("index", index, len(query), rows), step.log_partition)
        return step.loss

    @torch.no_grad()
    def objective(self) -> Float[Tensor, ""]:
        """Estimate of F, the mean of t log s over all samples seen so far; NaN before the first batch."""
        return self.temperature * self.partition.log_partition[self.partition.visited].mean()
