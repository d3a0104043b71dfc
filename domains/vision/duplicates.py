"""Near-copies in a folder of images. They are found and listed; nothing is ever deleted."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import cosine_similarity

from core.atomic import atomic_write
from core.errors import UserError
from core.progress import working
from core.samplers import RedundancyFilter
from core.samplers.hamming import HammingDistance, hamming_distance
from core.samplers.image_hash import image_hash
from core.samplers.information import entropy
from domains.vision.data.images import ImageSet
from domains.vision.data.read import read_images
from domains.vision.jobs import check_suffix, embed, load_model, names_of
from domains.vision.methods.base import VisionMethod
from domains.vision.screen import print_table

__all__ = ["Copies", "duplicates", "duplicates_command", "grey"]

_log = logging.getLogger(__name__)

HASH_SIZE = 16
"""Side of the hash, in bits; 256 bits tell more apart than the usual 64."""
HASH_PIXELS = 64
"""Side that images are brought to before they are hashed."""
BITS = 24
"""Bits that near-copies differ in, at most: half and double size, and most strong compressions, stay within."""
APART = 0.002
"""1 - cosine of near-copies, at most."""
LEAST_ENTROPY = 0.05
"""In nats: below it an image is of one colour but for 1 % of its pixels, and its hash says nothing."""
_WEIGHTS = (299, 587, 114)
_BLOCK = 4096


@dataclass(frozen=True, eq=False)
class Copies:
    """Which images are near-copies of which.

    Attributes:
        kept: ``(n,)`` int64, position of the image that each is a copy of, itself where it is kept.
        distance: ``(n,)`` float32, to the kept one, in the units of the search.
        compared: ``(n,)`` bool, false for images of one colour, which hashes cannot compare.
    """

    kept: Tensor
    distance: Tensor
    compared: Tensor

    def groups(self) -> list[list[int]]:
        """Positions of each group of two or more, the kept one first, in the order of the images."""
        members: dict[int, list[int]] = {}
        for row, kept in enumerate(self.kept.tolist()):
            members.setdefault(kept, []).append(row)
        return [rows for rows in members.values() if len(rows) > 1]


def grey(images: UInt8[Tensor, "n 3 h w"]) -> UInt8[Tensor, "n h w"]:
    """Luma of ITU-R BT.601, rounded, in blocks.

    >>> grey(torch.tensor([255, 0, 0], dtype=torch.uint8).view(1, 3, 1, 1)).item()
    76
    """
    weights = torch.tensor(_WEIGHTS, dtype=torch.int32)[:, None, None]
    parts = [((part.int() * weights).sum(1) + 500) // 1000 for part in images.split(_BLOCK)]
    return torch.cat([part.byte() for part in parts])


def duplicates(data: ImageSet, *, model: VisionMethod[Any] | None = None, threshold: float | None = None) -> Copies:
    """Find near-copies, by the greedy rule of `core.samplers.RedundancyFilter`.

    The first image is kept and takes all of its near-copies with it; so does the first of what is left, and so on. The
    images that are kept are no near-copies of each other. Time is near to linear where copies are few, memory linear.

    Args:
        data: the images. For hashes, best 64 pixels a side.
        model: compare embeddings instead of hashes.
        threshold: the largest distance that still makes a near-copy. Without a model: bits of the 256 of a difference
            hash of 16 x 16 of the grey image, a whole number from 0, by default 24. With a model: 1 - cosine, 0 to 2,
            by default 0.002.

    Raises:
        UserError: a threshold out of range.
    """
    if model is None:
        return _by_hash(data, BITS if threshold is None else threshold)
    limit = APART if threshold is None else threshold
    if not 0 <= limit <= 2:
        raise UserError(f"threshold must be in [0, 2], the values of 1 - cosine, got {limit}")
    h = embed(data, model)
    kept = RedundancyFilter("cosine", limit).fit(h).representative_
    return Copies(kept, _apart(h, kept), torch.ones(len(data), dtype=torch.bool))


def _apart(h: Float[Tensor, "n d"], kept: Tensor) -> Tensor:
    return (1 - cosine_similarity(h.double(), h[kept].double())).clamp(min=0).float()


def _by_hash(data: ImageSet, limit: float) -> Copies:
    bits = HASH_SIZE**2
    if not (0 <= limit <= bits and limit == int(limit)):
        raise UserError(f"threshold must be a whole number of bits from 0 to {bits}, got {limit:g}")
    pixels = grey(data.images)
    codes = image_hash(pixels, hash_size=HASH_SIZE)
    compared = entropy(pixels) >= LEAST_ENTROPY
    kept = torch.arange(len(data))
    rows = kept[compared]
    if len(rows):
        chosen = RedundancyFilter(HammingDistance(bits), limit).fit(codes[rows]).representative_
        kept[compared] = rows[chosen]
    return Copies(kept, hamming_distance(codes, codes[kept]).float(), compared)


def duplicates_command(
    folder: str,
    *,
    model: str | None = None,
    threshold: float | None = None,
    out: str | None = None,
    skip_broken: bool = False,
) -> None:
    """List groups of near-copies, with the file of each that would be kept: the first in the order of names.

    Nothing is ever deleted.

    Args:
        folder: folder of images, .npz, or catalogue name.
        model: folder of a trained model, to compare embeddings; without one, hashes of the pixels are compared.
        threshold: largest distance of a near-copy: bits of 256 without a model (default 24), 1 - cosine with one
            (default 0.002); 0 takes equal ones only.
        out: CSV file with the columns group, file, kept, distance.
        skip_broken: leave out images that cannot be read, and name them.
    """
    if out is not None:
        check_suffix("--out", out, (".csv",))
    method = None if model is None else load_model(model)
    data = read_images(folder, size=HASH_PIXELS if method is None else method.size, skip_broken=skip_broken)
    with working("comparing"):
        found = duplicates(data, model=method, threshold=threshold)
    names, groups = names_of(data), found.groups()
    flat = [names[row] for row in (~found.compared).nonzero().flatten().tolist()]
    if flat:
        _log.warning("%d images of one colour were not compared: %s", len(flat), ", ".join(flat))
    rows = [
        (number, names[row], position == 0, float(found.distance[row]))
        for number, group in enumerate(groups, start=1)
        for position, row in enumerate(group)
    ]
    if rows:
        unit = "bits of 256" if method is None else "1 - cosine"
        print_table(("group", "file", "kept", unit), _shown(rows, method is None), f"near-copies in {folder}")
    copies = len(rows) - len(groups)
    print(f"{copies} near-copies of {len(groups)} images among {len(data)}; nothing was deleted")
    if out is not None:
        with atomic_write(out) as file:
            pd.DataFrame(rows, columns=["group", "file", "kept", "distance"]).to_csv(file, index=False)
        print(out)


def _shown(rows: Sequence[tuple[int, str, bool, float]], whole: bool) -> list[tuple[str, str, str, str]]:
    return [
        (str(number), name, "kept" if kept else "", "" if kept else f"{distance:.0f}" if whole else f"{distance:.4f}")
        for number, name, kept, distance in rows
    ]
