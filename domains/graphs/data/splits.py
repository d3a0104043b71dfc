"""Train, validation and test parts where no public split exists."""

import torch
from jaxtyping import Int64
from torch import Tensor

from core.errors import UserError

__all__ = ["random_split"]


def random_split(
    y: Int64[Tensor, " n"], *, train: float = 0.1, val: float = 0.1, seed: int = 0
) -> tuple[Int64[Tensor, " a"], Int64[Tensor, " b"], Int64[Tensor, " c"]]:
    """Random parts, stratified: each class gives its share to each part, and at least one node to training.

    The usual protocol for the Amazon and Coauthor graphs is 10/10/80 over several seeds (Shchur et al. 2018,
    arXiv 1811.05868).

    Args:
        y: class of each node; -1 is left out of every part.
        train: share of the training part, in (0, 1).
        val: share of the validation part, in (0, 1).
        seed: of the draw.

    Returns:
        Ascending positions of train, validation and test.

    Raises:
        ValueError: shares that leave nothing for the test part.
        UserError: too few labelled nodes for three parts.

    >>> [len(part) for part in random_split(torch.arange(100) % 2)]
    [10, 10, 80]
    """
    if not (train > 0 and val > 0 and train + val < 1):
        raise ValueError(f"train and val must be > 0 and leave something for the test part, got {train} and {val}")
    generator = torch.Generator().manual_seed(seed)
    known = (y >= 0).nonzero().squeeze(1)
    shuffled = known[torch.randperm(len(known), generator=generator)]
    by_class = shuffled[torch.argsort(y[shuffled], stable=True)]
    size = torch.bincount(y[by_class])
    start = torch.cumsum(size, 0) - size
    rank = torch.arange(len(by_class)) - start[y[by_class]]  # random rank within the class
    of_class = size[y[by_class]]
    first = (train * of_class).round().clamp(min=1)
    second = first + (val * of_class).round()
    parts = (by_class[rank < first], by_class[(rank >= first) & (rank < second)], by_class[rank >= second])
    if any(len(part) == 0 for part in parts):
        raise UserError(
            f"{len(known)} labelled nodes are too few for a {train:g}/{val:g} split with a test part; "
            "label more nodes, or give a column that says train, val or test"
        )
    return parts[0].sort().values, parts[1].sort().values, parts[2].sort().values
