"""Shannon's measures on grey levels: how much an image holds, and how much of it another one tells."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float64, Int64, Shaped
from torch import Tensor

from core.samplers.grey_levels import check_images, grey_levels, runs_of_images
from core.samplers.near_copies import Bools, Indices, Measure, PreparedItems

__all__ = ["PreparedLevels", "SharedInformation", "entropy", "mutual_information"]

COUNTS = 1 << 21
"""Pixels or histogram cells held at once."""
NOTHING = 1e-9
"""Entropies below are the rounding of 0: one odd pixel in a million makes 1e-5."""


def entropy(images: Shaped[Tensor, "*n h w"] | Sequence[Tensor], *, bins: int = 64) -> Float64[Tensor, "*n"]:
    """Entropy of the grey levels of each image, in nats, from 0 for a constant image to log(bins).

    Args:
        images: ``(h, w)``, ``(n, h, w)``, or a sequence of ``(h, w)`` of any sizes; brought to 8 bits as in
            `core.samplers.grey_levels`.
        bins: equal parts of the 256 levels, 2 to 256.

    Raises:
        TypeError: images that are not real tensors.
        ValueError: shapes, values that are not finite, another number of bins.

    >>> entropy(torch.tensor([[0, 255], [255, 0]], dtype=torch.uint8)).div(2).exp().square().round(decimals=6)
    tensor(2., dtype=torch.float64)
    """
    _check_bins(bins)
    if isinstance(images, Tensor) and images.dim() == 2:
        return _entropies(_binned(images[None], bins), bins)[0]
    parts = [_entropies(_binned(run, bins), bins) for run in runs_of_images(images)]
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64)


def mutual_information(
    a: Shaped[Tensor, "*n h w"], b: Shaped[Tensor, "*n h w"], *, bins: int = 64, normalized: bool = False
) -> Float64[Tensor, "*n"]:
    """Mutual information of the grey levels of image i of ``a`` and image i of ``b``.

    From their joint histogram p(u, v)::

        I = sum_{u, v} p(u, v) log( p(u, v) / (p(u) p(v)) )        normalised: 2 I / (H(a) + H(b)), in [0, 1]

    Args:
        a: ``(h, w)`` or ``(n, h, w)``; brought to 8 bits as in `core.samplers.grey_levels`.
        b: as many images of the same size.
        bins: equal parts of the 256 levels, 2 to 256. Independent images of n pixels get about (bins - 1)^2 / 2n nats.
        normalized: divide by the mean entropy; two constant images then have 1.

    Returns:
        Nats, >= 0, or a share.

    Raises:
        TypeError: images that are not real tensors.
        ValueError: shapes, values that are not finite, another number of bins.

    >>> a = torch.tensor([[0, 255], [255, 0]], dtype=torch.uint8)
    >>> float(mutual_information(a, a, normalized=True)), float(mutual_information(a, a.sort().values))
    (1.0, 0.0)
    """
    _check_bins(bins)
    if a.shape != b.shape:
        raise ValueError(f"a and b must have the same shape, got {tuple(a.shape)} and {tuple(b.shape)}")
    if a.dim() == 2:
        return mutual_information(a[None], b[None], bins=bins, normalized=normalized)[0]
    first, second = _binned(a, bins), _binned(b, bins)
    count = torch.arange(len(first), device=first.device)
    return _information(
        first, second, count, count, _entropies(first, bins), _entropies(second, bins), bins, normalized
    )


def _check_bins(bins: int) -> None:
    if not 2 <= bins <= 256:
        raise ValueError(f"bins must be in 2..256, the grey levels of 8 bits, got {bins}")


def _binned(images: Tensor, bins: int) -> Tensor:
    """Bin of each pixel, ``(n, pixels)`` uint8."""
    return (grey_levels(images).flatten(1).int() * bins // 256).to(torch.uint8)


def _histogram_entropies(cells: Tensor, size: int) -> Tensor:
    """Entropy of each row of cell numbers below ``size``."""
    rows, pixels = cells.shape
    shift = size * torch.arange(rows, device=cells.device)[:, None]
    counts = torch.bincount((cells + shift).flatten(), minlength=rows * size).view(rows, size)
    # c log c from a table: a logarithm for each cell, most of them empty, would take most of the time
    table = torch.arange(pixels + 1, dtype=torch.float64, device=cells.device)
    table = torch.special.xlogy(table, table)
    return torch.clamp(math.log(pixels) - table[counts].sum(dim=1) / pixels, min=0)


def _entropies(levels: Tensor, bins: int) -> Tensor:
    parts = [_histogram_entropies(part.long(), bins) for part in levels.split(max(1, COUNTS // levels.shape[1]))]
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64)


def _information(
    first: Tensor,
    second: Tensor,
    rows: Int64[Tensor, " p"],
    columns: Int64[Tensor, " p"],
    first_entropy: Tensor,
    second_entropy: Tensor,
    bins: int,
    normalized: bool,
) -> Tensor:
    """Of rows of ``first`` and rows of ``second``, pair by pair: H(a) + H(b) - H(a, b)."""
    step = max(1, COUNTS // max(first.shape[1], bins * bins))
    joint = [
        _histogram_entropies(first[i].long() * bins + second[j], bins * bins)
        for i, j in zip(rows.split(step), columns.split(step), strict=True)
    ]
    total = first_entropy[rows] + second_entropy[columns]
    shared = (total - torch.cat(joint)).clamp(min=0) if joint else total
    return torch.where(total > NOTHING, 2 * shared / total, 1.0) if normalized else shared


class SharedInformation(Measure):
    """Normalised mutual information of two images' grey levels; near-copies are at or above the threshold, in [0, 1].

    Images must have one size. Backgrounds count: mask them, or compare shares, not nats, which is what is done here.

    Args:
        bins: see `mutual_information`.

    Raises:
        ValueError: another number of bins.
    """

    similarity = True
    images = True
    lowest = 0.0
    highest = 1.0

    def __init__(self, *, bins: int = 64) -> None:
        _check_bins(bins)
        self.bins = bins

    def prepare(self, items: Shaped[Tensor, "n h w"]) -> "PreparedLevels":
        """Bin the pixels; errors as `mutual_information`."""
        check_images(items)
        return PreparedLevels(items, self.bins)


class PreparedLevels(PreparedItems):
    """Bins of all pixels, and the entropy of each image."""

    leaf = 1
    width = 1

    def __init__(self, images: Tensor, bins: int) -> None:
        self.bins = bins
        step = max(1, COUNTS // (images.shape[1] * images.shape[2]))
        self.levels = torch.cat([_binned(part, bins) for part in images.split(step)])
        self.entropies = _entropies(self.levels, bins)

    def __len__(self) -> int:
        return len(self.levels)

    def near(self, rows: Indices, columns: Indices, threshold: float) -> Bools:
        """Pair by pair, from joint histograms."""
        own = torch.from_numpy(np.repeat(rows, len(columns)))
        other = torch.from_numpy(np.tile(columns, len(rows)))
        shares = _information(
            self.levels, self.levels, own, other, self.entropies, self.entropies, self.bins, normalized=True
        )
        result: Bools = (shares >= threshold).view(len(rows), len(columns)).cpu().numpy()
        return result
