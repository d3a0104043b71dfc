"""Pictures with three independent features, shape, colour and texture: what does a representation keep of each?"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from domains.vision.data.images import ImageSet

__all__ = ["COLOURS", "SHAPES", "TEXTURES", "trifeature"]

Painted = Callable[[Tensor, Tensor], Tensor]
"""Whether points are painted, from their coordinates to the right and down."""

_GREY = 128
_SHAPE_SIDE = 36 / 64  # of the image's side
_PERIOD = 5 / 64  # of a texture, likewise
_FINER = 2  # a pixel is the mean of so many points each way
_MOST_TURN = math.pi / 4
_PHASES = 64  # periods by which a texture may be moved; noise never repeats within them
_TEST_SHARE = 0.2
_BLOCK = 16  # small enough for the processor's cache

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0), "pink": (1, 0.4, 1),
    "cyan": (0, 1, 1), "purple": (0.3, 0, 0.5), "ocean": (0.1, 0.4, 0.5), "orange": (1, 0.6, 0), "white": (1, 1, 1),
}  # fmt: skip
"""Red, green and blue of each colour, in [0, 1]."""


def _polygon(*corners: tuple[float, float]) -> Painted:
    """Inside a polygon, by the even-odd rule."""

    def inside(x: Tensor, y: Tensor) -> Tensor:
        found = torch.zeros_like(x, dtype=torch.bool)
        for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
            if y0 != y1:
                found ^= ((y0 <= y) != (y1 <= y)) & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))
        return found

    return inside


def _round_polygon(*radii: float) -> Painted:
    """Corners at equal angles around the centre, the first one upwards."""
    angles = [2 * math.pi * step / len(radii) for step in range(len(radii))]
    return _polygon(*((r * math.sin(angle), -r * math.cos(angle)) for r, angle in zip(radii, angles, strict=True)))


def _inside_square(x: Tensor, y: Tensor) -> Tensor:
    return (x.abs() < 1) & (y.abs() < 1)


SHAPES: dict[str, Painted] = {
    "triangle": _polygon((0, -1), (1, 1), (-1, 1)),
    "square": _inside_square,
    "plus": lambda x, y: _inside_square(x, y) & ((x.abs() < 1 / 3) | (y.abs() < 1 / 3)),
    "circle": lambda x, y: x**2 + y**2 < 1,
    "tee": lambda x, y: _inside_square(x, y) & ((y < -1 / 3) | (x.abs() < 1 / 3)),
    "rhombus": lambda x, y: x.abs() + y.abs() < 1,
    "pentagon": _round_polygon(1, 1, 1, 1, 1),
    "star": _round_polygon(1, 0.4, 1, 0.4, 1, 0.4, 1, 0.4, 1, 0.4),
    "fivesquare": lambda x, y: _inside_square(x, y) & ((x.abs() < 1 / 3) == (y.abs() < 1 / 3)),
    "trapezoid": _polygon((-0.5, -0.7), (0.5, -0.7), (1, 0.7), (-1, 0.7)),
}
"""Shapes in the square [-1, 1] x [-1, 1]."""


def _in_cell(x: Tensor) -> Tensor:
    """The place within a period, in [-0.5, 0.5)."""
    return x - x.floor() - 0.5


def _honeycomb(u: Tensor, v: Tensor) -> Tensor:
    """The walls between hexagons whose centres form two rectangular lattices."""
    tall = math.sqrt(3)
    x0, y0 = _in_cell(u), _in_cell(v / tall) * tall
    x1, y1 = _in_cell(u - 0.5), _in_cell(v / tall - 0.5) * tall
    nearer = x0**2 + y0**2 < x1**2 + y1**2
    x, y = torch.where(nearer, x0, x1).abs(), torch.where(nearer, y0, y1).abs()
    return torch.maximum(x, 0.5 * x + 0.5 * tall * y) > 0.36


def _noise(u: Tensor, v: Tensor) -> Tensor:
    """Cells of half a period, each painted or not by a mix of its whole-number place."""
    mixed = (2 * u).floor().long() * 73856093 ^ (2 * v).floor().long() * 19349663
    return (mixed * 2654435761 >> 17) % 2 == 0


TEXTURES: dict[str, Painted] = {
    "solid": lambda u, v: torch.ones_like(u, dtype=torch.bool),
    "stripes": lambda u, v: _in_cell(u) < 0,
    "grid": lambda u, v: (_in_cell(u) < -0.2) | (_in_cell(v) < -0.2),
    "hexgrid": _honeycomb,
    "dots": lambda u, v: _in_cell(u) ** 2 + _in_cell(v) ** 2 < 0.14,
    "noise": _noise,
    "triangles": lambda u, v: 2 * _in_cell(u).abs() < _in_cell(v) + 0.5,
    "zigzags": lambda u, v: _in_cell(v + _in_cell(u / 2).abs() * 2) < 0,
    "rain": lambda u, v: (_in_cell(u).abs() < 0.2) & (_in_cell(v / 2 + u.floor() * 0.375) < 0.1),
    "pluses": lambda u, v: (
        torch.maximum(_in_cell(u).abs(), _in_cell(v).abs()).lt(0.42)
        & torch.minimum(_in_cell(u).abs(), _in_cell(v).abs()).lt(0.14)
    ),
}
"""Textures with coordinates in periods."""


def trifeature(*, size: int = 64, per_combination: int = 10, seed: int = 0) -> ImageSet:
    """One coloured, textured shape on grey in each image: all 1,000 combinations of 10 shapes, colours and textures.

    After Hermann and Lampinen (NeurIPS 2020, arXiv 2006.12433); names, colours, proportions and turns follow a public
    implementation of it, drawn anew: a shape of 36/64 of the image at a random place, turned by up to 45 degrees
    either way, with a texture of period 5/64 and random phase turned on its own. What the texture leaves out is
    background. A fifth of the combinations, drawn with the seed, are the test part, so that no combination is in both.
    The outlines of textures are ours.

    Args:
        size: side of the images.
        per_combination: images of each.
        seed: of places, turns, phases and the test part.

    Returns:
        ``1000 * per_combination`` images with attributes ``shape``, ``colour`` and ``texture`` (names of their values
        in ``facts``); ``labels`` are the shapes.

    Raises:
        ValueError: ``size`` below 16 or ``per_combination`` below 1.
    """
    if size < 16:
        raise ValueError(f"size must be >= 16 pixels, got {size!r}; textures vanish below")
    if per_combination < 1:
        raise ValueError(f"per_combination must be >= 1, got {per_combination!r}")
    combination = torch.arange(1000).repeat_interleave(per_combination)
    attributes = {"shape": combination // 100, "colour": combination // 10 % 10, "texture": combination % 10}
    generator = torch.Generator().manual_seed(seed)
    test = torch.zeros(1000, dtype=torch.bool)
    test[torch.randperm(1000, generator=generator)[: round(1000 * _TEST_SHARE)]] = True
    chance = torch.rand(len(combination), 6, generator=generator)
    images = torch.empty(len(combination), 3, size, size, dtype=torch.uint8)
    colours = 255 * torch.tensor(list(COLOURS.values()))
    for rows in torch.arange(len(combination)).split(_BLOCK):
        painted = _painted(chance[rows], attributes["shape"][rows], attributes["texture"][rows], size)  # (b, 1, h, w)
        colour = colours[attributes["colour"][rows]][:, :, None, None]
        images[rows] = (painted * colour + (1 - painted) * _GREY).round().to(torch.uint8)
    names = {"shape": list(SHAPES), "colour": list(COLOURS), "texture": list(TEXTURES)}
    return ImageSet(
        images,
        "trifeature",
        attributes["shape"],
        class_names=tuple(SHAPES),
        test=test[combination],
        attributes=attributes,
        facts={f"{name}_names": values for name, values in names.items()},
    )


def _painted(chance: Tensor, shape: Tensor, texture: Tensor, size: int) -> Tensor:
    """The share of each pixel that is painted, ``(b, 1, size, size)``, from six uniform numbers an image."""
    centres = (torch.arange(size * _FINER) + 0.5) / (size * _FINER)
    turn, own_turn = ((2 * chance[:, column] - 1) * _MOST_TURN for column in (0, 1))
    extent = _SHAPE_SIDE / 2 * (turn.cos() + turn.sin().abs())  # half of what the turned square takes
    left, top = (extent + chance[:, column] * (1 - 2 * extent) for column in (2, 3))
    x, y = _turned(
        centres - left[:, None, None], centres[:, None] - top[:, None, None], turn[:, None, None], 2 / _SHAPE_SIDE
    )
    painted = _chosen(list(SHAPES.values()), shape, x, y)  # (b, h, w) at the finer points
    image, row, column = painted.nonzero(as_tuple=True)  # the texture is asked for there only
    u, v = _turned(centres[column], centres[row], own_turn[image], 1 / _PERIOD)
    u, v = u + _PHASES * chance[image, 4], v + _PHASES * chance[image, 5]
    painted[image, row, column] = _chosen(list(TEXTURES.values()), texture[image], u, v)
    return functional.avg_pool2d(painted[:, None].float(), _FINER)


def _turned(x: Tensor, y: Tensor, angle: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    cos, sin = angle.cos() * scale, angle.sin() * scale
    return cos * x + sin * y, cos * y - sin * x


def _chosen(painters: list[Painted], choice: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Each image, or point, by its own painter."""
    found = torch.zeros_like(x, dtype=torch.bool)
    for code, painter in enumerate(painters):
        rows = choice == code
        if rows.any():
            found[rows] = painter(x[rows], y[rows])
    return found
