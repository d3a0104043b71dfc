"""cMIM's contrast: a code is told from the codes of other samples by its angle, without augmentation."""

import math
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.checks import check_at_least, check_choice, check_embeddings, check_temperature
from core.losses.normalisation import full_precision, unit_rows
from core.losses.pair_terms import softplus
from core.losses.reduction import Reduction, check_reduction, reduce
from core.losses.rows import anchor_rows
from core.similarity import similarity_logsumexp

__all__ = ["LatentContrastLoss", "LatentNegatives", "latent_contrast"]

LatentNegatives = Literal["expectation", "sum"]


def latent_contrast(
    z: Float[Tensor, "n d"],
    *,
    temperature: float | Float[Tensor, ""] = 0.1,
    reduction: Reduction = "mean",
    negatives: LatentNegatives = "expectation",
    rows: slice | None = None,
) -> Float[Tensor, "..."]:
    """Minus the log-probability that a sample and its code belong together, among the codes of the batch.

    Livne 2025 (cMIM), arXiv 2502.19642, as the author's group released it; s_ij = cos(z_i, z_j)::

        p_i = e^{1/t} / ( e^{1/t} + 1/(n - 1) sum_{j != i} e^{s_ij / t} )        L_i = -log p_i

    The positive is the code itself, s_ii = 1, so the term only spreads codes by angle. The mean over negatives, where
    InfoNCE has the sum, is what makes it nearly independent of the batch size. Gradient flows through both sides.

    Args:
        z: sampled codes, not their means; only their directions count.
        temperature: t > 0; the released code takes 0.1. A scalar tensor gets a gradient.
        reduction: "mean" or "sum" over codes, or "none".
        negatives: "expectation" is the mean over negatives, "sum" InfoNCE's sum.
        rows: codes to score; the others are negatives only (`core.distributed.GatheredLoss` sets it).

    Shape:
        Output is a scalar, or ``(n,)`` with ``reduction="none"`` (as many as ``rows`` selects).

    Returns:
        The loss, >= 0, in float32 or better.

    Raises:
        TypeError: integer codes.
        ValueError: shapes, temperature, a single code, which has no negatives (the released code counts 0).

    Relations:
        log 2 for any n when all codes are equal; log n with "sum". Not a bound on mutual information, as InfoNCE is. At
        t = 0.1 it vanishes once codes are orthogonal, where p is 0.99995.

    >>> z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    >>> [round(float(p), 6) for p in (-latent_contrast(z, temperature=1.0, reduction="none")).exp()]
    [0.798973, 0.731059, 0.798973]
    """
    check_reduction(reduction)
    check_temperature(temperature)
    check_choice("negatives", negatives, get_args(LatentNegatives))
    check_embeddings("z", z)
    check_at_least("the batch", len(z), 2, "a code's only negatives are the other codes; drop the last batch")
    anchors = anchor_rows(rows, len(z))
    # One cast: along z the gradient's parts cancel, which they cannot do once each is rounded to a half type.
    unit = unit_rows(full_precision(z))
    own = torch.arange(anchors.start, anchors.stop, device=z.device)
    anchor = unit if rows is None else unit[own]
    total = similarity_logsumexp(anchor, unit, temperature=temperature, exclude=own)
    if negatives == "expectation":
        total = total - math.log(len(z) - 1)
    return reduce(softplus(total - 1 / temperature), reduction)


class LatentContrastLoss(nn.Module):
    """`latent_contrast` with its settings."""

    def __init__(
        self,
        *,
        temperature: float = 0.1,
        reduction: Reduction = "mean",
        negatives: LatentNegatives = "expectation",
    ) -> None:
        super().__init__()
        check_temperature(temperature)
        check_reduction(reduction)
        check_choice("negatives", negatives, get_args(LatentNegatives))
        self.temperature = temperature
        self.reduction: Reduction = reduction
        self.negatives: LatentNegatives = negatives

    def extra_repr(self) -> str:
        """Every setting by name."""
        return f"temperature={self.temperature!r}, reduction={self.reduction!r}, negatives={self.negatives!r}"

    def forward(self, z: Float[Tensor, "n d"], *, rows: slice | None = None) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `latent_contrast`."""
        return latent_contrast(
            z, temperature=self.temperature, reduction=self.reduction, negatives=self.negatives, rows=rows
        )
