"""Draws of samples from classes: each class is a deck that is gone through before it is shuffled again."""

from typing import NamedTuple

import torch
from torch import Tensor

from core.samplers.epoch_batches import shuffle_within

__all__ = ["Classes", "decks"]


class Classes(NamedTuple):
    """Positions sorted by class, with where each class begins and how many it has.

    Attributes:
        values: the label of each class, ``(c,)``, rising.
        positions: ``(n,)``, class by class.
        starts: ``(c,)`` into ``positions``.
        sizes: ``(c,)``.
    """

    values: Tensor
    positions: Tensor
    starts: Tensor
    sizes: Tensor

    @classmethod
    def of(cls, labels: Tensor) -> "Classes":
        """Group the positions of ``(n,)`` int64 labels."""
        values, sizes = torch.unique(labels, return_counts=True)
        return cls(values, torch.sort(labels, stable=True).indices, sizes.cumsum(0) - sizes, sizes)

    def draw(self, classes: Tensor, counts: Tensor, generator: torch.Generator) -> Tensor:
        """Draw ``counts[i]`` samples of class ``classes[i]`` for every i in turn.

        A class is dealt in hands as wide as its largest count. A hand holds no sample twice where the class is large
        enough, else it goes through the class again; a class is shuffled anew when what is left is no full hand.

        Args:
            classes: ``(r,)`` int64, places in ``values``.
            counts: ``(r,)`` int64, >= 1.
            generator: source of the order.

        Returns:
            ``(sum of counts,)`` positions.
        """
        hands = torch.bincount(classes, minlength=len(self.sizes))
        width = torch.zeros_like(hands).scatter_reduce(0, classes, counts, "amax").clamp(min=1)
        per_deck = (self.sizes // width).clamp(min=1)  # hands of a shuffled class
        needed = -(-hands // per_deck)  # times that a class is shuffled
        owner = torch.arange(len(needed)).repeat_interleave(needed)  # class of each deck, in order
        cards, first = decks(self.sizes[owner], generator)
        dealt = _occurrences(classes, hands)  # hands of that class before this one
        deck = (needed.cumsum(0) - needed)[classes] + dealt // per_deck[classes]
        begin = (dealt % per_deck[classes]) * width[classes]
        row = torch.arange(len(classes)).repeat_interleave(counts)
        card = begin[row] + (torch.arange(len(row)) - (counts.cumsum(0) - counts)[row])
        drawn = classes[row]
        return self.positions[self.starts[drawn] + cards[first[deck[row]] + card % self.sizes[drawn]]]


def decks(sizes: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Random orders of 0..s-1 for each size s, one after the other, and where each begins.

    >>> cards, first = decks(torch.tensor([2, 3]), torch.Generator().manual_seed(0))
    >>> cards[first[1] :].sort().values.tolist()
    [0, 1, 2]
    """
    first = sizes.cumsum(0) - sizes
    owner = torch.arange(len(sizes)).repeat_interleave(sizes)
    return shuffle_within(owner, generator) - first[owner], first


def _occurrences(classes: Tensor, totals: Tensor) -> Tensor:
    """How often each entry's value came before it."""
    order = torch.sort(classes, stable=True).indices
    before = torch.arange(len(classes)) - (totals.cumsum(0) - totals)[classes[order]]
    return torch.empty_like(order).scatter_(0, order, before)
