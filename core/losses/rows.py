"""Which rows of a batch are anchors: all of them, or one process's share of a gathered batch."""

from collections.abc import Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

__all__ = ["anchor_rows", "anchors_of_views", "columns", "other_members"]


def anchor_rows(rows: slice | None, count: int) -> range:
    """The anchors that ``rows`` selects out of ``count``; ``None`` selects all.

    Args:
        rows: consecutive anchors, as ``slice(start, stop)``; every other row is a candidate only.
        count: rows of the batch.

    Raises:
        ValueError: a step, an empty selection, or one that reaches outside the batch.
    """
    if rows is None:
        return range(count)
    start, stop = rows.start or 0, count if rows.stop is None else rows.stop
    if rows.step not in (None, 1) or not 0 <= start < stop <= count:
        raise ValueError(f"rows must be a slice of consecutive anchors within 0:{count}, got {rows}")
    return range(start, stop)


def anchors_of_views(anchors: range, count: int, views: int, device: torch.device) -> Int64[Tensor, " a"]:
    """Positions of the anchors in ``views`` batches of ``count`` rows laid end to end, view by view."""
    one = torch.arange(anchors.start, anchors.stop, device=device)
    return (one + count * torch.arange(views, device=device)[:, None]).flatten()


def other_members(ids: Int64[Tensor, " n"]) -> Int64[Tensor, "n e"]:
    """For each row the other rows with the same id, padded with -1 to the largest group.

    Meant for duplicates, a few rows an id: the result is as wide as the largest group.

    >>> other_members(torch.tensor([5, 7, 5, 5])).tolist()
    [[2, 3], [-1, -1], [3, 0], [0, 2]]
    """
    _, group, sizes = torch.unique(ids, return_inverse=True, return_counts=True)
    order = torch.argsort(group, stable=True)  # rows, group by group
    start = (sizes.cumsum(0) - sizes)[group[order]][:, None]
    size = sizes[group[order]][:, None]
    place = torch.arange(len(ids), device=ids.device)[:, None] - start
    step = torch.arange(1, int(sizes.max()), device=ids.device)  # walk round the group from the row itself
    members = torch.where(step < size, order[start + (place + step) % size], -1)
    return torch.empty_like(members).index_copy_(0, order, members)


def columns(parts: Sequence[Int64[Tensor, "..."]]) -> Int64[Tensor, "n e"]:
    """Index columns side by side: (n,) and (n, e) tensors to one (n, e)."""
    return torch.cat([part if part.dim() == 2 else part[:, None] for part in parts], dim=1)
