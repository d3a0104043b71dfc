"""Several views of each image, each with a recipe and a size of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from core.checks import check_at_least
from domains.vision.augment.recipes import Recipe
from domains.vision.augment.views import ViewGenerator

__all__ = ["CropGroup", "MultiCrop"]


@dataclass(frozen=True)
class CropGroup:
    """Views of one kind.

    Attributes:
        recipe: what may change.
        size: side of the views, in pixels.
        count: views of each image, >= 1.

    Raises:
        ValueError: size or count < 1.
    """

    recipe: Recipe
    size: int
    count: int = 1

    def __post_init__(self) -> None:
        check_at_least("size", self.size, 1)
        check_at_least("count", self.count, 1)


class MultiCrop:
    """Make all views of a batch, group by group.

    Two groups of one view are the asymmetric pair of BYOL (``byol_1`` and ``byol_2``) or Hallucinator; two global
    views and several smaller local ones are the multi-crop of SwAV (Caron et al. 2020, arXiv 2006.09882).
    `core.multi_crop.multi_crop_forward` takes the list as it is and passes views of one size through the backbone
    together.

    Args:
        groups: the kinds of views, in the order in which they are returned.
        mean: of each channel, in [0, 1].
        std: of each channel, > 0.

    Raises:
        ValueError: no group, or a mean or std that `ViewGenerator` refuses.

    >>> from domains.vision.augment.recipes import RECIPES
    >>> groups = [CropGroup(RECIPES["swav_global"], 32, 2), CropGroup(RECIPES["swav_local"], 16, 4)]
    >>> images = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8)
    >>> views = MultiCrop(groups, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))(images, torch.Generator().manual_seed(0))
    >>> [tuple(view.shape[2:]) for view in views]
    [(32, 32), (32, 32), (16, 16), (16, 16), (16, 16), (16, 16)]
    """

    def __init__(
        self, groups: Sequence[CropGroup], mean: tuple[float, float, float], std: tuple[float, float, float]
    ) -> None:
        if not groups:
            raise ValueError("groups is empty: name at least one recipe with its size and count")
        self.groups = tuple(groups)
        makers = [ViewGenerator(group.recipe, group.size, mean, std) for group in self.groups]
        self._makers = [maker for maker, group in zip(makers, self.groups, strict=True) for _ in range(group.count)]

    def __len__(self) -> int:
        return len(self._makers)

    def __call__(self, images: Shaped[Tensor, "n c h w"], generator: torch.Generator) -> list[Float[Tensor, "n 3 _ _"]]:
        """The views, ``(n, 3, size, size)`` float32 each, in the order of the groups.

        Args:
            images: ``(n, 3, h, w)`` uint8, RGB.
            generator: of every draw, on the CPU.

        Raises:
            TypeError: the images are not uint8.
            ValueError: there are not three channels, or the images have no pixels.
        """
        return [maker(images, generator) for maker in self._makers]
