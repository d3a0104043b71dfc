"""Log-sum-exp of each row over the other rows of its own group, without a matrix over all rows."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from core.similarity import similarity_logsumexp

__all__ = ["group_logsumexp"]

BATCHED_SIZE = 64
"""Groups up to this size go through one batched product per size; larger ones, of which there are few, one by one."""


def group_logsumexp(
    z: Float[Tensor, "n d"],
    group: Int64[Tensor, " n"],
    sizes: Int64[Tensor, " c"],
    *,
    temperature: float | Float[Tensor, ""],
) -> Float[Tensor, " n"]:
    """Logarithm of sum_{k != i, group_k = group_i} exp(z_i.z_k / temperature); rows alone in their group get 0.

    Args:
        z: rows as they are, float32 or better.
        group: group of each row, 0 to c - 1.
        sizes: rows of each group.
        temperature: > 0.

    >>> group_logsumexp(torch.eye(3), torch.tensor([0, 0, 1]), torch.tensor([2, 1]), temperature=1.0).tolist()
    [0.0, 0.0, 0.0]
    """
    order = torch.argsort(group, stable=True)
    starts = sizes.cumsum(0) - sizes
    places, values = [], []
    for size in torch.unique(sizes[sizes > 1]).tolist():
        of_size = starts[sizes == size]
        members = order[of_size[:, None] + torch.arange(size, device=z.device)]  # (groups, size)
        places.append(members.flatten())
        if size <= BATCHED_SIZE:
            values.append(_batched(z[members], temperature).flatten())
            continue
        own = torch.arange(size, device=z.device)
        for rows in members:
            part = z[rows]
            values.append(similarity_logsumexp(part, part, temperature=temperature, exclude=own))
    if not places:
        return z.new_zeros(len(z))
    return z.new_zeros(len(z)).index_copy(0, torch.cat(places), torch.cat(values))


def _batched(members: Tensor, temperature: float | Tensor) -> Tensor:
    with torch.autocast(members.device.type, enabled=False):
        logits = members @ members.mT / temperature  # (groups, size, size)
    own = torch.eye(members.shape[1], dtype=torch.bool, device=members.device)
    return logits.masked_fill(own, -torch.inf).logsumexp(dim=2)
