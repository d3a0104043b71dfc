"""iSogCLR between two modalities: each sample of each side has a state and a temperature."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from core.checks import check_at_least, check_paired
from core.losses.epoch_schedule import Schedule
from core.losses.global_terms import PositiveCoefficient, own_part
from core.losses.normalisation import unit_rows
from core.losses.partition_state import PartitionState
from core.losses.reduction import Reduction, check_reduction, reduce
from core.losses.robust_terms import RobustGlobalStep, RobustLoss, score_robust
from core.losses.rows import anchor_rows
from core.losses.sample_index import check_index
from core.losses.temperature_state import TemperatureState, check_rho
from core.similarity.expectation import similarity_expectation

__all__ = ["BimodalISogCLRLoss", "bimodal_isogclr"]


def bimodal_isogclr(
    query: Float[Tensor, "n d"],
    key: Float[Tensor, "n d"],
    log_partition: Float[Tensor, "2 n"],
    temperatures: Float[Tensor, "2 n"],
    *,
    reduction: Reduction = "mean",
    gamma: float = 0.8,
    rho: float = 6.0,
    positive_coefficient: PositiveCoefficient = "ratio",
    rows: slice | None = None,
) -> RobustGlobalStep:
    """One step of iSogCLR between two modalities: 2n anchors with a state and a temperature of their own.

    As `core.losses.isogclr`, each row against the n - 1 rows of other samples on the other side. The released class
    leaves the positive in g; here, as in LibAUC, it is out. The mean over 2n anchors is half the sum of the two sides.

    Args:
        query: one modality, for instance images; normalised here.
        key: the other, row by row; normalised here.
        log_partition: log s of both sides before this step, -inf where never seen.
        temperatures: t of both sides, > 0; constants here.
        reduction: "mean" or "sum" over the 2n anchors, or "none".
        gamma: weight of the new value, in (0, 1].
        rho: radius of the KL ball, >= 0. The released command takes 6: at 404 pairs or fewer that is above log(n - 1),
            and all temperatures sink to their lower bound.
        positive_coefficient: factor of the positive's gradient, "ratio" or "unit".
        rows: samples to score, on both sides; the others are candidates only.

    Shape:
        The loss is a scalar, or ``(2n,)`` with ``reduction="none"``: one side, then the other.

    Returns:
        Loss, new log s ``(2, r)``, and the gradients of the temperatures ``(2, r)``.

    Raises:
        TypeError: integer embeddings.
        ValueError: shapes, settings, temperatures, or a batch of 1, which has no negatives.

    Relations:
        Swapping the modalities swaps states and gradients.

    >>> z, never = torch.eye(2), torch.full((2, 2), -torch.inf)
    >>> bimodal_isogclr(z, z, never, torch.ones(2, 2), rho=0.5).gradient.tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    check_reduction(reduction)
    check_rho(rho)
    check_paired(query, key)
    count = len(query)
    check_at_least("the batch", count, 2, "a row's only negatives are the other rows; drop the last batch")
    anchors = anchor_rows(rows, count)
    mine, own = slice(anchors.start, anchors.stop), torch.arange(anchors.start, anchors.stop, device=query.device)
    sides = unit_rows(query), unit_rows(key)
    scale = own_part("temperatures", temperatures, count, rows).to(sides[0])
    forth, back = (
        similarity_expectation(side[mine], other, temperature=t, exclude=own, detach_weights=True)
        for side, other, t in zip(sides, sides[::-1], scale, strict=True)
    )
    positive = (sides[0][mine] * sides[1][mine]).sum(dim=1)
    step = score_robust(
        (torch.cat([forth[0], back[0]]), torch.cat([forth[1], back[1]]), positive.repeat(2)),
        own_part("log_partition", log_partition, count, rows).flatten(),
        scale.flatten(),
        negatives=count - 1,
        gamma=gamma,
        rho=rho,
        positive_coefficient=positive_coefficient,
    )
    return RobustGlobalStep(reduce(step.loss, reduction), step.log_partition.view(2, -1), step.gradient.view(2, -1))


