"""One image file to 8-bit RGB: every kind of pixel, orientation, size limits, and one message for a broken file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from core.errors import UserError

__all__ = ["IMAGE_SUFFIXES", "SKIPPING", "BrokenImageError", "Source", "decode", "image_shape"]

Source = Path | bytes | np.ndarray
"""A file, its bytes, or uint8 pixels: ``(h, w)`` grey, ``(h, w, 3)`` RGB, ``(h, w, 4)`` with transparency."""

IMAGE_SUFFIXES = frozenset({
    ".apng", ".avif", ".bmp", ".dds", ".dib", ".gif", ".heic", ".heif", ".ico", ".j2k", ".jfif", ".jp2", ".jpe",
    ".jpeg", ".jpf", ".jpg", ".jpx", ".mpo", ".pbm", ".pcx", ".pgm", ".png", ".pnm", ".ppm", ".qoi", ".sgi", ".tga",
    ".tif", ".tiff", ".webp",
})  # fmt: skip
"""Lower-case suffixes of files that are taken for images."""

SKIPPING = "skip_broken (--skip-broken, for train --read.skip-broken true)"
"""What a message about broken images tells its reader to try."""

# Named one by one: left to itself PIL also opens documents and stubs, and runs Ghostscript on PostScript. HEIF is there
# when the package pillow-heif has registered itself.
_FORMATS = (
    "AVIF", "BMP", "DDS", "DIB", "GIF", "HEIF", "ICO", "JPEG", "JPEG2000", "MPO", "PCX", "PNG", "PPM", "QOI", "SGI",
    "TGA", "TIFF", "WEBP",
)  # fmt: skip
# What PIL's readers of these formats raise on damaged files: OSError (with UnidentifiedImageError) nearly always,
# SyntaxError for PNG chunks and Exif, ValueError for headers and palettes, RuntimeError for AVIF, TypeError and
# OverflowError for TIFF, and UserWarning for damaged tags where warnings are errors.
_DAMAGE = (OSError, SyntaxError, ValueError, RuntimeError, TypeError, OverflowError, UserWarning)
_TOO_LARGE = (Image.DecompressionBombError, Image.DecompressionBombWarning)  # the latter where warnings are errors
_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)  # orientations that swap height and width


class BrokenImageError(UserError):
    """A file that is no image, is damaged, or is of a kind that cannot be read; may be left out on request."""


@cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def decode(source: Source, *, name: str = "image", size: tuple[int, int] | None = None) -> UInt8[np.ndarray, "h w 3"]:
    """Read one image as RGB.

    - The orientation that a camera noted in Exif is applied; colour profiles are ignored.
    - Grey and palette images become RGB; transparent pixels are laid over white; CMYK is converted.
    - 16-bit grey is divided by 257. 32-bit grey: integers up to 65,535 likewise, larger ones by the type's largest
      value; floating-point values are taken for shares of the smallest of 1, 255 and 65,535 that holds the image's
      largest. Values that are negative or not finite have no such scale and are refused.
    - Of several frames the first one is read.

    With a size, the image is scaled until it covers it (Lanczos, antialiased; up if it is smaller) and cut to its
    centre. JPEG files much larger than that are decoded at a half, a quarter or an eighth of their size, so that memory
    stays small.

    Args:
        source: a path, the bytes of a file, or pixels.
        name: of the image in messages; a path speaks for itself.
        size: height and width wanted; None leaves them.

    Raises:
        BrokenImageError: no image, damaged, more pixels than `PIL.Image.MAX_IMAGE_PIXELS`, or unreadable.
    """
    if isinstance(source, np.ndarray):
        image = _as_rgb(Image.fromarray(source))
    else:
        with _opened(source, name) as file:
            if size is not None:
                file.draft(file.mode, (2 * size[1], 2 * size[0]))  # twice the size leaves Lanczos its work
            file.load()
            image = _as_rgb(_upright(file))
    if size is not None and (image.height, image.width) != size:
        image = ImageOps.fit(image, (size[1], size[0]), Image.Resampling.LANCZOS)
    return np.array(image)


def image_shape(source: Source, *, name: str = "image") -> tuple[int, int]:
    """Height and width as `decode` would return them, from the header.

    Raises:
        BrokenImageError: as `decode`, as far as the header shows.
    """
    if isinstance(source, np.ndarray):
        return source.shape[0], source.shape[1]
    with _opened(source, name) as file:
        return (file.width, file.height) if _is_turned(file) else (file.height, file.width)


@contextmanager
def _opened(source: Path | bytes, name: str) -> Iterator[Image.Image]:
    name = str(source) if isinstance(source, Path) else name
    limit = Image.MAX_IMAGE_PIXELS
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=_formats()) as file:
            if limit is not None and file.width * file.height > limit:
                raise Image.DecompressionBombError(f"{file.width} x {file.height} pixels")
            yield file
    except BrokenImageError:
        raise
    except _TOO_LARGE as error:
        raise BrokenImageError(
            f"{name} is too large ({error}; the limit is {limit} pixels); shrink it, or raise "
            "PIL.Image.MAX_IMAGE_PIXELS if you trust the file"
        ) from error
    except UnidentifiedImageError as error:
        raise BrokenImageError(f"{name} {_what_is_wrong(source)}") from error
    except _DAMAGE as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise BrokenImageError(f"{name} cannot be read: {reason}") from error


def _what_is_wrong(source: Path | bytes) -> str:
    """Why PIL could not tell what a file is."""
    empty = not source if isinstance(source, bytes) else source.stat().st_size == 0
    if empty:
        return "is empty (0 bytes)"
    if isinstance(source, Path) and source.suffix.lower() in (".heic", ".heif"):
        return "is no image that can be read: HEIC needs the package pillow-heif, or convert it to JPEG"
    return f"is no image in a format that can be read ({', '.join(_formats())})"


def _is_turned(image: Image.Image) -> bool:
    """Whether Exif says that height and width change places, as far as the header shows."""
    try:
        return "exif" in image.info and image.getexif().get(_ORIENTATION) in _TURNED
    except _DAMAGE:
        return False


def _upright(image: Image.Image) -> Image.Image:
    """The image as the camera was held; damaged Exif counts as none."""
    try:
        return ImageOps.exif_transpose(image)
    except _DAMAGE:
        return image


def _as_rgb(image: Image.Image) -> Image.Image:
    mode = image.mode
    if mode == "RGB" and "transparency" not in image.info:
        return image
    if mode.startswith("I") or mode == "F":
        return Image.fromarray(_grey_in_8_bits(np.asarray(image))).convert("RGB")
    if mode in ("LAB", "HSV"):
        raise ValueError(f"its pixels are {mode}, which are not read; save it as RGB")
    if mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _grey_in_8_bits(values: np.ndarray) -> np.ndarray:
    """Grey values of 16 or 32 bits or floating point to 0..255; `decode` tells the scale."""
    real = values.astype(np.float64)
    least, most = float(real.min()), float(real.max())
    if not (np.isfinite(least) and np.isfinite(most)) or least < 0:
        raise ValueError(f"grey values from {least:g} to {most:g} have no known scale; save it as 8 or 16 bit")
    if values.dtype.kind == "f":
        scale = next((bound for bound in (1, 255, 65535) if most <= bound), None)
        if scale is None:
            raise ValueError(f"grey values up to {most:g} have no known scale; save it as 8 or 16 bit")
    else:
        scale = 65535 if most <= 65535 else np.iinfo(values.dtype).max
    return np.asarray(np.rint(real * (255 / scale)), dtype=np.uint8)
