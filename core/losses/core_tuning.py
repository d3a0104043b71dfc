"""Core-tuning: cross-entropy of mixed features with soft labels, and focal contrast between them."""

from typing import get_args

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from core.checks import (
    check_at_least,
    check_choice,
    check_embeddings,
    check_labels,
    check_not_negative,
    check_temperature,
)
from core.losses.focal_contrastive import FocalReduction, focal_contrastive
from core.losses.normalisation import full_precision
from core.losses.rows import anchor_rows

__all__ = ["CoreTuningLoss", "core_tuning"]


def core_tuning(
    logits: Float[Tensor, "n c"],
    v: Float[Tensor, "n d"],
    targets: Float[Tensor, "n c"] | Int64[Tensor, " n"],
    *,
    eta: float = 0.1,
    temperature: float | Float[Tensor, ""] = 0.07,
    reduction: FocalReduction = "mean",
    gamma: float = 1.0,
    detach_weight: bool = False,
    label_tolerance: float = 1e-5,
    rows: slice | None = None,
) -> Float[Tensor, "..."]:
    """The objective of Core-tuning, from what classifier and contrast head make of a mixed batch.

    Zhang et al. 2021, arXiv 2102.06605::

        L = mean_i -sum_c y_ic log softmax(logits_i)_c  +  eta focal_contrastive(v, y)

    Args:
        logits: of the classifier.
        v: output of the contrast head; normalised here.
        targets: probabilities of the classes, >= 0 with sum 1, as `core.samplers.HardPairMixup` gives them; or classes.
        eta: weight of the contrast, >= 0. 0.1 in the published CIFAR-10 run; it must be chosen anew for each data set.
        temperature: of the contrast, as in `focal_contrastive`.
        reduction: of both parts, as in `focal_contrastive`; "official" is the mean of the cross-entropy.
        gamma: as in `focal_contrastive`.
        detach_weight: as in `focal_contrastive`.
        label_tolerance: as in `focal_contrastive`.
        rows: rows to score; the others are candidates only.

    Shape:
        Output is a scalar, or ``(n,)`` with ``reduction="none"``.

    Returns:
        The loss, >= 0, in float32 or better.

    Raises:
        TypeError: integer logits or embeddings, targets that are neither int64 nor floating.
        ValueError: shapes, settings, targets that are not probabilities or classes of the classifier.

    Relations:
        Cross-entropy at eta = 0.

    >>> logits, v, y = torch.zeros(3, 2), torch.eye(3), torch.tensor([0, 0, 1])
    >>> round(float(core_tuning(logits, v, y, eta=0.0)), 4)
    0.6931
    """
    check_choice("reduction", reduction, get_args(FocalReduction))
    check_not_negative("eta", eta)
    check_embeddings("logits", logits)
    check_embeddings("v", v)
    if len(logits) != len(v):
        raise ValueError(f"logits and v must have a row for each sample, got {len(logits)} and {len(v)} rows")
    probabilities = _probabilities(targets, *logits.shape)
    anchors = anchor_rows(rows, len(logits))
    mine = slice(anchors.start, anchors.stop)
    plain = {"none": "none", "sum": "sum"}.get(reduction, "mean")
    with torch.autocast(logits.device.type, enabled=False):
        own = full_precision(logits)[mine]
        classified = cross_entropy(own, probabilities[mine].to(own.dtype), reduction=plain)
    contrast = focal_contrastive(
        v,
        targets,
        temperature=temperature,
        reduction=reduction,
        gamma=gamma,
        detach_weight=detach_weight,
        label_tolerance=label_tolerance,
        rows=rows,
    )
    return classified + eta * contrast


def _probabilities(targets: Tensor, count: int, classes: int) -> Tensor:
    if not targets.is_floating_point():
        check_labels(targets, count)
        check_at_least("the number of rows", count, 1)
        if int(targets.min()) < 0 or int(targets.max()) >= classes:
            raise ValueError(
                f"targets must be classes in 0 .. {classes - 1}, got {int(targets.min())} to {int(targets.max())}"
            )
        return one_hot(targets, classes)
    if targets.shape != (count, classes):
        raise ValueError(f"targets must be ({count}, {classes}) as logits, got {tuple(targets.shape)}")
    sums = targets.detach().double().sum(dim=1)
    if not bool((targets >= 0).all()) or not bool(((sums - 1).abs() < 1e-2).all()):
        raise ValueError("targets must be probabilities: every row >= 0 with sum 1")
    return targets


class CoreTuningLoss(nn.Module):
    """`core_tuning` with its settings."""

    def __init__(
        self,
        *,
        eta: float = 0.1,
        temperature: float = 0.07,
        reduction: FocalReduction = "mean",
        gamma: float = 1.0,
        detach_weight: bool = False,
        label_tolerance: float = 1e-5,
    ) -> None:
        super().__init__()
        check_not_negative("eta", eta)
        check_temperature(temperature)
        check_choice("reduction", reduction, get_args(FocalReduction))
        check_not_negative("gamma", gamma)
        check_not_negative("label_tolerance", label_tolerance)
        self.eta = eta
        self.temperature = temperature
        self.reduction: FocalReduction = reduction
        self.gamma = gamma
        self.detach_weight = detach_weight
        self.label_tolerance = label_tolerance

    def extra_repr(self) -> str:
        """Every setting by name."""
        return (
            f"eta={self.eta}, temperature={self.temperature}, reduction={self.reduction!r}, gamma={self.gamma}, "
            f"detach_weight={self.detach_weight}, label_tolerance={self.label_tolerance}"
        )

    def forward(
        self,
        logits: Float[Tensor, "n c"],
        v: Float[Tensor, "n d"],
        targets: Float[Tensor, "n c"] | Int64[Tensor, " n"],
        *,
        rows: slice | None = None,
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `core_tuning`."""
        return core_tuning(
            logits,
            v,
            targets,
            eta=self.eta,
            temperature=self.temperature,
            reduction=self.reduction,
            gamma=self.gamma,
            detach_weight=self.detach_weight,
            label_tolerance=self.label_tolerance,
            rows=rows,
        )