class BimodalISogCLRLoss(RobustLoss):
    """`bimodal_isogclr` with its settings and the memories of both modalities.

    They are ``partition_a``, ``partition_b``, ``temperature_a`` and ``temperature_b``, which eval mode leaves alone.
    The defaults are those of the released command for CC3M; mind ``rho`` with small batches.

    Args:
        num_samples: samples of the first modality, >= 2.
        num_samples_b: samples of the second; ``None`` where samples come in pairs, as many as of the first.
        temperature: start of every temperature, within the bounds.
        reduction: "mean" or "sum" over the 2n anchors, or "none".
        gamma: weight of the new partition value in (0, 1], or its schedule.
        rho: radius of the KL ball, >= 0; above log(n - 1) all temperatures sink to ``tau_min``.
        tau_min: least temperature, > 0.
        tau_max: greatest temperature.
        eta: step size of the temperatures, >= 0, or its schedule.
        beta: weight of the new gradient in its running mean, in (0, 1].
        grad_clip: bound of a temperature's gradient, > 0.
        positive_coefficient: "ratio" or "unit", see `core.losses.isogclr`.

    Raises:
        ValueError: settings.

    >>> loss = BimodalISogCLRLoss(num_samples=3, num_samples_b=4, temperature=0.5, rho=0.5)
    >>> value = loss(torch.eye(2), torch.eye(2), torch.tensor([2, 0]), torch.tensor([3, 1]))
    >>> [[round(t, 4) for t in side.tolist()] for side in loss.temperatures]
    [[0.4865, 0.5, 0.4865], [0.5, 0.4865, 0.5, 0.4865]]
    """

    def __init__(
        self,
        num_samples: int,
        *,
        num_samples_b: int | None = None,
        temperature: float = 0.01,
        reduction: Reduction = "mean",
        gamma: float | Schedule = 0.8,
        rho: float = 6.0,
        tau_min: float = 0.005,
        tau_max: float = 1.0,
        eta: float | Schedule = 0.03,
        beta: float = 0.9,
        grad_clip: float = 5.0,
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
        self.num_samples_b = num_samples if num_samples_b is None else num_samples_b
        check_at_least("num_samples_b", self.num_samples_b, 2, "a sample's negatives are the other samples")
        self.partition_a = PartitionState(num_samples)
        self.partition_b = PartitionState(self.num_samples_b)
        self.temperature_a, self.temperature_b = (
            TemperatureState(
                size, temperature=temperature, tau_min=tau_min, tau_max=tau_max, beta=beta, grad_clip=grad_clip
            )
            for size in (num_samples, self.num_samples_b)
        )

    @property
    def temperatures(self) -> tuple[Float[Tensor, " a"], Float[Tensor, " b"]]:
        """The temperature of each sample, of both modalities."""
        return self.temperature_a.temperatures, self.temperature_b.temperatures

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
            rows: as in `bimodal_isogclr`; only these samples enter the memories.

        Raises:
            TypeError: integer embeddings, an index that is not int64.
            ValueError: as `bimodal_isogclr`; a sample outside the data set, or one that comes twice.
        """
        index_b = index_a if index_b is None else index_b
        check_paired(a, b, ("a", "b"))
        check_index("index_a", index_a, len(a), self.num_samples)
        check_index("index_b", index_b, len(a), self.num_samples_b)
        step = bimodal_isogclr(
            a,
            b,
            torch.stack([self.partition_a.read(index_a), self.partition_b.read(index_b)]).to(a.device),
            torch.stack([self.temperature_a.read(index_a), self.temperature_b.read(index_b)]).to(a.device),
            reduction=self.reduction,
            gamma=self.now(self.gamma),
            rho=self.rho,
            positive_coefficient=self.positive_coefficient,
            rows=rows,
        )
        if self.training:
            eta = self.now(self.eta)
            mine = [own_part("index", index, len(a), rows) for index in (index_a, index_b)]
            for partition, index, new in zip(
                (self.partition_a, self.partition_b), mine, step.log_partition, strict=True
            ):
                partition.update(index, new)
            for state, index, gradient in zip(
                (self.temperature_a, self.temperature_b), mine, step.gradient, strict=True
            ):
                state.update(index, gradient, eta=eta)
        return step.loss

    @torch.no_grad()
    def objective(self) -> Float[Tensor, ""]:
        """Estimate of F, the mean over the modalities of that of t (log s + rho) over all samples seen so far."""
        sides = ((self.partition_a, self.temperature_a), (self.partition_b, self.temperature_b))
        return torch.stack([self._estimate(*side) for side in sides]).mean()
