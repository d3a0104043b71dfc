"""Binary noise-contrastive estimation: each pair, by its score, is true or noise."""

import math
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.checks import check_choice, check_positive
from core.losses.discriminator import binary_discrimination
from core.losses.noise_scores import check_scores, checked_noise
from core.losses.normalisation import full_precision
from core.losses.reduction import Reduction, check_reduction

__all__ = ["BinaryNCELoss", "MeanOver", "binary_nce"]

MeanOver = Literal["pairs", "kinds"]


def binary_nce(
    positive_scores: Float[Tensor, "..."],
    negative_scores: Float[Tensor, "..."],
    *,
    reduction: Reduction = "mean",
    mean_over: MeanOver = "pairs",
    noise_log_prob: float | tuple[Float[Tensor, "..."], Float[Tensor, "..."]] | None = None,
    noise_ratio: float | None = None,
) -> Float[Tensor, "..."]:
    """Binary noise-contrastive estimation: each pair is true or noise.

    Gutmann and Hyvarinen 2010; with g the score, q the noise's probability of the item, K noise pairs a true pair::

        D = g - log(K q)        L = sum_true softplus(-D) + sum_noise softplus(D)

    The minimiser is the log-probability of the data, normalised by itself. Without q, D = g: negative sampling, whose
    minimiser is log(p / q), for as many noise pairs as true ones or with ``mean_over="kinds"``.

    Args:
        positive_scores: g of true pairs, any shape. A probability f gives ``torch.logit(f)``, a density ratio its
            logarithm.
        negative_scores: g of noise pairs, any shape.
        reduction: "mean", "sum" over all pairs, or "none": the terms, flat, true pairs first.
        mean_over: "pairs" is the mean over all pairs, as the integrable-pair matcher of tables takes it; "kinds" the
            mean over true pairs plus the mean over noise pairs, as density ratios in reinforcement learning take it
            (Qiu et al. 2022, arXiv 2207.14800). Only a mean knows the difference.
        noise_log_prob: log q of the items, for true and for noise pairs, in shapes that broadcast to the scores; one
            number for uniform noise; ``None`` for no correction. Noise must then come from q itself, also where it
            hits a true item.
        noise_ratio: K, > 0; ``None`` counts the scores. Needs ``noise_log_prob``.

    Returns:
        The loss, >= 0, in float32 or better.

    Raises:
        TypeError: integer tensors.
        ValueError: no true or no noise pair, shapes, a ratio that is not positive or without ``noise_log_prob``,
            ``mean_over="kinds"`` without a mean.

    Relations:
        `core.losses.binary_discrimination` is half of the mean over kinds. Cross-entropy of the same logits. Not
        invariant to a constant added to all scores, which `ranking_nce` is.

    >>> import torch
    >>> round(float(binary_nce(torch.tensor([1.0]), torch.tensor([-0.5, 0.2]), reduction="sum")), 6)
    1.585478
    """
    check_reduction(reduction)
    _check_mean_over(mean_over, reduction)
    check_scores("positive_scores", positive_scores)
    check_scores("negative_scores", negative_scores)
    positive, negative = full_precision(positive_scores), full_precision(negative_scores)
    if noise_log_prob is not None:
        ratio = negative.numel() / positive.numel() if noise_ratio is None else noise_ratio
        check_positive("noise_ratio", ratio)
        noise = (noise_log_prob,) * 2 if isinstance(noise_log_prob, int | float) else noise_log_prob
        positive = positive - (checked_noise(noise[0], positive) + math.log(ratio))
        negative = negative - (checked_noise(noise[1], negative) + math.log(ratio))
    elif noise_ratio is not None:
        raise ValueError("noise_ratio corrects for the noise together with noise_log_prob, which is missing; pass both")
    if reduction != "mean":
        return binary_discrimination(positive, negative, reduction=reduction)
    if mean_over == "kinds":
        return 2 * binary_discrimination(positive, negative)
    return binary_discrimination(positive, negative, reduction="none").mean()


def _check_mean_over(mean_over: str, reduction: str) -> None:
    check_choice("mean_over", mean_over, get_args(MeanOver))
    if mean_over != "pairs" and reduction != "mean":
        raise ValueError(f"mean_over={mean_over!r} says how to average and needs reduction='mean', got {reduction!r}")


class BinaryNCELoss(nn.Module):
    """`binary_nce` with its settings.

    Args:
        reduction: as in `binary_nce`.
        mean_over: as in `binary_nce`.
        noise_log_prob: log q of every item under uniform noise, for instance ``-math.log(10)`` over ten items. Where
            items differ, pass tensors to the call instead.
        noise_ratio: as in `binary_nce`.

    Raises:
        ValueError: unknown names, a ratio that is not positive, a log q that is not finite.
    """

    def __init__(
        self,
        *,
        reduction: Reduction = "mean",
        mean_over: MeanOver = "pairs",
        noise_log_prob: float | None = None,
        noise_ratio: float | None = None,
    ) -> None:
        super().__init__()
        check_reduction(reduction)
        _check_mean_over(mean_over, reduction)
        if noise_log_prob is not None:
            checked_noise(noise_log_prob, torch.zeros(()))
        if noise_ratio is not None:
            check_positive("noise_ratio", noise_ratio)
        self.reduction: Reduction = reduction
        self.mean_over: MeanOver = mean_over
        self.noise_log_prob = noise_log_prob
        self.noise_ratio = noise_ratio

    def extra_repr(self) -> str:
        """Every setting by name."""
        return (
            f"reduction={self.reduction!r}, mean_over={self.mean_over!r}, noise_log_prob={self.noise_log_prob!r}, "
            f"noise_ratio={self.noise_ratio!r}"
        )

    def forward(
        self,
        positive_scores: Float[Tensor, "..."],
        negative_scores: Float[Tensor, "..."],
        *,
        noise_log_prob: tuple[Float[Tensor, "..."], Float[Tensor, "..."]] | None = None,
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `binary_nce`, and ``noise_log_prob`` goes before the setting."""
        return binary_nce(
            positive_scores,
            negative_scores,
            reduction=self.reduction,
            mean_over=self.mean_over,
            noise_log_prob=self.noise_log_prob if noise_log_prob is None else noise_log_prob,
            noise_ratio=self.noise_ratio,
        )
