"""Telling true pairs from false ones by a logit each: the loss of DGI and InfoGraph."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.losses.normalisation import full_precision
from core.losses.pair_terms import softplus
from core.losses.reduction import Reduction, check_reduction

__all__ = ["BinaryDiscriminationLoss", "binary_discrimination"]


def binary_discrimination(
    positive_logits: Float[Tensor, "..."], negative_logits: Float[Tensor, "..."], *, reduction: Reduction = "mean"
) -> Float[Tensor, "..."]:
    """Binary cross-entropy of a critic's logits, both kinds with the same weight.

    ``L = (mean softplus(-p) + mean softplus(n)) / 2``. With as many positives as negatives this is DGI's loss
    (Velickovic et al. 2019, arXiv 1809.10341, eq. 1). InfoGraph's Jensen-Shannon form (Sun et al. 2020, arXiv
    1908.01000) is ``2 L - 2 log 2`` in its released code, ``2 L`` in the paper: the same gradient, twice ours.

    Args:
        positive_logits: the critic's logits of true pairs, any shape.
        negative_logits: its logits of false pairs, any shape.
        reduction: "mean" as above, "sum" over all terms, or "none": the terms, flat, positives first.

    Returns:
        The loss, >= 0, in float32 or better.

    Raises:
        TypeError: integer tensors.
        ValueError: no positive or no negative logit.

    Relations:
        log 2 at logits of 0, the critic that cannot tell.

    >>> round(float(binary_discrimination(torch.zeros(3), torch.zeros(5))), 4)
    0.6931
    """
    check_reduction(reduction)
    for name, logits in (("positive_logits", positive_logits), ("negative_logits", negative_logits)):
        if not logits.is_floating_point():
            raise TypeError(f"{name} must be a floating tensor, got {logits.dtype}")
        if not logits.numel():
            raise ValueError(f"{name} must hold at least one logit, got shape {tuple(logits.shape)}")
    positive = softplus(-full_precision(positive_logits)).flatten()
    negative = softplus(full_precision(negative_logits)).flatten()
    if reduction == "mean":
        return (positive.mean() + negative.mean()) / 2
    return positive.sum() + negative.sum() if reduction == "sum" else torch.cat([positive, negative])


class BinaryDiscriminationLoss(nn.Module):
    """`binary_discrimination` with its reduction."""

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        super().__init__()
        check_reduction(reduction)
        self.reduction: Reduction = reduction

    def forward(
        self, positive_logits: Float[Tensor, "..."], negative_logits: Float[Tensor, "..."]
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `binary_discrimination`."""
        return binary_discrimination(positive_logits, negative_logits, reduction=self.reduction)
