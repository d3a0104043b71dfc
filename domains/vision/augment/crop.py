"""Where random crops lie: anywhere in the image, or away from its centre."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from core.checks import check_positive
from domains.vision.augment.ranges import check_range
from domains.vision.augment.recipes import Recipe

__all__ = ["CenterSuppressedCrop", "RandomResizedCrop", "crop_for"]

_ATTEMPTS = 10


@dataclass(frozen=True)
class RandomResizedCrop:
    """Boxes of random area and aspect ratio anywhere in the image.

    As torchvision's `RandomResizedCrop`, for a whole batch at once: the area is uniform in ``scale``, the aspect
    ratio log-uniform in ``ratio``, both sides are rounded to pixels, and the first of ten draws that fits into the
    image counts. Where none fits, the box is the largest one of an allowed ratio at the centre.

    Attributes:
        scale: least and largest area, as shares of the image, in (0, 1]. (1, 1) is the whole image, whatever its
            shape, and draws nothing.
        ratio: least and largest width over height, > 0.

    Raises:
        ValueError: a range is empty or leaves what is allowed.

    >>> crop = RandomResizedCrop(scale=(0.25, 0.25), ratio=(1.0, 1.0))
    >>> boxes = crop(2, 32, 32, torch.Generator().manual_seed(0))
    >>> (boxes[:, 2:] - boxes[:, :2]).tolist()
    [[16.0, 16.0], [16.0, 16.0]]
    """

    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def __post_init__(self) -> None:
        check_range("scale", self.scale, limit=1)
        check_range("ratio", self.ratio)

    def __call__(self, count: int, height: int, width: int, generator: torch.Generator) -> Float[Tensor, "n 4"]:
        """Draw one box for each image: left, top, right, bottom in whole pixels, ``(count, 4)``.

        Args:
            count: number of images.
            height: of the images, in pixels.
            width: of the images, in pixels.
            generator: of the draws, on the CPU.
        """
        if self.scale[0] == 1:
            return _whole(count, height, width)
        sides, fits = _sides(self, count, height, width, generator)
        space = torch.tensor([width, height]) - sides
        anywhere = (torch.rand(count, 2, generator=generator) * (space + 1)).floor_()
        corner = torch.where(fits[:, None], anywhere, (space / 2).floor_())
        return torch.cat([corner, corner + sides], 1)


@dataclass(frozen=True)
class CenterSuppressedCrop:
    """Boxes whose centres keep to the rim of a box around the image's centre.

    Two ordinary crops often show the same middle of the object; here the centre of the crop is, on each axis, at
    Beta(alpha, alpha) between the ends of ``box``, so that a small alpha drives the two views apart. Size and shape
    are those of `RandomResizedCrop`. A large crop cannot lie at the ends of the box and inside the image too: its
    centre is drawn over that part of the box where it fits.

    From the released configurations of Hallucinator (Wu et al. 2023, arXiv 2307.12168), which build on ContrastiveCrop
    and draw ONE of the two views so: alpha 0.1 on small images, 0.6 and the box (0.2, 0.8) on ImageNet. There the box
    never follows the object either.

    Attributes:
        alpha: of Beta(alpha, alpha), > 0: 1 is uniform over the box, less prefers its ends.
        scale: least and largest area, as shares of the image, in (0, 1].
        ratio: least and largest width over height, > 0.
        box: where centres may lie, as shares of both sides, in [0, 1].

    Raises:
        ValueError: alpha <= 0, or a range is empty or leaves what is allowed.
    """

    alpha: float
    scale: tuple[float, float] = (0.2, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    box: tuple[float, float] = (0.25, 0.75)

    def __post_init__(self) -> None:
        check_positive("alpha", self.alpha)
        check_range("scale", self.scale, limit=1)
        check_range("ratio", self.ratio)
        check_range("box", self.box, limit=1, zero=True)

    def __call__(self, count: int, height: int, width: int, generator: torch.Generator) -> Float[Tensor, "n 4"]:
        """Draw one box for each image: left, top, right, bottom in whole pixels, ``(count, 4)``.

        Args:
            count: number of images.
            height: of the images, in pixels.
            width: of the images, in pixels.
            generator: of the draws, on the CPU.
        """
        if self.scale[0] == 1:
            return _whole(count, height, width)
        sides, _ = _sides(self, count, height, width, generator)
        image = torch.tensor([width, height])
        # The same clamp at both ends keeps a box that lies off the centre in order: low <= high.
        low = torch.clamp(self.box[0] * image, sides / 2, image - sides / 2)
        high = torch.clamp(self.box[1] * image, sides / 2, image - sides / 2)
        centre = low + (high - low) * _symmetric_beta(self.alpha, count, generator)
        corner = (centre - sides / 2).round_()
        # A half-pixel centre may round outwards.
        corner = torch.minimum(corner.clamp_(min=0), image - sides)
        return torch.cat([corner, corner + sides], 1)


def crop_for(recipe: Recipe) -> RandomResizedCrop | CenterSuppressedCrop:
    """The crop that a recipe names."""
    if recipe.centre is None:
        return RandomResizedCrop(recipe.crop_scale, recipe.crop_ratio)
    return CenterSuppressedCrop(recipe.centre, recipe.crop_scale, recipe.crop_ratio, recipe.centre_box)


def _whole(count: int, height: int, width: int) -> Tensor:
    return torch.tensor([0.0, 0.0, width, height]).repeat(count, 1)


def _sides(
    crop: RandomResizedCrop | CenterSuppressedCrop, count: int, height: int, width: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Width and height ``(n, 2)`` of each box in whole pixels, and whether a draw gave it, ``(n,)``."""
    drawn = torch.rand(2, count, _ATTEMPTS, generator=generator)
    area = (crop.scale[0] + (crop.scale[1] - crop.scale[0]) * drawn[0]) * (height * width)
    low, high = math.log(crop.ratio[0]), math.log(crop.ratio[1])
    aspect = (low + (high - low) * drawn[1]).exp_()
    sides = torch.stack([(area * aspect).sqrt_(), (area / aspect).sqrt_()], 2).round_()
    possible = ((sides > 0) & (sides <= torch.tensor([width, height]))).all(2)
    first = possible.byte().argmax(1)  # 0 where none is possible
    fits = possible.any(1)
    return torch.where(fits[:, None], sides[torch.arange(count), first], _largest(crop.ratio, height, width)), fits


def _largest(ratio: tuple[float, float], height: int, width: int) -> Tensor:
    if width / height < ratio[0]:
        return torch.tensor([width, max(1.0, round(width / ratio[0]))])
    if width / height > ratio[1]:
        return torch.tensor([max(1.0, round(height * ratio[1])), height])
    return torch.tensor([float(width), height])


def _symmetric_beta(alpha: float, count: int, generator: torch.Generator) -> Tensor:
    """Draws of Beta(alpha, alpha), ``(n, 2)``: the quantile of a uniform number, exact for every alpha."""
    from scipy.special import betaincinv

    uniform = torch.rand(count, 2, generator=generator, dtype=torch.float64)
    return torch.from_numpy(betaincinv(alpha, alpha, uniform.numpy())).float()
