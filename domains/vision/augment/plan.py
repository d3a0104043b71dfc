"""Everything that is drawn for the views of a batch, before any pixel is touched."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from domains.vision.augment.colour import ColourChange, draw_colours
from domains.vision.augment.crop import CenterSuppressedCrop, RandomResizedCrop
from domains.vision.augment.recipes import Recipe

__all__ = ["ViewGeometry", "ViewPlan", "draw_plan"]


@dataclass(frozen=True, eq=False)
class ViewGeometry:
    """Where the pixels of each view come from.

    Attributes:
        boxes: ``(n, 4)`` float32: left, top, right, bottom of the crop in pixels of the image, whole numbers.
        flipped: ``(n,)``: whether the view is mirrored, left to right.
        degrees: ``(n,)`` float32: the image was turned so far, counter-clockwise about the box's centre, before it was
            cropped.
    """

    boxes: Float[Tensor, "n 4"]
    flipped: Bool[Tensor, " n"]
    degrees: Float[Tensor, " n"]

    def part(self, rows: slice) -> ViewGeometry:
        """The geometry of some of the views."""
        return ViewGeometry(self.boxes[rows], self.flipped[rows], self.degrees[rows])

    def to(self, device: torch.device) -> ViewGeometry:
        """The same geometry on a device."""
        return ViewGeometry(self.boxes.to(device), self.flipped.to(device), self.degrees.to(device))


@dataclass(frozen=True, eq=False)
class ViewPlan:
    """What happens to each image.

    Attributes:
        geometry: crops, flips and rotations.
        sigma: ``(n,)`` of the blur in pixels of the view, 0 for none.
        colours: changes of colour; None where the recipe has none.
        solarised: ``(n,)``: whether bright values are inverted.
    """

    geometry: ViewGeometry
    sigma: Float[Tensor, " n"]
    colours: ColourChange | None
    solarised: Bool[Tensor, " n"]

    def part(self, rows: slice) -> ViewPlan:
        """The plan of some of the images."""
        colours = None if self.colours is None else self.colours.part(rows)
        return ViewPlan(self.geometry.part(rows), self.sigma[rows], colours, self.solarised[rows])

    def to(self, device: torch.device) -> ViewPlan:
        """The same plan on a device."""
        colours = None if self.colours is None else self.colours.to(device)
        return ViewPlan(self.geometry.to(device), self.sigma.to(device), colours, self.solarised.to(device))


def draw_plan(
    recipe: Recipe,
    crop: RandomResizedCrop | CenterSuppressedCrop,
    count: int,
    height: int,
    width: int,
    generator: torch.Generator,
) -> ViewPlan:
    """Draw the views of a batch, every image with parameters of its own.

    Args:
        recipe: strengths and probabilities; what it leaves out draws nothing.
        crop: of the recipe.
        count: number of images.
        height: of the images, in pixels.
        width: of the images, in pixels.
        generator: of every draw, on the CPU.
    """
    boxes = crop(count, height, width, generator)
    flipped = _happens(recipe.flip, count, generator)
    degrees = sigma = torch.zeros(count)
    if recipe.rotation:
        degrees = recipe.rotation * (2 * torch.rand(count, generator=generator) - 1)
    if recipe.blur:
        low, high = recipe.blur_sigma
        drawn = low + (high - low) * torch.rand(count, generator=generator)
        sigma = drawn * _happens(recipe.blur, count, generator)
    colours = draw_colours(recipe, count, generator)
    solarised = _happens(recipe.solarise, count, generator)
    return ViewPlan(ViewGeometry(boxes, flipped, degrees), sigma, colours, solarised)


def _happens(probability: float, count: int, generator: torch.Generator) -> Tensor:
    """Whether an operation touches each image, ``(count,)``; nothing is drawn where the answer is certain."""
    if probability in (0, 1):
        return torch.full((count,), probability == 1)
    return torch.rand(count, generator=generator) < probability
