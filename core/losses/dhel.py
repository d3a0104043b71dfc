"""DHEL: alignment of pairs apart from the spread of each view, so that the two do not work against each other."""

import torch
from jaxtyping import Float
from torch import Tensor

from core.checks import check_at_least, check_paired, check_temperature
from core.losses.normalisation import full_precision, unit_rows
from core.losses.reduction import Reduction, check_reduction, reduce
from core.losses.rows import anchor_rows
from core.losses.softmax_loss import SoftmaxLoss
from core.similarity import similarity_logsumexp

__all__ = ["DHELLoss", "dhel"]


def dhel(
    query: Float[Tensor, "n d"],
    key: Float[Tensor, "n d"],
    *,
    temperature: float | Float[Tensor, ""] = 0.3,
    reduction: Reduction = "mean",
    include_second_view: bool = True,
    normalize: bool = True,
    rows: slice | None = None,
) -> Float[Tensor, "..."]:
    """Decoupled hyperspherical energy loss: negatives come from the anchor's own view only.

    Koromilas et al. 2024, arXiv 2405.18045::

        L_i = -q_i.k_i / t + logsumexp_{j != i} q_i.q_j / t + logsumexp_{j != i} k_i.k_j / t

    Args:
        query: first views; normalised here.
        key: second views, row by row; normalised here.
        temperature: t > 0; the released class takes 0.3. A scalar tensor gets a gradient.
        reduction: "mean" or "sum" over the n pairs, or "none".
        include_second_view: keep the last term; the code's ``include_augs``.
        normalize: cosine if true, dot product if not.
        rows: pairs to score; the others are candidates only (`core.distributed.GatheredLoss` sets it).

    Shape:
        Output is a scalar, or ``(n,)`` with ``reduction="none"`` (as many as ``rows`` selects).

    Returns:
        The loss, of either sign, in float32 or better.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes, temperature, or a batch of 1, which has no negatives.

    Relations:
        `core.losses.mv_dhel` of the two views; 2 log(n - 1) + 1/t when all rows are equal.

    >>> round(float(dhel(torch.eye(2), torch.eye(2), temperature=1.0)), 4)
    -1.0
    """
    check_reduction(reduction)
    check_paired(query, key)
    check_temperature(temperature)
    check_at_least("the batch", len(query), 2, "a row's only negatives are the other rows; drop the last batch")
    anchors = anchor_rows(rows, len(query))
    mine = slice(anchors.start, anchors.stop)
    prepare = unit_rows if normalize else full_precision
    query, key = prepare(query), prepare(key)
    own = torch.arange(anchors.start, anchors.stop, device=query.device)
    terms = -(query[mine] * key[mine]).sum(dim=1) / temperature
    for view in (query, key) if include_second_view else (query,):
        anchor = view if rows is None else view[mine]
        terms = terms + similarity_logsumexp(anchor, view, temperature=temperature, exclude=own)
    return reduce(terms, reduction)


class DHELLoss(SoftmaxLoss):
    """`dhel` with its settings."""

    def __init__(
        self,
        *,
        temperature: float = 0.3,
        reduction: Reduction = "mean",
        include_second_view: bool = True,
        normalize: bool = True,
    ) -> None:
        super().__init__(temperature=temperature, reduction=reduction, normalize=normalize)
        self.include_second_view = include_second_view

    def forward(
        self, query: Float[Tensor, "n d"], key: Float[Tensor, "n d"], *, rows: slice | None = None
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `dhel`."""
        return dhel(
            query,
            key,
            temperature=self.temperature,
            reduction=self.reduction,
            include_second_view=self.include_second_view,
            normalize=self.normalize,
            rows=rows,
        )
