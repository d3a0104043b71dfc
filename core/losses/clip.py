"""Symmetric InfoNCE between two modalities, with the scale that CLIP learns."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.checks import check_positive, check_temperature
from core.losses.pair_terms import crossed_terms, softplus
from core.losses.reduction import Reduction, check_reduction, reduce

__all__ = ["CLIPLoss", "clip"]


def clip(
    query: Float[Tensor, "n d"],
    key: Float[Tensor, "n d"],
    *,
    temperature: float | Float[Tensor, ""] = 0.07,
    reduction: Reduction = "mean",
    rows: slice | None = None,
) -> Float[Tensor, "..."]:
    """Mean of the InfoNCE of queries against keys and of keys against queries.

    Radford et al. 2021, arXiv 2103.00020, figure 3::

        L = ( CE(A B' / t, diagonal) + CE(B A' / t, diagonal) ) / 2

    Args:
        query: one modality, for instance images; normalised here.
        key: the other, row by row; normalised here.
        temperature: t > 0, the inverse of CLIP's scale. A scalar tensor gets a gradient.
        reduction: "mean" or "sum" over the n pairs, or "none".
        rows: pairs to score; the others are candidates only (`core.distributed.GatheredLoss` sets it).

    Shape:
        Output is a scalar, or ``(n,)`` with ``reduction="none"``.

    Returns:
        The loss, >= 0, in float32 or better.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes, temperature, or a batch of 1, which has no negatives.

    Relations:
        Swapping the modalities changes nothing; log n when all rows are equal.

    >>> round(float(clip(torch.eye(2), torch.eye(2), temperature=1.0)), 4)  # log(1 + 1/e)
    0.3133
    """
    check_reduction(reduction)
    forth, back = crossed_terms(query, key, temperature=temperature, rows=rows)
    terms = softplus(forth.negatives - forth.positive) + softplus(back.negatives - back.positive)
    return reduce(terms / 2, reduction)


class CLIPLoss(nn.Module):
    """`clip` with its temperature as a parameter, or fixed.

    The parameter is ``log_scale = log(1 / temperature)``, as in CLIP. Before each use it is put back to at most
    log(max_scale), as CLIP does after each step: clamping in the graph would cut its gradient off for good. Give it to
    the optimizer without weight decay.

    Args:
        temperature: start value, or the value if ``learnable`` is off; > 0.
        learnable: whether the scale is a parameter.
        max_scale: greatest 1 / temperature of a learnable scale; CLIP takes 100.
        reduction: "mean" or "sum" over the n pairs, or "none".

    Raises:
        ValueError: temperature or max_scale not positive, or a start above max_scale.
    """

    def __init__(
        self,
        *,
        temperature: float = 0.07,
        learnable: bool = True,
        max_scale: float = 100.0,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        check_temperature(temperature)
        check_positive("max_scale", max_scale, usual="100")
        check_reduction(reduction)
        if learnable and 1 / temperature > max_scale:
            raise ValueError(f"1 / temperature = {1 / temperature:g} is above max_scale = {max_scale:g}")
        self.reduction: Reduction = reduction
        self.max_scale = max_scale
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / temperature)), requires_grad=learnable)

    @property
    def temperature(self) -> Float[Tensor, ""]:
        """The temperature in use, a scalar with gradient if it is learnt."""
        return torch.exp(-self.log_scale)

    def forward(
        self, query: Float[Tensor, "n d"], key: Float[Tensor, "n d"], *, rows: slice | None = None
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `clip`."""
        if self.log_scale.requires_grad:
            with torch.no_grad():
                self.log_scale.clamp_(max=math.log(self.max_scale))
        return clip(query, key, temperature=self.temperature, reduction=self.reduction, rows=rows)
