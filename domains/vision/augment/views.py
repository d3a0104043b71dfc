"""One random view of each image of a batch."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from core.checks import check_at_least
from domains.vision.augment.crop import crop_for
from domains.vision.augment.plan import ViewGeometry, ViewPlan, draw_plan
from domains.vision.augment.recipes import Recipe
from domains.vision.augment.resample import blur_weights, resample, resize_weights, rotate

__all__ = ["ViewGenerator"]

_BLOCK = 2**18  # numbers in the images or views that one CPU thread works on at a time: they fit its cache


class ViewGenerator:
    """Make one random view of each image of a batch, every image with parameters of its own.

    In this order: turn, crop, resize, flip, blur (two batched matrix products for all of them, see `resample`);
    brightness, contrast, saturation, hue and grey (one matrix for each image, see `ColourChange`); clamp to [0, 1];
    solarise; normalise. The papers blur after the colours: both are linear and commute, but for values that the clamp
    cuts. The blur has a kernel of three of the recipe's largest sigmas to either side and reflected borders.

    All draws come from the CPU generator that is passed in, whatever device the images are on: the same state gives
    the same views. A recipe that leaves nothing to chance ("test") draws nothing.

    Args:
        recipe: what may change.
        size: side of the views, in pixels.
        mean: of each channel, in [0, 1], taken off last.
        std: of each channel, > 0, divided by last.

    Raises:
        ValueError: size < 1, a mean that is not finite, or a std that is not > 0.

    >>> images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    >>> view = ViewGenerator(Recipe(blur=0.5), 24, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    >>> views = view(images, torch.Generator().manual_seed(0))
    >>> views.shape, views.is_contiguous(memory_format=torch.channels_last)
    (torch.Size([4, 3, 24, 24]), True)
    """

    def __init__(
        self, recipe: Recipe, size: int, mean: tuple[float, float, float], std: tuple[float, float, float]
    ) -> None:
        check_at_least("size", size, 1)
        if len(mean) != 3 or not all(math.isfinite(value) for value in mean):
            raise ValueError(f"mean must be three finite numbers, one for each channel, got {mean}")
        if len(std) != 3 or not all(0 < value < math.inf for value in std):
            raise ValueError(f"std must be three numbers > 0, one for each channel, got {std}")
        self.recipe, self.size, self.mean, self.std = recipe, size, mean, std
        self._crop = crop_for(recipe)
        # A row of pixels with the channels innermost: operations along rows of three would not vectorise.
        self._mean_row, self._std_row = torch.tensor(mean).repeat(size), torch.tensor(std).repeat(size)

    def __call__(self, images: Shaped[Tensor, "n c h w"], generator: torch.Generator) -> Float[Tensor, "n 3 p p"]:
        """The views: ``(n, 3, size, size)`` float32, normalised, in the channels-last memory format.

        Args:
            images: ``(n, 3, h, w)`` uint8, RGB.
            generator: of every draw, on the CPU.

        Raises:
            TypeError: the images are not uint8.
            ValueError: there are not three channels, or the images have no pixels.
        """
        return self.views_with_geometry(images, generator)[0]

    @torch.no_grad()
    def views_with_geometry(
        self, images: Shaped[Tensor, "n c h w"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "n 3 p p"], ViewGeometry]:
        """The views, and where their pixels come from; pixel-level methods match two views by it.

        Args:
            images: ``(n, 3, h, w)`` uint8, RGB.
            generator: of every draw, on the CPU.

        Raises:
            TypeError: the images are not uint8.
            ValueError: there are not three channels, or the images have no pixels.
        """
        _check_images(images)
        n, _, height, width = images.shape
        views = torch.empty(n, self.size, self.size, 3, device=images.device)
        block = max(1, n)
        if images.device.type == "cpu":
            # Blocks stay in the cache, and their small buffers are used again instead of fetched from the system.
            numbers = 3 * max(height * width, self.size**2)
            block = max(1, _BLOCK * torch.get_num_threads() // numbers)
        # Mixed precision around the training step must not round the images to eight bits and less.
        with torch.autocast(images.device.type, enabled=False):
            plan = draw_plan(self.recipe, self._crop, n, height, width, generator)
            for start in range(0, n, block):
                part = slice(start, start + block)
                self._render(images[part], plan.part(part).to(images.device), views[part])
        return views.permute(0, 3, 1, 2), plan.geometry

    def _render(self, images: Tensor, plan: ViewPlan, out: Tensor) -> None:
        """Write the views of some images into ``out``, ``(n, size, size, 3)``."""
        n, _, height, width = images.shape
        pixels = images.float().div_(255)
        left, top, right, bottom = plan.geometry.boxes.unbind(1)
        if self.recipe.rotation:
            centres = torch.stack([left + right, top + bottom], 1) / 2
            pixels = rotate(pixels, plan.geometry.degrees, centres)
        flipped = plan.geometry.flipped
        first, last = torch.where(flipped, right, left), torch.where(flipped, left, right)
        rows = resize_weights(top, bottom, height, self.size)
        columns = resize_weights(first, last, width, self.size)
        blurred = plan.sigma.nonzero().flatten()
        if len(blurred):
            blur = blur_weights(plan.sigma[blurred], self.size, math.ceil(3 * self.recipe.blur_sigma[1]))
            rows[blurred], columns[blurred] = torch.bmm(blur, rows[blurred]), torch.bmm(blur, columns[blurred])
        view = resample(pixels, rows, columns)  # (n, size, size, 3)
        if plan.colours is not None:
            view = plan.colours.apply(view.view(n, -1, 3))
        view = view.view(n, -1).clamp_(0, 1)
        solarised = plan.solarised.nonzero().flatten()
        if len(solarised):
            bright = view[solarised]
            view[solarised] = torch.minimum(bright, 1 - bright)  # inverts what is above one half
        lines = torch.sub(view.view(n, self.size, -1), self._mean_row.to(out.device), out=out.view(n, self.size, -1))
        lines.div_(self._std_row.to(out.device))


def _check_images(images: Tensor) -> None:
    if images.dtype != torch.uint8:
        raise TypeError(f"images must be uint8 in 0..255, got {images.dtype}; views make their floats themselves")
    if images.dim() != 4 or images.shape[1] != 3:
        raise ValueError(f"images must have shape (n, 3, h, w), RGB, got {tuple(images.shape)}; repeat a grey channel")
    if not images.shape[2] or not images.shape[3]:
        raise ValueError(f"images have no pixels: shape {tuple(images.shape)}")
