"""Any loss over two batches applied to several views: over all pairs, or each view against the rest."""

from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.checks import check_choice
from core.losses.stacked_views import prepared_views

__all__ = ["PairMode", "PairwiseAggregation"]

PairMode = Literal["pairs", "mean_of_rest"]


class PairwiseAggregation(nn.Module):
    """The usual practice for v > 2 views, and the baseline of MV-InfoNCE and MV-DHEL: a mean of two-view losses.

    Koromilas et al. 2025, arXiv 2507.06979, its baselines PWE and AVG::

        pairs:         mean over l < m of loss(view l, view m), each pair a batch of its own
        mean_of_rest:  mean over l of loss(view l, mean of the unit rows of the other views)

    The released AVG does not normalise the mean again. A wrapped loss with ``normalize=True`` does; with
    ``normalize=False`` it is the released form, as the views are unit rows here in either case.

    Args:
        loss: a module that takes two aligned batches, such as `core.losses.NTXentLoss`.
        mode: "pairs" or "mean_of_rest".

    Raises:
        ValueError: an unknown mode.

    Relations:
        In the mode "pairs" equal to the wrapped loss at v = 2.

    >>> from core.losses.info_nce import NTXentLoss
    >>> round(float(PairwiseAggregation(NTXentLoss(temperature=1.0))(torch.eye(2).repeat(3, 1, 1))), 4)
    0.5514
    """

    def __init__(self, loss: nn.Module, *, mode: PairMode = "pairs") -> None:
        super().__init__()
        check_choice("mode", mode, get_args(PairMode))
        self.loss = loss
        self.mode: PairMode = mode

    @property
    def reduction(self) -> str:
        """That of the wrapped loss."""
        return str(getattr(self.loss, "reduction", "mean"))

    def extra_repr(self) -> str:
        """The mode; the loss shows itself."""
        return f"mode={self.mode!r}"

    def forward(self, views: Float[Tensor, "v n d"], **options: Any) -> Float[Tensor, "..."]:
        """Mean of the wrapped loss over pairs, or over views.

        Args:
            views: v >= 2 views of n >= 2 instances; normalised here.
            **options: passed on to the wrapped loss, for instance ``rows``.

        Raises:
            TypeError: integer tensors.
            ValueError: shapes, fewer than 2 views or instances, and what the wrapped loss raises.
        """
        unit = prepared_views(views)
        count = len(unit)
        if self.mode == "pairs":
            parts = [
                self.loss(unit[first], unit[second], **options)
                for first in range(count)
                for second in range(first + 1, count)
            ]
        else:
            total = unit.sum(dim=0)
            parts = [self.loss(view, (total - view) / (count - 1), **options) for view in unit]
        return torch.stack(parts).mean(dim=0)
