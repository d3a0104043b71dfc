"""Sets made from other sets for a study: two features in one picture, angles to regress on, shifted copies."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from core.errors import UserError, unknown_name
from domains.vision.data.images import ImageSet

__all__ = ["SHIFTS", "digit_on_image", "rotated", "shifted"]

Layout = Literal["overlay", "side"]
DigitColor = Literal["white", "random"]
Corners = Literal["crop", "edge"]

_BLOCK = 2048
"""Images worked on at once, so that floating-point copies stay small."""


def digit_on_image(
    backgrounds: ImageSet,
    digits: ImageSet,
    *,
    layout: Layout = "overlay",
    digit_color: DigitColor = "white",
    copies: Literal[1, 9] = 1,
    strength: float = 1.0,
    seed: int = 0,
) -> ImageSet:
    """One digit drawn into each image, independent of what the image shows: two features that compete.

    After Chen, Luo, Li (NeurIPS 2021, arXiv 2011.02803); used for feature suppression (Zhang et al. 2024, arXiv
    2402.11816), whose exact layout is not published. A digit is drawn at random, with replacement, from the same part
    (training or test) of the digits.

    - ``overlay``: ``max(image, strength * colour * digit)``, the digit scaled to the shorter side and centred, or
      with ``copies=9`` to a third of it in each cell of a 3 x 3 grid;
    - ``side``: the digit, scaled to a square of the image's height, joined at the right: ``(h, w + h)`` pixels.

    Args:
        backgrounds: the images; with labels.
        digits: bright on black; with labels.
        layout: as above.
        digit_color: white, or for each image a random colour with one channel at its full value.
        copies: 1, or 9 with ``overlay``.
        strength: brightness of the digit, in [0, 1]; 0 draws none.
        seed: of the choice of digits and colours.

    Returns:
        The images with attributes ``image`` and ``digit`` (both classes); ``labels`` stay those of the image, and
        ``facts["digit_names"]`` names the digits.

    Raises:
        UserError: a set without labels, or a part without digits to draw from. ValueError: an unknown option.
    """
    _one_of("layout", layout, get_args(Layout))
    _one_of("digit_color", digit_color, get_args(DigitColor))
    if copies not in (1, 9) or (copies == 9 and layout == "side"):
        raise ValueError(f"copies must be 1, or 9 with layout='overlay', got {copies!r} with {layout!r}")
    if not 0 <= strength <= 1:
        raise ValueError(f"strength must be in [0, 1], got {strength!r}")
    if backgrounds.labels is None or digits.labels is None:
        raise UserError(f"{(backgrounds if backgrounds.labels is None else digits).name} has no labels to draw with")
    generator = torch.Generator().manual_seed(seed)
    chosen = _partners(backgrounds, digits, generator)
    color = torch.ones(len(backgrounds), 3)
    if digit_color == "random":
        color = torch.rand(len(backgrounds), 3, generator=generator)
        color = color / color.amax(1, keepdim=True).clamp_min(1e-3)
    height, width = backgrounds.images.shape[-2:]
    drawn = torch.empty(len(backgrounds), 3, height, width + (height if layout == "side" else 0), dtype=torch.uint8)
    for rows in torch.arange(len(backgrounds)).split(_BLOCK):
        ink = digits.images[chosen[rows]].float().mean(1, keepdim=True)  # (b, 1, hd, wd)
        canvas = _canvas(ink, height, width if layout == "overlay" else height, copies)
        canvas = (canvas * color[rows, :, None, None] * strength).round().to(torch.uint8)  # (b, 3, h, w or h)
        images = backgrounds.images[rows]
        drawn[rows] = torch.maximum(images, canvas) if layout == "overlay" else torch.cat([images, canvas], 3)
    return replace(
        backgrounds,
        images=drawn,
        name=f"{digits.name}-on-{backgrounds.name}",
        attributes={**backgrounds.attributes, "image": backgrounds.labels, "digit": digits.labels[chosen]},
        facts={**backgrounds.facts, "digit_names": list(digits.class_names)},
    )


def _partners(backgrounds: ImageSet, digits: ImageSet, generator: torch.Generator) -> Tensor:
    """For each image the position of a digit from the same part."""
    none = torch.zeros(len(digits), dtype=torch.bool)
    of_digits = none if digits.test is None or backgrounds.test is None else digits.test
    of_images = torch.zeros(len(backgrounds), dtype=torch.bool) if backgrounds.test is None else backgrounds.test
    if backgrounds.test is not None and digits.test is None:
        raise UserError(f"{backgrounds.name} has a test part and {digits.name} has none: one digit would be in both")
    chosen = torch.empty(len(backgrounds), dtype=torch.int64)
    for part in (False, True):
        rows, pool = (of_images == part).nonzero().flatten(), (of_digits == part).nonzero().flatten()
        if len(rows):
            if not len(pool):
                raise UserError(f"{digits.name} has no digits in its {'test' if part else 'training'} part")
            chosen[rows] = pool[torch.randint(len(pool), (len(rows),), generator=generator)]
    return chosen


def _canvas(ink: Tensor, height: int, width: int, copies: int) -> Tensor:
    """The digit, ``(b, 1, height, width)`` in 0..255, once in the middle or in each cell of a grid."""
    cells = 1 if copies == 1 else 3
    side = min(height, width) // cells
    if side < 1:
        raise UserError(f"images of {width} x {height} pixels are too small for {copies} digits")
    digit = functional.interpolate(ink, (side, side), mode="bilinear", antialias=True).clamp(0, 255)
    tiled = digit.repeat(1, 1, cells, cells)
    down, right = height - tiled.shape[-2], width - tiled.shape[-1]
    return functional.pad(tiled, (right // 2, right - right // 2, down // 2, down - down // 2))


def rotated(images: ImageSet, *, most: float = 45.0, seed: int = 0, corners: Corners = "crop") -> ImageSet:
    """Each image turned by its own angle, which becomes its target: regression for free.

    Angles are uniform in [-``most``, ``most``] degrees, counter-clockwise. So that no corner tells the angle, all
    images alike are cut to the square that stays inside the image at every angle in that range (side 0.71 of it at 45
    degrees), and brought back to the former size; bilinear. Labels stay as they are.

    Args:
        images: square ones.
        most: largest angle in degrees, in (0, 180].
        seed: of the angles.
        corners: ``"edge"`` leaves the image whole and continues its rim instead; for images on an even background.

    Raises:
        UserError: images that are not square. ValueError: ``most`` out of range, or an unknown option.
    """
    _one_of("corners", corners, get_args(Corners))
    if not 0 < most <= 180:
        raise ValueError(f"most must be in (0, 180] degrees, got {most!r}")
    height, width = images.images.shape[-2:]
    if height != width:
        raise UserError(f"{images.name} has images of {width} x {height} pixels; only squares can be turned")
    degrees = (torch.rand(len(images), generator=torch.Generator().manual_seed(seed)) * 2 - 1) * most
    widest = math.radians(min(most, 45.0))
    zoom = 1 / (math.cos(widest) + math.sin(widest)) if corners == "crop" else 1.0
    turned = torch.empty_like(images.images)
    for rows in torch.arange(len(images)).split(_BLOCK):
        angle = torch.deg2rad(degrees[rows])
        cos, sin, zero = angle.cos() * zoom, angle.sin() * zoom, torch.zeros_like(angle)
        matrix = torch.stack([torch.stack([cos, -sin, zero], 1), torch.stack([sin, cos, zero], 1)], 1)  # (b, 2, 3)
        grid = functional.affine_grid(matrix, [len(rows), 3, height, width], align_corners=False)
        sampled = functional.grid_sample(
            images.images[rows].float(), grid, mode="bilinear", padding_mode="border", align_corners=False
        )
        turned[rows] = sampled.round().clamp(0, 255).to(torch.uint8)
    facts = {**images.facts, "target": f"angle in degrees, uniform in [-{most:g}, {most:g}], counter-clockwise"}
    return replace(images, images=turned, name=f"{images.name}-angle", targets=degrees, facts=facts)


def _less_contrast(images: Tensor, generator: torch.Generator) -> Tensor:
    """Half-way towards the mean grey of the image."""
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + 0.5 * (images - mean)


def _blur(images: Tensor, generator: torch.Generator) -> Tensor:
    """A Gaussian of 1/32 of the longer side, at least half a pixel."""
    sigma = max(max(images.shape[-2:]) / 32, 0.5)
    reach = math.ceil(3 * sigma)
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    kernel = (kernel / kernel.sum()).expand(3, 1, -1)
    rows = functional.conv2d(
        functional.pad(images, (reach, reach, 0, 0), mode="replicate"), kernel[:, :, None, :], groups=3
    )
    return functional.conv2d(
        functional.pad(rows, (0, 0, reach, reach), mode="replicate"), kernel[:, :, :, None], groups=3
    )


def _noise(images: Tensor, generator: torch.Generator) -> Tensor:
    """Gaussian noise with a standard deviation of 25 of 255, independent in each value."""
    return images + 25 * torch.randn(images.shape, generator=generator)


def _color_cast(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each channel of each image times its own factor, uniform in [0.5, 1.5]."""
    return images * (0.5 + torch.rand(len(images), 3, 1, 1, generator=generator))


