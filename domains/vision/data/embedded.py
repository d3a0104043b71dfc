"""Data that need no download: the handwritten digits that scikit-learn ships, upright and turned."""

from __future__ import annotations

from dataclasses import replace

import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional

from core.errors import unknown_name
from domains.vision.app import EMBEDDED
from domains.vision.data.assemble import assemble
from domains.vision.data.compose import rotated
from domains.vision.data.images import ImageSet
from domains.vision.data.splits import test_rows

__all__ = ["EMBEDDED", "embedded"]

_TEST_SHARE = 0.2
_UPRIGHT, _RIM = 16, 4


def embedded(name: str, *, size: int | None = None) -> ImageSet:
    """Build an embedded data set; the same arrays at every call.

    ``digits``: grey values 0..16 scaled to 0..255. ``digits-angle``: the digits scaled to 16 x 16 pixels with a black
    rim of 4, so that no stroke leaves the image, each turned by an angle of its own, see `rotated`; the angle is the
    target and the digit still the label. Both have the same test part: 359 images, drawn evenly over the digits
    with seed 0.

    Args:
        name: a key of `EMBEDDED`.
        size: side of the square that the images are brought to; None leaves them.
    """
    if name == "digits":
        return _digits(size)
    if name != "digits-angle":
        raise unknown_name("embedded image set", name, EMBEDDED)
    digits = _digits(_UPRIGHT)
    padded = functional.pad(digits.images, (_RIM,) * 4)
    turned = rotated(replace(digits, images=padded), seed=0, corners="edge")
    return replace(turned, images=turned.images if size is None else _scaled(turned.images, size), name=name)


def _digits(size: int | None) -> ImageSet:
    digits = load_digits()
    grey = torch.from_numpy(digits.images * (255 / 16)).round().to(torch.uint8)
    images = grey[:, None].repeat(1, 3, 1, 1)
    whole = ImageSet(
        images if size is None else _scaled(images, size),
        "digits",
        torch.from_numpy(digits.target).long(),
        class_names=tuple("0123456789"),
        facts={
            "licence": "BSD-3-Clause (scikit-learn); data: UCI, CC BY 4.0",
            "source": "sklearn.datasets.load_digits",
        },
    )
    test = torch.zeros(len(whole), dtype=torch.bool)
    test[test_rows(whole, _TEST_SHARE, seed=0)] = True
    return replace(whole, test=test)


def _scaled(images: Tensor, size: int) -> Tensor:
    pixels = images.permute(0, 2, 3, 1).numpy()
    names = [f"image {row}" for row in range(len(pixels))]
    return assemble(list(pixels), names, size=size, what="digits").images
