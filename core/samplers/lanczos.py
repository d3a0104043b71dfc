"""Pillow's Lanczos resize of 8-bit images, bit for bit, for whole batches."""

import math
from functools import lru_cache

import torch
from jaxtyping import UInt8
from torch import Tensor

__all__ = ["lanczos_resize"]

PRECISION = 22
"""Bits after the point of Pillow's fixed-point weights."""
SUPPORT = 3
"""Lobes of the kernel."""


def lanczos_resize(images: UInt8[Tensor, "n h w"], height: int, width: int) -> UInt8[Tensor, "n a b"]:
    """Resize along the width, round to 8 bits, resize along the height, round.

    Pillow's weights are whole multiples of 2^-22, and its sums are whole numbers below 2^53: in float64 a matrix
    product gives them exactly. The width comes first whatever the shape, as in Pillow up to version 12; from 13 on
    Pillow begins with the height where that shrinks much more (its pull request 9549), which may turn a value by one.

    Args:
        images: batch.
        height: of the result, >= 1.
        width: of the result, >= 1.
    """
    values = images.double()
    if images.shape[2] != width:
        values = _rounded(values @ _weights(images.shape[2], width).to(images.device).T)
    if images.shape[1] != height:
        values = _rounded(_weights(images.shape[1], height).to(images.device) @ values)
    return values.to(torch.uint8)


def _rounded(sums: Tensor) -> Tensor:
    return torch.floor((sums + 2 ** (PRECISION - 1)) / 2**PRECISION).clamp(0, 255)


@lru_cache(maxsize=64)
def _weights(size: int, target: int) -> Tensor:
    """``(target, size)`` whole numbers in float64; each row sums to about 2^22."""
    scale = size / target
    stretch = max(scale, 1.0)  # the kernel widens only where the image shrinks
    weights = torch.zeros(target, size, dtype=torch.float64)
    for out in range(target):
        center = (out + 0.5) * scale
        first = max(0, int(center - SUPPORT * stretch + 0.5))
        last = min(size, int(center + SUPPORT * stretch + 0.5))
        kernel = [_lanczos((x - center + 0.5) / stretch) for x in range(first, last)]
        total = 0.0
        for value in kernel:  # in Pillow's order: the sum of another order may round otherwise
            total += value
        scaled = [value / total * 2**PRECISION for value in kernel]
        weights[out, first:last] = torch.tensor([float(int(math.copysign(0.5, s) + s)) for s in scaled])
    return weights


def _lanczos(x: float) -> float:
    return _sinc(x) * _sinc(x / SUPPORT) if -SUPPORT <= x < SUPPORT else 0.0


def _sinc(x: float) -> float:
    return math.sin(math.pi * x) / (math.pi * x) if x else 1.0
