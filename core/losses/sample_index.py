"""Which samples of a data set a batch holds, for losses that remember something about each sample."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from core.distributed import gather_with_grad

__all__ = ["check_index", "gathered_samples"]


def check_index(name: str, index: Tensor, count: int, num_samples: int) -> None:
    """Refuse an index that is not one position in the data set per row, each at most once.

    Raises:
        TypeError: not an int64 tensor.
        ValueError: another shape than ``(count,)``, a position outside the data set, or one that comes twice.

    >>> check_index("index", torch.tensor([3, 0]), 2, 3)
    Traceback (most recent call last):
    ValueError: index must hold positions from 0 to 2, because num_samples is 3; got 0 to 3
    """
    if not isinstance(index, Tensor) or index.dtype != torch.int64:
        kind = index.dtype if isinstance(index, Tensor) else type(index).__name__
        raise TypeError(f"{name} must be an int64 tensor of positions in the data set, got {kind}")
    if index.shape != (count,):
        raise ValueError(f"{name} must have shape ({count},), one position for each row, got {tuple(index.shape)}")
    if count and not (int(index.min()) >= 0 and int(index.max()) < num_samples):
        raise ValueError(
            f"{name} must hold positions from 0 to {num_samples - 1}, because num_samples is {num_samples}; "
            f"got {int(index.min())} to {int(index.max())}"
        )
    positions, times = torch.unique(index, return_counts=True)
    if len(positions) < count:
        most = int(times.argmax())
        raise ValueError(
            f"{name} must hold every sample at most once, but {int(positions[most])} comes {int(times[most])} times; "
            "draw batches without replacement (torch's DistributedSampler repeats samples unless drop_last=True)"
        )


def gathered_samples(
    index: Int64[Tensor, " n"], values: Float[Tensor, " n"], num_samples: int
) -> tuple[Int64[Tensor, " m"], Float[Tensor, " m"]]:
    """Index and values of the rows of all processes, checked; those of this one where it is alone.

    Raises:
        TypeError: as `check_index`.
        ValueError: as `check_index`; also where two processes bring the same sample.

    >>> [part.tolist() for part in gathered_samples(torch.tensor([2, 0]), torch.tensor([0.5, 1.0]), 3)]
    [[2, 0], [0.5, 1.0]]
    """
    check_index("index", index, len(values), num_samples)
    everywhere = gather_with_grad(index.to(values.device)), gather_with_grad(values.detach())
    if everywhere[0].shape != index.shape:
        check_index("the gathered index", everywhere[0], len(everywhere[1]), num_samples)
    return everywhere
