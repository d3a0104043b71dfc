"""Negative labels for each input, drawn by frequency from the labels that it does not have."""

import torch
from jaxtyping import Int64
from torch import Tensor

from core.checks import check_at_least
from core.losses.label_sets import Targets, label_indices

__all__ = ["sample_negative_labels"]


def sample_negative_labels(
    targets: Targets,
    num_labels: int,
    num_negatives: int,
    *,
    counts: Int64[Tensor, " c"] | None = None,
    generator: torch.Generator | None = None,
) -> Int64[Tensor, "n k"]:
    """Labels of which none is the input's own, in proportion to how often they occur.

    Pseudo labels need it: words that a text does not hold are separable by frequency alone unless they are as frequent
    as the ones that it holds (Rethmeier and Augenstein 2020, arXiv 2010.01061). The draw is exact, with replacement,
    and rejects nothing: it falls on what is left of the counts when the input's labels are taken out. A loss that
    corrects for the noise's probabilities wants plain draws from them instead.

    Args:
        targets: labels of each input: ``(n,)``, ``(n, p)`` padded with -1, or a boolean mask ``(n, c)``.
        num_labels: c.
        num_negatives: draws for each input, k >= 1.
        counts: how often each label occurs, >= 0, together at most 2^53; ``None`` draws all alike.
        generator: draws; ``None`` takes torch's default one.

    Returns:
        ``(n, k)`` indices of labels.

    Raises:
        TypeError: targets or counts of another type.
        ValueError: shapes, negative counts, an input that leaves no label to draw.

    >>> targets = torch.tensor([[0, 1], [2, -1]])
    >>> sample_negative_labels(targets, 3, 4, counts=torch.tensor([5, 0, 1])).tolist()
    [[2, 2, 2, 2], [0, 0, 0, 0]]
    """
    check_at_least("num_labels", num_labels, 1)
    check_at_least("num_negatives", num_negatives, 1)
    own = label_indices(targets, len(targets), num_labels)
    if counts is None:
        counts = torch.ones(num_labels, dtype=torch.int64, device=own.device)
    if counts.dtype != torch.int64:
        raise TypeError(f"counts must be int64, got {counts.dtype}; round them")
    if counts.shape != (num_labels,):
        raise ValueError(f"counts must have shape ({num_labels},), one a label, got {tuple(counts.shape)}")
    if int(counts.min()) < 0 or int(counts.sum()) > 2**53:
        raise ValueError(
            f"counts must be >= 0 and add up to at most 2^53, got a least one of {int(counts.min())} and a sum of "
            f"{int(counts.sum())}"
        )
    ends = counts.cumsum(0)
    # A label takes the stretch [end - count, end) of the line. Draw on the line without the input's own stretches,
    # then step over those that begin at or before the place.
    held = torch.where(own < 0, 0, counts[own])  # (n, p)
    before = held.cumsum(1) - held
    begins = torch.where(own < 0, ends[-1], (ends - counts)[own] - before)
    left = ends[-1] - held.sum(dim=1, keepdim=True)
    if int(left.min()) < 1:
        row = int((left[:, 0] < 1).nonzero()[0])
        raise ValueError(f"input {row} has every label that occurs, so there is no negative to draw; drop it")
    where = own.device if generator is None else generator.device
    share = torch.rand(len(own), num_negatives, generator=generator, dtype=torch.float64, device=where).to(own.device)
    place = torch.minimum((share * left).long(), left - 1)
    passed = torch.searchsorted(begins.contiguous(), place, right=True)  # own stretches stepped over
    steps = torch.cat([held.new_zeros(len(own), 1), held.cumsum(1)], dim=1)
    return torch.searchsorted(ends, place + steps.gather(1, passed), right=True)
