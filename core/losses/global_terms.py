"""What SogCLR and iSogCLR share: the surrogate whose gradient estimates that of the loss over all negatives."""

import math
from typing import Literal, NamedTuple, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.checks import check_at_least, check_choice, check_temperature
from core.losses.epoch_schedule import Schedule, at_epoch
from core.losses.pair_terms import PairTerms
from core.losses.partition_state import check_gamma, moving_average
from core.losses.reduction import Reduction, check_reduction
from core.losses.rows import anchor_rows

__all__ = [
    "AnchorTerms",
    "GlobalLoss",
    "GlobalStep",
    "PositiveCoefficient",
    "ScoredAnchors",
    "mean_of_views",
    "own_part",
    "pair_anchors",
    "score_anchors",
]

PositiveCoefficient = Literal["ratio", "unit"]


class AnchorTerms(NamedTuple):
    """One entry per anchor.

    Attributes:
        log_mean: log g, the logarithm of the mean of exp(h / t) over the negatives; without gradient.
        expected: a number whose gradient is sum_z p_z grad(sim_z), p = softmax(h / t) held constant.
        positive: similarity of the positive.
    """

    log_mean: Tensor
    expected: Tensor
    positive: Tensor


class ScoredAnchors(NamedTuple):
    """One entry per anchor.

    Attributes:
        terms: t (log s + rho), with the gradient of the surrogate.
        log_partition: log s with the anchor's own g taken in; without gradient.
        ratio: g / s, at most 1 / gamma; without gradient.
    """

    terms: Tensor
    log_partition: Tensor
    ratio: Tensor


class GlobalStep(NamedTuple):
    """A loss, and the state that follows from it.

    Attributes:
        loss: as reduced.
        log_partition: new log s of the scored samples, ``(r,)`` or ``(2, r)`` with two modalities; without gradient.
    """

    loss: Float[Tensor, "..."]
    log_partition: Float[Tensor, "..."]


def pair_anchors(pairs: PairTerms, temperature: float, negatives: int) -> AnchorTerms:
    """Terms of anchors at one temperature, from their log-sum-exp and positive logit."""
    log_mean = (pairs.negatives - pairs.positive).detach() - math.log(negatives)
    # t times the log-sum-exp has the gradient of the expected similarity
    return AnchorTerms(log_mean, temperature * pairs.negatives, temperature * pairs.positive)


def score_anchors(
    anchors: AnchorTerms,
    log_partition: Tensor,
    *,
    temperature: float | Tensor,
    gamma: float,
    rho: float = 0.0,
    positive_coefficient: PositiveCoefficient,
) -> ScoredAnchors:
    """The moving average and the surrogate.

    With W_z = exp(h_z / t) / s held constant, mean_z W_z grad(h_z) = (g / s) sum_z p_z grad(h_z): the weights of the
    surrogate are a softmax whose row is scaled by g / s, so it needs no matrix of its own.

    Args:
        anchors: from the batch.
        log_partition: log s before this batch, -inf for samples that were never seen.
        temperature: t, one number or one per anchor.
        gamma: weight of the new value.
        rho: radius of the KL ball.
        positive_coefficient: what stands before the positive's gradient, g / s or 1.
    """
    check_gamma(gamma)
    check_choice("positive_coefficient", positive_coefficient, get_args(PositiveCoefficient))
    state = moving_average(log_partition.to(anchors.log_mean), anchors.log_mean, gamma)
    ratio = (anchors.log_mean - state).exp()
    surrogate = ratio * anchors.expected - (ratio if positive_coefficient == "ratio" else 1) * anchors.positive
    return ScoredAnchors(temperature * (state + rho) + (surrogate - surrogate.detach()), state, ratio)


def mean_of_views(log_values: Tensor) -> Tensor:
    """Logarithm of the mean over two views that are laid end to end."""
    return torch.logaddexp(*log_values.chunk(2)) - math.log(2)


class GlobalLoss(nn.Module):
    """Base of the modules: holds what they share, the epoch that schedules look at included.

    Args:
        num_samples: samples in the data set, >= 2.
        temperature: > 0.
        reduction: "mean", "sum" or "none".
        gamma: weight of the new value in (0, 1], or a schedule of it.
        positive_coefficient: "ratio" or "unit".

    Raises:
        ValueError: settings.
    """

    epoch: Tensor

    def __init__(
        self,
        num_samples: int,
        *,
        temperature: float,
        reduction: Reduction,
        gamma: float | Schedule,
        positive_coefficient: PositiveCoefficient,
    ) -> None:
        super().__init__()
        check_at_least("num_samples", num_samples, 2, "a sample's negatives are the other samples")
        check_temperature(temperature)
        check_reduction(reduction)
        check_gamma(at_epoch(gamma, 0))
        check_choice("positive_coefficient", positive_coefficient, get_args(PositiveCoefficient))
        self.num_samples = num_samples
        self.temperature = temperature
        self.reduction: Reduction = reduction
        self.gamma = gamma
        self.positive_coefficient: PositiveCoefficient = positive_coefficient
        self.register_buffer("epoch", torch.zeros((), dtype=torch.int64))

    def set_epoch(self, epoch: int) -> None:
        """Tell schedules which epoch begins, counted from 0; part of ``state_dict``.

        Raises:
            ValueError: a negative epoch, or a schedule that leaves the allowed range.
        """
        check_at_least("epoch", epoch, 0)
        self.check_schedules(epoch)
        self.epoch.fill_(epoch)

    def check_schedules(self, epoch: int) -> None:
        """Refuse values that a setting may not have in this epoch.

        Raises:
            ValueError: with the setting and its value.
        """
        check_gamma(at_epoch(self.gamma, epoch))

    def now(self, setting: float | Schedule) -> float:
        """The value of a setting in the current epoch."""
        return at_epoch(setting, int(self.epoch))

    def extra_repr(self) -> str:
        """Every setting by name."""
        settings = {k: v for k, v in vars(self).items() if not k.startswith("_") and k != "training"}
        return ", ".join(f"{name}={value!r}" for name, value in settings.items())


def own_part(name: str, values: Tensor, count: int, rows: slice | None) -> Tensor:
    """The part of a per-sample tensor that belongs to the anchors.

    Raises:
        ValueError: not one value for each of ``count`` samples.
    """
    if values.shape[-1] != count:
        raise ValueError(f"{name} must have one value for each of the {count} samples, got {tuple(values.shape)}")
    anchors = anchor_rows(rows, count)
    return values[..., anchors.start : anchors.stop]
