"""iSogCLR: the loss over all negatives of the data set, with a temperature for each sample that learns."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from core.checks import check_at_least, check_paired
from core.losses.epoch_schedule import Schedule
from core.losses.global_terms import PositiveCoefficient, mean_of_views, own_part
from core.losses.normalisation import unit_rows
from core.losses.partition_state import PartitionState
from core.losses.reduction import Reduction, check_reduction, reduce
from core.losses.robust_terms import RobustGlobalStep, RobustLoss, score_robust
from core.losses.rows import anchor_rows, anchors_of_views, columns
from core.losses.sample_index import check_index
from core.losses.temperature_state import TemperatureState, check_rho
from core.similarity.expectation import similarity_expectation

__all__ = ["ISogCLRLoss", "isogclr"]


def isogclr(
    query: Float[Tensor, "n d"],
    key: Float[Tensor, "n d"],
    log_partition: Float[Tensor, " n"],
    temperatures: Float[Tensor, " n"],
    *,
    reduction: Reduction = "mean",
    gamma: float = 0.8,
    rho: float = 0.4,
    positive_coefficient: PositiveCoefficient = "ratio",
    rows: slice | None = None,
) -> RobustGlobalStep:
    """One step of iSogCLR over 2n views: `core.losses.sogclr` with a temperature for each sample.

    Qiu et al. 2023, arXiv 2305.11965. The objective is the dual form of a loss against the worst weighting of all
    negatives whose KL divergence from the uniform one is at most rho::

        F = 1/(2n) sum_i t_i log mean_z exp(h_iz / t_i) + t_i rho        h_iz = z_i.z_z - z_i.z_p(i)

    s_i, the surrogate's gradient and the returned estimate t_i (log s_i + rho) of F are as in `sogclr`, with t_i in the
    place of t. The gradient of t_i is G_i = log s_i + rho - mean_z W_iz h_iz / t_i, the mean of that of the two views.

    Args:
        query: first views; normalised here.
        key: second views, row by row; normalised here.
        log_partition: log s of each sample before this step, -inf where it was never seen.
        temperatures: t of each sample, > 0; constants here.
        reduction: "mean" or "sum" over the 2n views, or "none". The released code adds the means of the two views.
        gamma: weight of the new value, in (0, 1]; 0.8 in the released code.
        rho: radius of the KL ball, >= 0; below log(2n - 2), or all temperatures sink.
        positive_coefficient: factor of the positive's gradient, g_i / s_i ("ratio") or 1 ("unit", the released code).
        rows: samples to score, in both views; the others are candidates only.

    Shape:
        The loss is a scalar, or ``(2n,)`` with ``reduction="none"``: first views, then second.

    Returns:
        Loss, in float32 or better, new log s, and the gradients of the temperatures.

    Raises:
        TypeError: integer embeddings.
        ValueError: shapes, settings, temperatures, or a batch of 1, which has no negatives.

    Relations:
        Its gradient in the embeddings is that of `sogclr` where all temperatures are equal.

    >>> z, never = torch.eye(2), torch.full((2,), -torch.inf)
    >>> step = isogclr(z, z, never, torch.ones(2), rho=0.5)
    >>> float(step.loss), step.gradient.tolist()  # h = -1 for both negatives, so KL = 0
    (-0.5, [0.5, 0.5])
    """
    check_reduction(reduction)
    check_rho(rho)
    check_paired(query, key)
    count = len(query)
    check_at_least("the batch", count, 2, "a row's only negatives are the other rows; drop the last batch")
    own = anchors_of_views(anchor_rows(rows, count), count, 2, query.device)
    views = unit_rows(torch.cat([query, key]))
    partner = (own + count) % (2 * count)
    scale = own_part("temperatures", temperatures, count, rows).to(views).repeat(2)
    query_rows = views[own]
    expected, total = similarity_expectation(
        query_rows, views, temperature=scale, exclude=columns([own, partner]), detach_weights=True
    )
    step = score_robust(
        (expected, total, (query_rows * views[partner]).sum(dim=1)),
        own_part("log_partition", log_partition, count, rows).repeat(2),
        scale,
        negatives=2 * (count - 1),
        gamma=gamma,
        rho=rho,
        positive_coefficient=positive_coefficient,
    )
    gradient = step.gradient.view(2, -1).mean(dim=0)
    return RobustGlobalStep(reduce(step.loss, reduction), mean_of_views(step.log_partition), gradient)


class ISogCLRLoss(RobustLoss):
    """`isogclr` with its settings and its memories, ``partition`` and ``temperature_state``.

    Each call in training mode takes the batch into the partition state and then moves the temperatures of its samples;
    in eval mode both stay as they are. The defaults are those of the released command for CIFAR.

    Args:
        num_samples: samples in the data set, >= 2. The memories are three numbers each.
        temperature: start of every temperature, within the bounds.
        reduction: "mean" or "sum" over the 2n views, or "none".
        gamma: weight of the new partition value in (0, 1], or its schedule, for instance `CosineSchedule`.
        rho: radius of the KL ball, >= 0; larger values mean lower temperatures. 0.1 to 0.5 for images.
        tau_min: least temperature, > 0.
        tau_max: greatest temperature.
        eta: step size of the temperatures, >= 0, or its schedule. One visit moves t by at most eta grad_clip.
        beta: weight of the new gradient in its running mean, in (0, 1].
        grad_clip: bound of a temperature's gradient, > 0.
        positive_coefficient: "ratio" or "unit", see `isogclr`.

    Raises:
        ValueError: settings.

    >>> loss = ISogCLRLoss(num_samples=3, temperature=0.5, rho=0.5)
    >>> value = loss(torch.eye(2), torch.eye(2), torch.tensor([2, 0]))
    >>> [round(t, 4) for t in loss.temperatures.tolist()]  # equal negatives: down by eta beta rho
    [0.4925, 0.5, 0.4925]
    """

    def __init__(
        self,
        num_samples: int,
        *,
        temperature: float = 0.1,
        reduction: Reduction = "mean",
        gamma: float | Schedule = 0.8,
        rho: float = 0.4,
        tau_min: float = 0.05,
        tau_max: float = 1.0,
        eta: float | Schedule = 0.03,
        beta: float = 0.5,
        grad_clip: float = 3.0,
        positive_coefficient: PositiveCoefficient = "ratio",
    ) -> None:
        super().__init__(
            num_samples,
            temperature=temperature,
            reduction=reduction,
            gamma=gamma,
            rho=rho,
            eta=eta,
            positive_coefficient=positive_coefficient,
        )
        self.partition = PartitionState(num_samples)
        self.temperature_state = TemperatureState(
            num_samples, temperature=temperature, tau_min=tau_min, tau_max=tau_max, beta=beta, grad_clip=grad_clip
        )

    @property
    def temperatures(self) -> Float[Tensor, " num_samples"]:
        """The temperature of each sample."""
        return self.temperature_state.temperatures

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
            rows: as in `isogclr`; only these samples enter the memories.

        Raises:
            TypeError: integer embeddings, an index that is not int64.
            ValueError: as `isogclr`; a sample outside the data set, or one that comes twice.
        """
        check_paired(query, key)
        check_index("index", index, len(query), self.num_samples)
        step = isogclr(
            query,
            key,
            self.partition.read(index).to(query.device),
            self.temperature_state.read(index).to(query.device),
            reduction=self.reduction,
            gamma=self.now(self.gamma),
            rho=self.rho,
            positive_coefficient=self.positive_coefficient,
            rows=rows,
        )
        if self.training:
            mine = own_part("index", index, len(query), rows)
            self.partition.update(mine, step.log_partition)
            self.temperature_state.update(mine, step.gradient, eta=self.now(self.eta))
        return step.loss

    @torch.no_grad()
    def objective(self) -> Float[Tensor, ""]:
        """Estimate of F, the mean of t (log s + rho) over all samples seen so far; NaN before the first batch."""
        return self._estimate(self.partition, self.temperature_state)
