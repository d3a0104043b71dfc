"""The commands of the vision domain, and the data it brings along."""

from __future__ import annotations

from core.plugins import Command, Domain

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
    commands=(
        Command(
            "embed",
            "write one vector per image to a file, with an optional map of thumbnails",
            "counterpoint vision embed digits --model runs/first --out digits.parquet --plot digits.png",
            "domains.vision.jobs:embed_command",
        ),
        Command(
            "neighbours",
            "list the images that are most similar to one image",
            "counterpoint vision neighbours 17 --model runs/first --in digits --k 5 --plot similar.png",
            "domains.vision.neighbours:neighbours_command",
        ),
        Command(
            "duplicates",
            "list groups of near-copies; nothing is deleted",
            "counterpoint vision duplicates digits --threshold 8 --out copies.csv",
            "domains.vision.duplicates:duplicates_command",
        ),
    ),
)
