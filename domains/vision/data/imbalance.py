"""Uneven cuts of the training part: long-tailed and linear over classes, exponential over a target."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from core.errors import UserError
from domains.vision.data.images import ImageSet

__all__ = ["imbalanced_targets", "linear_imbalance", "long_tailed"]


def long_tailed(images: ImageSet, factor: float = 100.0, seed: int = 0) -> ImageSet:
    """Class c of C keeps ``int(n_max * (1 / factor) ** (c / (C - 1)))`` training images, drawn at random.

    The cut of CIFAR-10-LT (Cao et al. 2019, arXiv 1906.07413) that iSogCLR (arXiv 2305.11965) is tested on; ``n_max``
    is the size of the largest class. A class that has fewer keeps all, and none falls below one image. The test part
    is left as it is.

    Args:
        images: with labels; training images of unknown class stay.
        factor: ratio of the first class to the last, >= 1.
        seed: of the draw.

    Raises:
        UserError: no labels. ValueError: factor below 1.
    """
    if not factor >= 1:
        raise ValueError(f"factor must be >= 1, got {factor!r}; usual are 10 and 100")
    labels, training = _labels(images), _training(images)
    classes = images.num_classes
    counts = torch.bincount(labels[training & (labels >= 0)], minlength=classes)
    most = int(counts.max())
    keep = [max(1, int(most * (1 / factor) ** (c / max(classes - 1, 1)))) for c in range(classes)]
    return _cut(images, labels, training, keep, seed, f"{images.name}-lt{factor:g}")


def linear_imbalance(images: ImageSet, seed: int = 2021) -> ImageSet:
    """Class c of C keeps the first ``int((c + 1) / C * n_c)`` of its ``n_c`` shuffled training images, at least one.

    The imbalanced CIFAR of CACR (arXiv 2105.03746), with its seed (its generator is NumPy's, so its draw differs). The
    test part is left as it is.

    Args:
        images: with labels; training images of unknown class stay.
        seed: of the shuffle.

    Raises:
        UserError: no labels.
    """
    labels, training = _labels(images), _training(images)
    classes = images.num_classes
    counts = torch.bincount(labels[training & (labels >= 0)], minlength=classes).tolist()
    keep = [max(1, (c + 1) * counts[c] // classes) for c in range(classes)]
    return _cut(images, labels, training, keep, seed, f"{images.name}-linear")


def imbalanced_targets(images: ImageSet, factor: float = 20.0, bins: int = 10, seed: int = 0) -> ImageSet:
    """A regression set whose targets grow rare towards one end.

    The range of the training targets is cut into bins of equal width; of the images in bin b a share of
    ``factor ** (-b / (bins - 1))`` is kept, drawn at random, at least one. The test part is left as it is.

    Args:
        images: with targets.
        factor: ratio of the shares of the first and the last bin, >= 1.
        bins: >= 2.
        seed: of the draw.

    Raises:
        UserError: no targets. ValueError: factor below 1, or fewer than two bins.
    """
    if not factor >= 1:
        raise ValueError(f"factor must be >= 1, got {factor!r}")
    if bins < 2:
        raise ValueError(f"bins must be >= 2, got {bins!r}")
    if images.targets is None:
        raise UserError(f"{images.name} has no targets to cut by")
    training = _training(images)
    least, most = images.targets[training].min(), images.targets[training].max()
    width = (most - least).clamp_min(torch.finfo(torch.float32).tiny)
    groups = ((images.targets - least) / width * bins).long().clamp(0, bins - 1)
    counts = torch.bincount(groups[training], minlength=bins).tolist()
    keep = [max(1, round(counts[b] * factor ** (-b / (bins - 1)))) for b in range(bins)]
    return _cut(images, groups, training, keep, seed, f"{images.name}-rare{factor:g}")


def _labels(images: ImageSet) -> Tensor:
    if images.labels is None:
        raise UserError(f"{images.name} has no classes to cut by")
    return images.labels


def _training(images: ImageSet) -> Tensor:
    return torch.ones(len(images), dtype=torch.bool) if images.test is None else ~images.test


def _cut(images: ImageSet, groups: Tensor, training: Tensor, keep: list[int], seed: int, name: str) -> ImageSet:
    """Of the training images of each group so many, drawn at random, in their old order; everything else stays."""
    kept = ~(training & (groups >= 0))
    shuffled = torch.randperm(len(groups), generator=torch.Generator().manual_seed(seed))
    for group, count in enumerate(keep):
        members = shuffled[training[shuffled] & (groups[shuffled] == group)]
        kept[members[:count]] = True
    return replace(images.select(kept), name=name)
