"""Many image files to one array: one size for all, decoded side by side, in memory or in a temporary file."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from core.errors import OperationError, UserError
from core.progress import watched
from domains.vision.data.decode import SKIPPING, BrokenImageError, Source, decode, image_shape

__all__ = ["Assembled", "assemble", "shape_for"]

_log = logging.getLogger(__name__)

LARGEST_DEFAULT = 64
"""Sides that are left alone, and the side that larger images are brought to, when no size is asked for."""
IN_MEMORY = 2**30
"""Bytes of pixels beyond which a temporary file holds them."""
_CHUNK = 32
_MOST_THREADS = 32
_BLOCK = 1024
_NAMED = 3

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Assembled:
    """Images in one array.

    Attributes:
        images: ``(m, 3, h, w)`` uint8.
        kept: ``(m,)`` int64, position of each among the sources; all of them unless broken ones were left out.
    """

    images: Tensor
    kept: Tensor


def assemble(
    sources: Sequence[Source], names: Sequence[str], *, size: int | None = None, skip_broken: bool = False, what: str
) -> Assembled:
    """Decode images to one size, see `shape_for`.

    The work is done by a pool of threads (decoding and scaling release the interpreter lock), headers first, so that
    the array is made once. Arrays above `IN_MEMORY` live in a temporary file that the system removes when the array is
    gone, and are paged in as needed.

    Args:
        sources: paths, bytes or pixels.
        names: of the images, for messages.
        size: side of the square to bring them to; None keeps small ones as they are.
        skip_broken: leave out what cannot be read, and log it, instead of stopping.
        what: name of the whole, for messages.

    Raises:
        UserError: a broken image (the first ones are named and all counted), none left, or a bad size.
        OperationError: no room for the temporary file.
    """
    if size is not None and size < 1:
        raise UserError(f"size must be >= 1 pixel, got {size}")
    if not sources:
        raise UserError(f"{what} has no images")
    shapes, broken = _each(lambda i: image_shape(sources[i], name=names[i]), len(sources), "reading headers")
    _stop_or_log(broken, len(sources), what, skip_broken)
    rows = [row for row, shape in enumerate(shapes) if shape is not None]
    shape = shape_for([shape for shape in shapes if shape is not None], size)
    array = _room(len(rows), shape)

    def place(position: int) -> bool:
        pixels = decode(sources[rows[position]], name=names[rows[position]], size=shape)
        array[position] = pixels.transpose(2, 0, 1)
        return True

    done, damaged = _each(place, len(rows), "decoding images")
    _stop_or_log(damaged, len(sources), what, skip_broken)
    good = [position for position, whole in enumerate(done) if whole]
    return Assembled(torch.from_numpy(_compact(array, good)), torch.tensor([rows[position] for position in good]))


def shape_for(shapes: Sequence[tuple[int, int]], size: int | None) -> tuple[int, int]:
    """Height and width that images are brought to.

    - with a size: its square;
    - all images of one shape, no side above 64: that shape, so that nothing changes;
    - else the square of the largest short side among them, at most 64.

    >>> shape_for([(28, 28), (28, 28)], None), shape_for([(300, 200), (40, 50)], None), shape_for([(9, 7)], 32)
    ((28, 28), (64, 64), (32, 32))
    """
    if size is not None:
        return size, size
    if len(set(shapes)) == 1 and max(shapes[0]) <= LARGEST_DEFAULT:
        return shapes[0]
    side = min(LARGEST_DEFAULT, max(min(shape) for shape in shapes))
    return side, side


def _each(work: Callable[[int], T], count: int, what: str) -> tuple[list[T | None], list[BrokenImageError]]:
    """The results in order, None where the image is broken, and what was wrong with those."""
    broken: dict[int, BrokenImageError] = {}

    def chunk(start: int) -> list[T | None]:
        results: list[T | None] = []
        for position in range(start, min(start + _CHUNK, count)):
            try:
                results.append(work(position))
            except BrokenImageError as error:
                broken[position] = error
                results.append(None)
        return results

    pool = ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1))
    try:
        finished: Iterator[T | None] = chain.from_iterable(pool.map(chunk, range(0, count, _CHUNK)))
        results = list(watched(finished, what, count))
    finally:
        pool.shutdown(cancel_futures=True)  # an interrupted reading ends at once
    return results, [broken[position] for position in sorted(broken)]


def _stop_or_log(broken: list[BrokenImageError], count: int, what: str, skip_broken: bool) -> None:
    if not broken:
        return
    if not skip_broken or len(broken) == count:
        first = "; ".join(str(error) for error in broken[:_NAMED])
        more = f"; and {len(broken) - _NAMED} more" if len(broken) > _NAMED else ""
        way_out = "all of them" if len(broken) == count else f"repair or remove them, or leave them out with {SKIPPING}"
        raise BrokenImageError(f"{what}: {len(broken)} of {count} images cannot be read ({way_out}): {first}{more}")
    for error in broken:
        _log.warning("left out: %s", error)
    _log.warning("%s: %d of %d images are broken and were left out", what, len(broken), count)


def _room(count: int, shape: tuple[int, int]) -> np.ndarray:
    size = count * 3 * shape[0] * shape[1]
    full = (count, 3, *shape)
    if size <= IN_MEMORY:
        return np.empty(full, dtype=np.uint8)
    place = tempfile.gettempdir()
    free = shutil.disk_usage(place).free
    if free < size:  # a mapped file that runs out of disk kills the process
        raise OperationError(
            f"{count} images of {shape[1]} x {shape[0]} pixels need {size} bytes in {place}, which has {free}; "
            "set TMPDIR to a larger disk, or ask for a smaller size"
        )
    _log.info("%d bytes of pixels are kept in a temporary file in %s", size, place)
    with tempfile.TemporaryFile() as file:  # has no name any more; the mapping alone keeps it alive
        return np.memmap(file, dtype=np.uint8, mode="w+", shape=full)


def _compact(array: np.ndarray, good: list[int]) -> np.ndarray:
    """The good rows, moved to the front in place, in blocks: the array may be larger than memory."""
    if len(good) == len(array):
        return array
    wanted = np.array(good)
    for start in range(0, len(wanted), _BLOCK):
        rows = wanted[start : start + _BLOCK]
        array[start : start + len(rows)] = array[rows]  # never ahead of the rows still to be read
    return array[: len(wanted)]
