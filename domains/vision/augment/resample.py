"""Crops, flips, resizing and blur as one pair of matrices for each image.

A crop that is resized without rotation is separable: ``view = R image C^T`` with a matrix R of row weights and a matrix
C of column weights. A Gaussian blur with reflected borders is such a pair too, so it costs only a product of two small
matrices, never a pass over the images.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

__all__ = ["blur_weights", "resample", "resize_weights", "rotate"]


def resize_weights(
    start: Float[Tensor, " n"], stop: Float[Tensor, " n"], length: int, size: int
) -> Float[Tensor, "n {size} {length}"]:
    """Weights of the pixels ``start..stop`` of a line in each of ``size`` pixels; every row sums to 1.

    Bilinear with pixel centres at half-integers. Where the line is enlarged this is
    ``interpolate(mode="bilinear", align_corners=False)`` of the cropped pixels; where it is shrunk, the triangle grows
    with the step so that no pixel is skipped, as PIL and torchvision with ``antialias=True``. Pixels outside of the
    crop have no weight.

    Args:
        start: first edge of each crop, in pixels from the image's edge.
        stop: last edge; less than ``start`` mirrors the line.
        length: pixels of the image's line.
        size: pixels of the view's line.
    """
    device = start.device
    step = ((stop - start) / size)[:, None]
    support = step.abs().clamp_(min=1)
    centres = start[:, None] + step * (torch.arange(size, device=device) + 0.5)
    pixels = torch.arange(length, device=device) + 0.5
    inside = (pixels > torch.minimum(start, stop)[:, None]) & (pixels < torch.maximum(start, stop)[:, None])
    # A pixel at infinity is out of reach of every triangle.
    pixels = torch.where(inside, pixels, torch.inf)
    distance = (pixels / support)[:, None] - (centres / support)[:, :, None]  # (n, size, length)
    # min(distance, 1) - 1 is minus the triangle: the sign leaves with the sum.
    weights = distance.abs_().clamp_(max=1).sub_(1)
    return weights.div_(weights.sum(2, keepdim=True))


def blur_weights(sigma: Float[Tensor, " n"], size: int, reach: int) -> Float[Tensor, "n {size} {size}"]:
    """Weights of a Gaussian blur of a line of ``size`` pixels with reflected ends; every row sums to 1.

    Equal to a convolution with the normalised kernel of ``2 reach + 1`` taps after ``pad(mode="reflect")``.

    Args:
        sigma: of each Gaussian, in pixels, > 0.
        size: pixels of the line.
        reach: taps to either side; at most ``size - 1`` of them can be reflected, and no more are taken.
    """
    reach = min(reach, size - 1)
    offsets = torch.arange(-reach, reach + 1, device=sigma.device)
    taps = torch.softmax(-0.5 * (offsets / sigma[:, None]).square(), 1)  # (n, taps)
    return (taps @ _reflections(size, reach, sigma.device)).view(-1, size, size)


@lru_cache(maxsize=32)
def _reflections(size: int, reach: int, device: torch.device) -> Tensor:
    """Where each tap of each pixel lands: ones in ``(2 reach + 1, size, size)``, flattened to ``(taps, size^2)``."""
    target = torch.arange(size) + torch.arange(-reach, reach + 1)[:, None]  # (taps, size)
    target = target.abs()
    target = torch.where(target >= size, 2 * (size - 1) - target, target)
    return functional.one_hot(target, size).flatten(1).float().to(device)


def resample(
    images: Float[Tensor, "n c h w"], rows: Float[Tensor, "n p h"], columns: Float[Tensor, "n q w"]
) -> Float[Tensor, "n p q c"]:
    """``rows image columns^T`` of each image and channel, channels last.

    Args:
        images: planes of any range.
        rows: weights of the image's rows in each row of the view.
        columns: weights of the image's columns in each column of the view.
    """
    n, c, h, w = images.shape
    # Each product takes the sides in the order that puts the channels innermost, so nothing is ever transposed.
    part = torch.bmm(columns, images.reshape(n, c * h, w).mT)  # (n, q, c h)
    return torch.bmm(rows, part.view(n, -1, h).mT).view(n, rows.shape[1], -1, c)


def rotate(
    images: Float[Tensor, "n c h w"], degrees: Float[Tensor, " n"], centres: Float[Tensor, "n 2"]
) -> Float[Tensor, "n c h w"]:
    """Turn each image about a point, bilinear; what comes from outside continues the border pixels.

    Args:
        images: planes of any range.
        degrees: angles, counter-clockwise as one sees it.
        centres: the points (x, y) that stay, in pixels from the top left corner.
    """
    h, w = images.shape[-2:]
    angle = degrees.deg2rad()
    cos, sin = angle.cos(), angle.sin()
    # A pixel p of the result comes from c + turn (p - c); grid_sample measures both in halves of the sides.
    turn = torch.stack([cos, -sin, sin, cos], 1).view(-1, 2, 2)
    half = torch.tensor([w / 2, h / 2], device=images.device)
    fixed = centres / half - 1  # (n, 2)
    linear = turn * (half / half[:, None])
    shift = fixed - (linear @ fixed[:, :, None])[:, :, 0]
    grid = functional.affine_grid(torch.cat([linear, shift[:, :, None]], 2), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
