"""A moving average of each sample's partition function, kept as its logarithm."""

import math

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from core.checks import check_at_least
from core.lasting_state import LastingState
from core.losses.sample_index import gathered_samples

__all__ = ["PartitionState", "check_gamma", "moving_average"]


def check_gamma(gamma: float) -> None:
    """Refuse a weight of the new value outside (0, 1].

    Raises:
        ValueError: with what is allowed and what came.
    """
    if not 0 < gamma <= 1:
        raise ValueError(
            f"gamma, the weight of the new value, must be in (0, 1], got {gamma!r}; usual values are 0.2 to 1"
        )


def moving_average(log_old: Float[Tensor, " n"], log_new: Float[Tensor, " n"], gamma: float) -> Float[Tensor, " n"]:
    """``log( (1 - gamma) old + gamma new )`` from logarithms, exactly; the new value where the old one is 0 (-inf).

    Raises:
        ValueError: gamma outside (0, 1].

    >>> old, new = torch.tensor([0.0, -torch.inf]), torch.tensor([2.0, 5.0])
    >>> [round(value, 4) for value in moving_average(old, new, 0.5).tolist()]  # log((1 + e^2) / 2), and the new value
    [1.4338, 5.0]
    """
    check_gamma(gamma)
    if gamma == 1:
        return log_new
    blend = torch.logaddexp(log_old + math.log1p(-gamma), log_new + math.log(gamma))
    return torch.where(log_old == -torch.inf, log_new, blend)


class PartitionState(LastingState):
    """log s_i of each sample, the memory of SogCLR (Yuan et al. 2022, arXiv 2202.12387).

    A sample that was never seen has s_i = 0, a logarithm of -inf. The released codes keep s itself, which overflows at
    low temperatures, or a running maximum beside it, against which late values underflow.

    Args:
        num_samples: samples in the data set, >= 1.

    Raises:
        ValueError: fewer than 1 sample.

    >>> state = PartitionState(3)
    >>> state.update(torch.tensor([2]), torch.tensor([0.5]))
    >>> state.log_partition.tolist(), state.visited.tolist()
    ([-inf, -inf, 0.5], [False, False, True])
    """

    log_partition: Tensor

    def __init__(self, num_samples: int) -> None:
        super().__init__()
        check_at_least("num_samples", num_samples, 1)
        self.register_buffer("log_partition", torch.full((num_samples,), -torch.inf))

    @property
    def visited(self) -> Bool[Tensor, " num_samples"]:
        """Which samples have a value."""
        return self.log_partition > -torch.inf

    def read(self, index: Int64[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Log s of some samples, -inf where never seen."""
        return self.log_partition[index.to(self.log_partition.device)]

    @torch.no_grad()
    def update(self, index: Int64[Tensor, " n"], log_partition: Float[Tensor, " n"]) -> None:
        """Replace log s of some samples; under several processes, of the samples of all, in every process.

        Values that are not finite, from an encoder that diverged, are passed over: they could never be averaged out.

        Args:
            index: positions in the data set; as many in every process.
            log_partition: their new values.

        Raises:
            TypeError: an index that is not int64.
            ValueError: shapes, a sample outside the data set, or one that comes twice.
        """
        index, values = gathered_samples(index, log_partition, len(self.log_partition))
        index, values = index.to(self.log_partition.device), values.to(self.log_partition)
        self.log_partition[index] = torch.where(values.isfinite(), values, self.log_partition[index])

    def extra_repr(self) -> str:
        """The size."""
        return f"num_samples={len(self.log_partition)}"
