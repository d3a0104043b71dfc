"""What a random view may change, and the recipes of the papers by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from domains.vision.augment.ranges import check_range

__all__ = ["RECIPES", "Recipe"]


@dataclass(frozen=True)
class Recipe:
    """Ranges and probabilities of one random view.

    Attributes:
        crop_scale: least and largest area of the crop, as shares of the image, in (0, 1]; (1, 1) takes the whole
            image, whatever its shape.
        crop_ratio: least and largest aspect ratio (width over height) of the crop.
        flip: probability of a horizontal flip.
        jitter: probability of the colour jitter.
        brightness: strength b >= 0: a factor from U(max(0, 1 - b), 1 + b).
        contrast: strength, likewise, about the mean grey of the image.
        saturation: strength, likewise, about each pixel's grey.
        hue: strength h in [0, 0.5]: a rotation of U(-h, h) turns.
        grey: probability of grey.
        blur: probability of a Gaussian blur.
        blur_sigma: least and largest sigma, in pixels of the view.
        solarise: probability of inverting what is brighter than one half.
        rotation: largest angle in degrees, to either side, in [0, 180].
        centre: None for crops anywhere; the a > 0 of Beta(a, a) for centre-suppressed crops (`CenterSuppressedCrop`).
        centre_box: where the centres of such crops may lie, as shares of both sides.

    Raises:
        ValueError: a value leaves its range.
    """

    crop_scale: tuple[float, float] = (0.08, 1.0)
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    jitter: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    grey: float = 0.2
    blur: float = 0.0
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    solarise: float = 0.0
    rotation: float = 0.0
    centre: float | None = None
    centre_box: tuple[float, float] = (0.25, 0.75)

    def __post_init__(self) -> None:
        check_range("crop_scale", self.crop_scale, limit=1)
        check_range("crop_ratio", self.crop_ratio)
        check_range("blur_sigma", self.blur_sigma)
        check_range("centre_box", self.centre_box, limit=1, zero=True)
        for name in ("flip", "jitter", "grey", "blur", "solarise"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be a probability in [0, 1], got {getattr(self, name)!r}")
        for name in ("brightness", "contrast", "saturation"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be a strength >= 0, got {getattr(self, name)!r}")
        if not 0 <= self.hue <= 0.5:
            raise ValueError(f"hue must be in [0, 0.5] turns, got {self.hue!r}")
        if not 0 <= self.rotation <= 180:
            raise ValueError(f"rotation must be in [0, 180] degrees, got {self.rotation!r}")
        if self.centre is not None and not 0 < self.centre < math.inf:
            raise ValueError(f"centre must be None or the a > 0 of Beta(a, a), got {self.centre!r}")


_SIMCLR = Recipe(brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2, blur=0.5)
_BYOL_1 = Recipe(saturation=0.2, blur=1.0)
_BYOL_2 = replace(_BYOL_1, blur=0.1, solarise=0.2)

RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "simclr": _SIMCLR,
        "moco_v2": Recipe(crop_scale=(0.2, 1.0), blur=0.5),
        "byol_1": _BYOL_1,
        "byol_2": _BYOL_2,
        "vicreg": replace(_BYOL_1, blur=0.5, solarise=0.1),
        "swav_global": replace(_SIMCLR, crop_scale=(0.14, 1.0)),
        "swav_local": replace(_SIMCLR, crop_scale=(0.05, 0.14)),
        "groco_1": replace(_BYOL_1, crop_scale=(0.14, 1.0)),
        "groco_2": replace(_BYOL_2, crop_scale=(0.14, 1.0)),
        "cifar": _SIMCLR,
        "dcl": Recipe(),
        "cacr": Recipe(crop_scale=(0.2, 1.0), jitter=1.0, hue=0.4),
        "hallucinator": Recipe(crop_scale=(0.2, 1.0), centre=0.1),
        "mild": Recipe(crop_scale=(0.2, 1.0)),
        "crop_flip": Recipe(jitter=0.0, grey=0.0),
        "digits": Recipe(crop_scale=(0.6, 1.0), flip=0.0, saturation=0.0, hue=0.0, grey=0.0, rotation=15.0),
        "upright": Recipe(crop_scale=(0.6, 1.0), flip=0.0),
        "test": Recipe(crop_scale=(1.0, 1.0), flip=0.0, jitter=0.0, grey=0.0),
    }
)
"""The recipes by name. All flip and grey as `Recipe` does unless it is said.

- "simclr", "moco_v2", "byol_1", "byol_2": as lightly has them. "moco_v2" is also iSogCLR's for CIFAR.
- "vicreg": solarisation as lightly has it; the jitter of "byol_1" and half its blur are our choice.
- "swav_global", "swav_local": crops and colours of SwAV's released scripts, of 224 and 96 pixels there.
- "groco_1", "groco_2": the alternating views of GroCo's released code, which resizes bicubically; here bilinear.
- "cifar": the symmetric recipe of solo-learn for 32 pixels, with our blur (a sigma of up to 2 pixels).
- "dcl": DCL's released code for CIFAR. "cacr": CACR's for CIFAR, jitter always.
- "hallucinator": the second view of Hallucinator's released code for small images; the first is "mild".
- "mild", "crop_flip" (where colour is what is probed), "digits" (grey characters of 8 to 28 pixels: no flip, small
  rotation, brightness and contrast only): our own.
- "upright": neither flipped nor turned, for targets that a flip or a turn would change, such as angles: our own.
- "test": nothing is left to chance, the image is only resized.
"""