SHIFTS: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "contrast": _less_contrast, "blur": _blur, "noise": _noise, "colour": _color_cast,
}  # fmt: skip
"""Names of the shifts; each takes ``(b, 3, h, w)`` float values in 0..255 and a generator."""


def shifted(images: ImageSet, kind: str, *, seed: int = 0) -> ImageSet:
    """The same images under another condition, to test whether a representation carries over.

    - ``contrast``: half the distance from the image's mean value;
    - ``blur``: a Gaussian with a standard deviation of 1/32 of the longer side (one pixel at 32);
    - ``noise``: Gaussian, standard deviation 25 of 255, independent in each value;
    - ``colour``: each channel of an image times a factor in [0.5, 1.5].

    Strengths are ours, mild enough that people still see what an image shows.

    Args:
        images: any set.
        kind: a key of `SHIFTS`.
        seed: of noise and colours.

    Raises:
        UserError: unknown kind.
    """
    if kind not in SHIFTS:
        raise unknown_name("shift", kind, SHIFTS)
    generator = torch.Generator().manual_seed(seed)
    changed = torch.empty_like(images.images)
    for rows in torch.arange(len(images)).split(_BLOCK):
        values = SHIFTS[kind](images.images[rows].float(), generator)
        changed[rows] = values.round().clamp(0, 255).to(torch.uint8)
    return replace(images, images=changed, name=f"{images.name}-{kind}")


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
