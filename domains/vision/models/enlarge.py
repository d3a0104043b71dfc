"""Images brought to the sizes that a network can take."""

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

__all__ = ["enlarge"]


def enlarge(x: Float[Tensor, "n c h w"], least: int, multiple: int = 1) -> Float[Tensor, "n c a b"]:
    """Enlarge by bilinear interpolation to the next sides that are at least ``least`` and multiples of ``multiple``.

    Args:
        x: images.
        least: side in pixels, >= 1.
        multiple: >= 1.

    >>> import torch
    >>> enlarge(torch.zeros(1, 3, 31, 64), 8, 4).shape
    torch.Size([1, 3, 32, 64])
    """
    height, width = (-(-max(side, least) // multiple) * multiple for side in x.shape[-2:])
    if (height, width) == tuple(x.shape[-2:]):
        return x
    return interpolate(x, size=(height, width), mode="bilinear", align_corners=False)
