"""Grey images in 8 bits: what hashes, histograms and structural similarity start from."""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Shaped, UInt8
from torch import Tensor

__all__ = ["check_images", "grey_levels", "runs_of_images"]

PIXELS = 1 << 22
"""Pixels converted at once."""


def check_images(images: Tensor) -> None:
    """Refuse what is not a batch of grey images.

    Raises:
        TypeError: not a tensor, or of complex numbers.
        ValueError: not ``(n, h, w)``, or without pixels.
    """
    if not isinstance(images, Tensor) or images.is_complex():
        raise TypeError(f"images must be a real tensor, got {getattr(images, 'dtype', type(images).__name__)}")
    if images.dim() != 3 or 0 in images.shape[1:]:
        raise ValueError(
            f"images must be grey, (n, height, width) with at least one pixel, got shape {tuple(images.shape)}"
        )


def grey_levels(images: Shaped[Tensor, "n h w"]) -> UInt8[Tensor, "n h w"]:
    """Images in 8 bits: uint8 as they are, all else scaled so that each image runs from 0 to 255, rounded down.

    That is how the slices were prepared in the released code of Wolf et al. 2024, arXiv 2410.14524: the scale of each
    slice is its own. A constant image is 0.

    Args:
        images: of any real type.

    Raises:
        TypeError: not a real tensor.
        ValueError: another shape, or values that are not finite.

    >>> grey_levels(torch.tensor([[[-1000.0, 0.0, 1000.0]]])).tolist()
    [[[0, 127, 255]]]
    """
    check_images(images)
    if images.dtype == torch.uint8:
        return images
    if images.is_floating_point() and not images.isfinite().all():
        bad = int((~images.isfinite()).flatten(1).any(dim=1).sum())
        raise ValueError(f"images must be finite, but {bad} of {len(images)} hold infinity or NaN")
    values = images.double()
    least, most = values.amin(dim=(1, 2), keepdim=True), values.amax(dim=(1, 2), keepdim=True)
    span = torch.where(most > least, most - least, 1.0)
    # what is a whole number but for rounding stays one, so that shifting and scaling an image changes nothing
    return torch.floor((values - least) / span * 255 + 1e-6).to(torch.uint8)


def runs_of_images(images: Tensor | Sequence[Tensor]) -> Iterator[Tensor]:
    """Batches of images of one size and type, in order, as large as fit into a bounded memory.

    Args:
        images: ``(n, h, w)``, or images ``(h, w)`` of any sizes; those of a sequence are read one by one.

    Raises:
        TypeError: an image that is not a tensor.
        ValueError: an image that is not ``(h, w)``.
    """
    if isinstance(images, Tensor):
        check_images(images)
        yield from images.split(max(1, PIXELS // images[0].numel())) if len(images) else ()
        return
    run: list[Tensor] = []
    for number, image in enumerate(images):
        if not isinstance(image, Tensor):
            raise TypeError(f"images[{number}] must be a torch.Tensor, got {type(image).__name__}")
        if image.dim() != 2 or not image.numel():
            raise ValueError(f"images[{number}] must be grey, (height, width), got shape {tuple(image.shape)}")
        other = run and (image.shape != run[0].shape or image.dtype != run[0].dtype)
        if run and (other or (len(run) + 1) * image.numel() > PIXELS):
            yield torch.stack(run)
            run = []
        run.append(image)
    if run:
        yield torch.stack(run)
