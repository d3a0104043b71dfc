"""What the forms of iSogCLR share: the score of an anchor with its own temperature, and the settings."""

import math
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from core.losses.epoch_schedule import Schedule, at_epoch
from core.losses.global_terms import AnchorTerms, GlobalLoss, PositiveCoefficient, score_anchors
from core.losses.partition_state import PartitionState
from core.losses.reduction import Reduction
from core.losses.temperature_state import TemperatureState, check_eta, check_rho, temperature_gradient

__all__ = ["RobustGlobalStep", "RobustLoss", "score_robust"]


class RobustGlobalStep(NamedTuple):
    """A loss, and what its memories need; ``(r,)`` for the scored samples, or ``(2, r)`` with two modalities.

    Attributes:
        loss: as reduced.
        log_partition: new log s; without gradient.
        gradient: that of the temperatures, see `core.losses.individual_temperature_step`; without gradient.
    """

    loss: Float[Tensor, "..."]
    log_partition: Float[Tensor, "..."]
    gradient: Float[Tensor, "..."]


def score_robust(
    similarities: tuple[Tensor, Tensor, Tensor],
    log_partition: Tensor,
    temperature: Tensor,
    *,
    negatives: int,
    gamma: float,
    rho: float,
    positive_coefficient: PositiveCoefficient,
) -> RobustGlobalStep:
    """Terms, log s and temperature gradients of single anchors, from expected similarity, log-sum-exp and positive."""
    expected, total, positive = similarities
    log_mean = total - positive.detach() / temperature - math.log(negatives)
    scored = score_anchors(
        AnchorTerms(log_mean, expected, positive),
        log_partition,
        temperature=temperature,
        gamma=gamma,
        rho=rho,
        positive_coefficient=positive_coefficient,
    )
    exponent = (expected - positive).detach() / temperature
    return RobustGlobalStep(
        scored.terms, scored.log_partition, temperature_gradient(scored.log_partition, log_mean, exponent, rho)
    )


class RobustLoss(GlobalLoss):
    """What both modules add: radius, step size, and the settings of their temperature states."""

    def __init__(
        self,
        num_samples: int,
        *,
        temperature: float,
        reduction: Reduction,
        gamma: float | Schedule,
        rho: float,
        eta: float | Schedule,
        positive_coefficient: PositiveCoefficient,
    ) -> None:
        super().__init__(
            num_samples,
            temperature=temperature,
            reduction=reduction,
            gamma=gamma,
            positive_coefficient=positive_coefficient,
        )
        check_rho(rho)
        check_eta(at_epoch(eta, 0))
        self.rho = rho
        self.eta = eta

    def check_schedules(self, epoch: int) -> None:
        """Refuse values that a setting may not have in this epoch.

        Raises:
            ValueError: with the setting and its value.
        """
        super().check_schedules(epoch)
        check_eta(at_epoch(self.eta, epoch))

    def _estimate(self, partition: PartitionState, temperature: TemperatureState) -> Tensor:
        terms = temperature.temperatures * (partition.log_partition + self.rho)
        return terms[partition.visited].mean()
