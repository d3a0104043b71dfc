"""Perceptual hashes of images: short codes that differ in few bits where images look alike."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Shaped
from scipy.fft import dct
from torch import Tensor

from core.checks import check_at_least, check_choice
from core.samplers.grey_levels import grey_levels, runs_of_images
from core.samplers.hamming import HammingDistance, PackedCodes
from core.samplers.lanczos import lanczos_resize

__all__ = ["HashDistance", "HashMethod", "image_hash"]

HashMethod = Literal["dhash", "ahash", "phash", "whash"]

DCT_FACTOR = 4
"""Side of the image that phash transforms, in units of the hash's side."""


def image_hash(
    images: Shaped[Tensor, "*n h w"] | Sequence[Tensor], method: HashMethod = "dhash", *, hash_size: int = 8
) -> Bool[Tensor, "*n bits"]:
    """Codes of ``hash_size`` squared bits, row by row.

    Grey images are brought to 8 bits (`core.samplers.grey_levels`), resized as Pillow does it, and compared::

        "dhash"   to (s, s + 1): a pixel is brighter than its left neighbour
        "ahash"   to (s, s): a pixel is brighter than the mean
        "phash"   to (4s, 4s): a coefficient among the s x s lowest of the cosine transform is above their median
        "whash"   to the largest power of two that fits: a Haar average of s x s is above their median

    Args:
        images: ``(h, w)``, ``(n, h, w)``, or a sequence of ``(h, w)`` of any sizes.
        method: which hash; dhash is the one of Wolf et al. 2024, arXiv 2410.14524.
        hash_size: s >= 2; a power of two for "whash".

    Returns:
        ``(bits,)`` for one image, else ``(n, bits)``.

    Raises:
        TypeError: images that are not real tensors.
        ValueError: shapes, values that are not finite, another method, a hash size that the method cannot take.

    Notes:
        The bits are those of the ImageHash package on the same 8-bit image. For "whash" that package filters floating
        numbers; the averages here are whole, so that only ties, which its rounding decides, may differ.

    >>> image_hash(torch.arange(90.0).reshape(9, 10)).all()  # each pixel is brighter than its left neighbour
    tensor(True)
    """
    _check_settings(method, hash_size)
    if isinstance(images, Tensor) and images.dim() == 2:
        return _hashes(images[None], method, hash_size)[0]
    parts = [_hashes(run, method, hash_size) for run in runs_of_images(images)]
    return torch.cat(parts) if parts else torch.zeros(0, hash_size**2, dtype=torch.bool)


def _check_settings(method: str, hash_size: int) -> None:
    check_choice("method", method, get_args(HashMethod))
    check_at_least("hash_size", hash_size, 2)
    if method == "whash" and hash_size & (hash_size - 1):
        raise ValueError(f"hash_size must be a power of two for method='whash', got {hash_size}")


def _hashes(images: Tensor, method: HashMethod, size: int) -> Tensor:
    grey = grey_levels(images)
    if method == "dhash":
        small = lanczos_resize(grey, size, size + 1)
        return (small[:, :, 1:] > small[:, :, :-1]).flatten(1)
    if method == "ahash":
        flat = lanczos_resize(grey, size, size).flatten(1).long()
        return flat * flat.shape[1] > flat.sum(dim=1, keepdim=True)
    if method == "phash":
        large = lanczos_resize(grey, DCT_FACTOR * size, DCT_FACTOR * size).double().cpu().numpy()
        low = dct(dct(large, axis=1), axis=2)[:, :size, :size].reshape(len(large), -1)
        return torch.from_numpy(low > np.median(low, axis=1, keepdims=True)).to(images.device)
    side = max(size, 1 << (min(images.shape[1:]).bit_length() - 1))
    block = side // size
    pixels = lanczos_resize(grey, side, side).long().view(-1, size, block, size, block)
    sums = pixels.sum(dim=(2, 4)).flatten(1)
    ranked = sums.sort(dim=1).values
    middle = size * size // 2
    return torch.gt(2 * sums, (ranked[:, middle - 1] + ranked[:, middle])[:, None])


class HashDistance(HammingDistance):
    """Bits in which the perceptual hashes of two images differ.

    Thresholds are whole numbers from -1 to ``hash_size`` squared. Wolf et al. 2024, arXiv 2410.14524, found 6 of 64
    bits of dhash the best of their reductions ("Hash-6").

    Args:
        method: see `image_hash`.
        hash_size: see `image_hash`.

    Raises:
        ValueError: as `image_hash`.
    """

    images = True

    def __init__(self, method: HashMethod = "dhash", *, hash_size: int = 8) -> None:
        _check_settings(method, hash_size)
        super().__init__(hash_size**2)
        self.method: HashMethod = method
        self.hash_size = hash_size

    def prepare(self, items: Tensor | Sequence[Tensor]) -> PackedCodes:
        """Hash the images; errors as `image_hash`."""
        return super().prepare(image_hash(items, self.method, hash_size=self.hash_size))
