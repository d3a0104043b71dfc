"""Which labels belong to each row: one class, several indices, or a multi-hot mask, in one form."""

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from core.checks import check_at_least

__all__ = ["Targets", "label_indices"]

Targets = Int64[Tensor, " n"] | Int64[Tensor, "n p"] | Bool[Tensor, "n c"]
"""``(n,)`` one label a row, ``(n, p)`` indices with -1 for none, or a multi-hot mask ``(n, c)``."""


def label_indices(targets: Targets, count: int, labels: int) -> Int64[Tensor, "n p"]:
    """Indices of each row's labels in rising order, padded with -1 at the end to the largest set.

    Args:
        targets: as in `Targets`.
        count: rows, n.
        labels: number of labels, c.

    Raises:
        TypeError: neither int64 nor boolean.
        ValueError: no rows, another shape, an index outside -1 .. c - 1, a label that comes twice in a row.

    >>> label_indices(torch.tensor([[False, True, True], [False, False, False]]), 2, 3).tolist()
    [[1, 2], [-1, -1]]
    """
    check_at_least("the number of inputs", count, 1)
    if targets.dtype == torch.bool:
        if targets.shape != (count, labels):
            raise ValueError(
                f"multi-hot targets must have shape ({count}, {labels}), rows by labels, got {tuple(targets.shape)}"
            )
        row, label = targets.nonzero(as_tuple=True)
        sizes = targets.sum(dim=1)
        place = torch.arange(len(row), device=row.device) - (sizes.cumsum(0) - sizes)[row]
        found = targets.new_full((count, int(sizes.max())), -1, dtype=torch.int64)
        found[row, place] = label
        return found
    if targets.dtype != torch.int64:
        raise TypeError(
            f"targets must be int64 indices of labels or a boolean multi-hot mask, got {targets.dtype}; "
            "convert with .long() or .bool()"
        )
    if targets.dim() not in (1, 2) or len(targets) != count:
        raise ValueError(
            f"targets must have shape ({count},), one label a row, or ({count}, p), padded with -1, "
            f"got {tuple(targets.shape)}"
        )
    if targets.numel() and (int(targets.min()) < -1 or int(targets.max()) >= labels):
        raise ValueError(
            f"targets must hold indices from 0 to {labels - 1}, or -1 for none, "
            f"got {int(targets.min())} to {int(targets.max())}"
        )
    last = torch.where(targets.reshape(count, -1) < 0, labels, targets.reshape(count, -1)).sort(dim=1).values
    twice = (last[:, 1:] == last[:, :-1]) & (last[:, 1:] < labels)
    if bool(twice.any()):
        raise ValueError(
            f"targets names a label twice in row {int(twice.any(dim=1).nonzero()[0])}; a multi-hot mask must be "
            "boolean, convert it with .bool()"
        )
    return torch.where(last == labels, -1, last)
