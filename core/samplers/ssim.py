"""Structural similarity of images: do means, contrasts and patterns agree, window by window."""

import torch
from jaxtyping import Float64, Shaped
from torch import Tensor
from torch.nn.functional import avg_pool2d

from core.samplers.grey_levels import check_images, grey_levels
from core.samplers.near_copies import Bools, Indices, Measure, PreparedItems

__all__ = ["PreparedStructure", "StructuralSimilarity", "ssim"]

RANGE = 255
"""Largest difference of two grey levels."""
PIXELS = 1 << 19
"""Pixels of pairs held at once, in float64."""


def ssim(a: Shaped[Tensor, "*n h w"], b: Shaped[Tensor, "*n h w"], *, window: int = 7) -> Float64[Tensor, "*n"]:
    """Structural similarity of image i of ``a`` and image i of ``b``, the mean over all full windows.

    Wang et al. 2004, "Image Quality Assessment: From Error Visibility to Structural Similarity", eq. 13, with uniform
    windows and sample covariances, as scikit-image has it by default::

        (2 m_a m_b + C1) (2 s_ab + C2) / ((m_a^2 + m_b^2 + C1) (s_a^2 + s_b^2 + C2)),   C1 = (0.01 L)^2, C2 = (0.03 L)^2

    Args:
        a: ``(h, w)`` or ``(n, h, w)``; brought to 8 bits as in `core.samplers.grey_levels`, so that L = 255.
        b: as many images of the same size.
        window: side of a window, odd, 3 to the shorter side.

    Returns:
        In [-1, 1]; 1 for equal images.

    Raises:
        TypeError: images that are not real tensors.
        ValueError: shapes, values that are not finite, another window.

    >>> a = torch.arange(64, dtype=torch.uint8).reshape(8, 8)
    >>> float(ssim(a, a))
    1.0
    """
    if a.shape != b.shape:
        raise ValueError(f"a and b must have the same shape, got {tuple(a.shape)} and {tuple(b.shape)}")
    if a.dim() == 2:
        return ssim(a[None], b[None], window=window)[0]
    check_images(a)
    check_images(b)
    _check_window(window, a.shape)
    step = max(1, PIXELS // a[0].numel()) if len(a) else 1
    parts = []
    for first, second in zip(a.split(step), b.split(step), strict=True):
        x, y = grey_levels(first).double(), grey_levels(second).double()
        parts.append(_similarity(_moments(x, window), _moments(y, window), _mean(x * y, window), window))
    return torch.cat(parts)


def _check_window(window: int, shape: torch.Size) -> None:
    if window < 3 or window % 2 == 0 or window > min(shape[-2:]):
        raise ValueError(
            f"window must be odd and from 3 to the shorter side of the images, {min(shape[-2:])}, got {window}"
        )


def _mean(x: Tensor, window: int) -> Tensor:
    """Mean over each full window of the last two axes."""
    pooled = avg_pool2d(x.reshape(-1, 1, *x.shape[-2:]), window, stride=1)
    return pooled.reshape(*x.shape[:-2], *pooled.shape[-2:])


def _moments(x: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Mean and sample variance in each window."""
    mean = _mean(x, window)
    return mean, (_mean(x * x, window) - mean * mean) * _unbiased(window)


def _unbiased(window: int) -> float:
    return window**2 / (window**2 - 1)


def _similarity(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor], product: Tensor, window: int) -> Tensor:
    """From the moments of both and the windows' means of their product; leading axes broadcast."""
    (mean_a, spread_a), (mean_b, spread_b) = first, second
    together = (product - mean_a * mean_b) * _unbiased(window)
    level, contrast = (0.01 * RANGE) ** 2, (0.03 * RANGE) ** 2
    top = (2 * mean_a * mean_b + level) * (2 * together + contrast)
    bottom = (mean_a * mean_a + mean_b * mean_b + level) * (spread_a + spread_b + contrast)
    return (top / bottom).mean(dim=(-2, -1))


class StructuralSimilarity(Measure):
    """Structural similarity of two images; near-copies are at or above the threshold, in [-1, 1].

    Images must have one size. A comparison costs some passes over the pixels: make large images smaller first.

    Args:
        window: see `ssim`.

    Raises:
        ValueError: a window that is even or below 3.
    """

    similarity = True
    images = True
    lowest = -1.0
    highest = 1.0

    def __init__(self, *, window: int = 7) -> None:
        _check_window(window, torch.Size((max(window, 3), max(window, 3))))
        self.window = window

    def prepare(self, items: Shaped[Tensor, "n h w"]) -> "PreparedStructure":
        """Bring the images to 8 bits; errors as `ssim`."""
        check_images(items)
        _check_window(self.window, items.shape)
        return PreparedStructure(items, self.window)


class PreparedStructure(PreparedItems):
    """Images in 8 bits."""

    leaf = 1
    width = 4

    def __init__(self, images: Tensor, window: int) -> None:
        self.images = torch.cat([grey_levels(part) for part in images.split(max(1, PIXELS // images[0].numel()))])
        self.window = window

    def __len__(self) -> int:
        return len(self.images)

    def near(self, rows: Indices, columns: Indices, threshold: float) -> Bools:
        """The moments of an image serve all of its comparisons."""
        own, other = torch.from_numpy(rows), self.images[torch.from_numpy(columns)].double()
        second = _moments(other, self.window)
        step = max(1, PIXELS // max(1, other.numel()))
        near = []
        for part in own.split(step):
            a = self.images[part].double()[:, None]  # (r, 1, h, w) against (c, h, w)
            similar = _similarity(_moments(a, self.window), second, _mean(a * other, self.window), self.window)
            near.append(similar >= threshold)
        result: Bools = torch.cat(near).cpu().numpy()
        return result
