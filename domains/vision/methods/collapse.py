"""Whether features have collapsed to a point."""

import logging

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

__all__ = ["CollapseAlarm", "relative_spread"]

_log = logging.getLogger(__name__)
_ALARM = 0.05


@torch.no_grad()
def relative_spread(z: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    """Standard deviation of unit rows over the batch, averaged over dimensions, in units of 1 / sqrt(d).

    Chen and He 2021 (SimSiam), arXiv 2011.10566, section 4.1: about 1 for rows spread over the sphere, 0 for rows that
    are all equal.

    Args:
        z: rows; normalised here.

    >>> round(float(relative_spread(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))), 4)
    1.0
    """
    spread: Tensor = normalize(z.float(), dim=1).std(dim=0, correction=0).mean() * z.shape[1] ** 0.5
    return spread


class CollapseAlarm:
    """Measures the spread, and warns once where it is nearly 0."""

    def __init__(self) -> None:
        self.rung = False

    def __call__(self, z: Float[Tensor, "n d"]) -> Tensor:
        """The relative spread of some features.

        Args:
            z: of one view of the batch.
        """
        spread = relative_spread(z)
        if not self.rung and float(spread) < _ALARM:
            self.rung = True
            _log.warning(
                "the features are collapsing: their spread is %.3f of a healthy one; lower lr, or take a larger batch",
                float(spread),
            )
        return spread
