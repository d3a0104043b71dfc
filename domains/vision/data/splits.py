"""Which images test, and which few keep their labels for fine-tuning."""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor

from core.errors import UserError
from domains.vision.data.images import ImageSet

__all__ = ["few_labels", "test_rows"]


def test_rows(images: ImageSet, share: float, seed: int) -> Int64[Tensor, " m"]:
    """The images to test on: the official test part, else a share drawn evenly over the classes.

    Drawn are ``round(share * n)`` images (at least one, never all), from each class by its share as nearly as whole
    images allow. An image that is the only one of its class stays for training, and so does one whose class is unknown;
    where that leaves nothing (no labels, or classes of one image each), all images are drawn from alike.

    Args:
        images: the whole set.
        share: of the images to test on, in (0, 1); of no effect where there is an official part.
        seed: of the draw.

    Returns:
        Positions in ascending order.

    Raises:
        ValueError: share outside (0, 1). UserError: fewer than two images.
    """
    if not 0 < share < 1:
        raise ValueError(f"share must be in (0, 1), got {share!r}; usual is 0.2")
    if len(images) < 2:
        raise UserError(
            f"{images.name} has {len(images)} image(s); at least two are needed to hold one out for testing"
        )
    if images.test is not None:
        return images.test.nonzero().flatten()
    labels = torch.zeros(len(images), dtype=torch.int64) if images.labels is None else images.labels
    candidates = _not_alone(labels)
    if len(candidates) < 2:
        labels, candidates = torch.zeros_like(labels), torch.arange(len(labels))
    order = candidates[_even_order(labels[candidates], seed)]
    count = min(max(round(share * len(candidates)), 1), len(candidates) - 1)
    return order[:count].sort().values


def few_labels(
    labels: Int64[Tensor, " n"], *, per_class: int | None = None, share: float | None = None, seed: int = 0
) -> Int64[Tensor, " m"]:
    """A few labelled images of each class, for fine-tuning with few labels.

    Args:
        labels: classes; -1 (unknown) is never drawn.
        per_class: images a class, or all of a class that has fewer.
        share: of the images of each class, in (0, 1], rounded, at least one; the usual settings are 0.01 and 0.1. Give
            this or ``per_class``.
        seed: of the draw. With the same seed a smaller subset lies inside a larger one.

    Returns:
        Positions in ascending order.

    Raises:
        ValueError: both or neither of ``per_class`` and ``share``, or out of range.

    >>> labels = torch.tensor([0, 0, 0, 0, 1, -1])
    >>> labels[few_labels(labels, per_class=2)].tolist()
    [0, 0, 1]
    """
    if (per_class is None) == (share is None):
        raise ValueError("give either per_class or share")
    if per_class is not None and per_class < 1:
        raise ValueError(f"per_class must be >= 1, got {per_class!r}")
    if share is not None and not 0 < share <= 1:
        raise ValueError(f"share must be in (0, 1], got {share!r}")
    shuffled = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    drawn = []
    for label in labels[labels >= 0].unique().tolist():
        members = shuffled[labels[shuffled] == label]
        drawn.append(members[: per_class if share is None else max(1, round(share * len(members)))])
    return torch.cat(drawn).sort().values if drawn else torch.zeros(0, dtype=torch.int64)


def _not_alone(labels: Tensor) -> Tensor:
    """Positions of the images whose class is known and has another image."""
    known = labels >= 0
    counts = torch.bincount(labels[known], minlength=1)
    return (known & (counts[labels.clamp_min(0)] > 1)).nonzero().flatten()


def _even_order(labels: Tensor, seed: int) -> Tensor:
    """A random order in which every prefix holds the classes by their share, as nearly as whole images allow."""
    shuffled = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    by_class = shuffled[labels[shuffled].argsort(stable=True)]
    counts = torch.bincount(labels)
    first = counts.cumsum(0) - counts
    own = labels[by_class]
    place = (torch.arange(len(labels)) - first[own] + 0.5) / counts[own]
    position = torch.empty(len(labels), dtype=place.dtype)
    position[by_class] = place
    return shuffled[position[shuffled].argsort(stable=True)]  # shuffled: ties between classes fall at random
