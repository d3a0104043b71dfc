"""Log-sum-exp of each anchor over the rows of all other groups, without a matrix over all rows."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from core.losses.rows import other_members
from core.similarity import similarity_logsumexp

__all__ = ["complement_logsumexp"]

FEW = 16
"""Groups up to this size are left out column by column, all in one call; larger ones, of which there are few, one by
one against the rows of the others."""


def complement_logsumexp(
    z: Float[Tensor, "n d"],
    group: Int64[Tensor, " n"],
    *,
    temperature: float | Float[Tensor, ""],
    anchors: Int64[Tensor, " a"] | None = None,
) -> Float[Tensor, " a"]:
    """Logarithm of sum_{k: group_k != group_i} exp(z_i.z_k / temperature); -inf, without gradient, for one group only.

    Args:
        z: rows as they are, float32 or better.
        group: any number for each row.
        temperature: > 0.
        anchors: positions of the rows to score; None takes all.

    >>> complement_logsumexp(torch.eye(3), torch.tensor([0, 0, 1]), temperature=1.0)
    tensor([0.0000, 0.0000, 0.6931])
    """
    _, group, sizes = torch.unique(group, return_inverse=True, return_counts=True)
    if anchors is None:
        anchors = torch.arange(len(z), device=z.device)
    if len(sizes) == 1:
        return z.new_full((len(anchors),), -torch.inf)
    mine = group[anchors]
    places, values = [], []
    few = (sizes[mine] <= FEW).nonzero()[:, 0]
    if len(few):
        rows = anchors[few]
        anchor = z if len(rows) == len(z) and torch.equal(rows, torch.arange(len(z), device=z.device)) else z[rows]
        exclude = _members_of_small_groups(group, sizes)[rows]
        places.append(few)
        values.append(similarity_logsumexp(anchor, z, temperature=temperature, exclude=exclude))
    for one in torch.unique(mine[sizes[mine] > FEW]).tolist():
        members = (mine == one).nonzero()[:, 0]
        places.append(members)
        values.append(similarity_logsumexp(z[anchors[members]], z[group != one], temperature=temperature))
    order = torch.cat(places)
    return torch.cat(values)[torch.argsort(order)]


def _members_of_small_groups(group: Tensor, sizes: Tensor) -> Tensor:
    """All rows of each row's group, itself first; -1 where there are fewer, and for rows of large groups."""
    small = (sizes[group] <= FEW).nonzero()[:, 0]
    others = other_members(group[small])
    others = torch.where(others < 0, -1, small[others])
    members = group.new_full((len(group), 1 + others.shape[1]), -1)
    members[small] = torch.cat([small[:, None], others], dim=1)
    return members
