"""Feature maps ``(n, c, h, w)``: their checks, and their pixels as unit rows."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from core.checks import check_embeddings
from core.losses.normalisation import unit_rows

__all__ = ["check_map_pair", "check_maps", "check_pixel_mask", "unit_pixels"]


def check_maps(name: str, maps: Tensor) -> None:
    """Refuse what is not a floating ``(n, c, h, w)`` tensor with at least one image, channel and pixel.

    Raises:
        TypeError: not a floating tensor.
        ValueError: another number of axes, or an empty one.
    """
    check_embeddings(name, maps, dims=(4,))
    if 0 in maps.shape:
        raise ValueError(f"{name} must hold at least one image, channel and pixel, got shape {tuple(maps.shape)}")


def check_map_pair(first: Tensor, second: Tensor, names: tuple[str, str]) -> None:
    """Refuse two batches of maps that are not aligned image by image.

    Raises:
        TypeError: not floating tensors.
        ValueError: not ``(n, c, h, w)``, or of different shapes.
    """
    check_maps(names[0], first)
    check_maps(names[1], second)
    if first.shape != second.shape:
        raise ValueError(
            f"{names[0]} and {names[1]} must have the same shape (n, c, h, w), because their images are pairs; "
            f"got {tuple(first.shape)} and {tuple(second.shape)}"
        )


def check_pixel_mask(mask: Bool[Tensor, "n p p"], maps: Tensor) -> None:
    """Refuse a mask that is not one bool for each pair of pixels of each image.

    Raises:
        TypeError: not bool.
        ValueError: not of shape ``(n, h w, h w)``.
    """
    if mask.dtype != torch.bool:
        raise TypeError(f"mask must be bool, got {mask.dtype}; positive_pixel_mask makes it")
    pixels = maps.shape[2] * maps.shape[3]
    expected = (len(maps), pixels, pixels)
    if mask.shape != expected:
        raise ValueError(
            f"mask must have shape {expected}, one entry for each pair of pixels of an image, got {tuple(mask.shape)}"
        )


def unit_pixels(maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n p c"]:
    """Pixels row by row, each divided by its length over the channels; zero pixels stay zero.

    >>> unit_pixels(torch.tensor([[[[3.0, 0.0]], [[4.0, 0.0]]]])).tolist()
    [[[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]]
    """
    return unit_rows(maps.flatten(2).mT)
