"""The commands of the vision domain, and the data it brings along."""

from __future__ import annotations

from core.plugins import Domain

__all__ = ["DOMAIN", "EMBEDDED"]

EMBEDDED: dict[str, str] = {
    "digits": "1,797 handwritten digits of 8 x 8 pixels (UCI, scikit-learn)",
    "digits-angle": "the same digits turned by -45 to 45 degrees, 24 x 24 pixels: regression on the angle",
}
"""Names and titles of the embedded data sets."""

DOMAIN = Domain(
    name="vision",
    summary="representations of images: SimCLR, MoCo, BYOL, SwAV and their rivals, with and without labels",
    methods="domains.vision:METHODS",
    task="domains.vision.task:VisionTask",
    catalogue="domains.vision",
    embedded=EMBEDDED,
)
