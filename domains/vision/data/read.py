"""One door for all images: an embedded name, a catalogue name, or a path in any of the known forms."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from core.data import DataSet, catalogue, fetch, lookup
from core.errors import UserError, unknown_name
from domains.vision.data.decode import IMAGE_SUFFIXES, decode
from domains.vision.data.embedded import EMBEDDED, embedded
from domains.vision.data.folder import read_folder
from domains.vision.data.images import ImageSet
from domains.vision.data.packed import read_npz, read_npz_folder

__all__ = ["read_image", "read_images"]


def read_images(
    name_or_path: str | Path, *, size: int | None = None, skip_broken: bool = False, labels: str | Path | None = None
) -> ImageSet:
    """Read a set of images, all of one size.

    Args:
        name_or_path: an embedded name (``digits``), a catalogue name (``cifar10_13k``, ``vision/cifar10_13k``), or a
            path: a folder of images, an ``.npz``, a folder with one or with a train and test pair, or one image. A path
            that exists wins over a catalogue name only if it holds a slash or a suffix.
        size: side of the square that images are brought to. None leaves images of one size up to 64 pixels alone and
            brings others to at most 64, see `domains.vision.data.assemble.shape_for`.
        skip_broken: leave out, and log, images that cannot be read, instead of stopping.
        labels: a table of labels for a folder, see `domains.vision.data.label_table.read_label_table`.

    Raises:
        UserError: no such name or path, or bad content; the message names the file and the way out.
        OperationError: a download failed, or there is no room.
    """
    text = str(name_or_path)
    table = None if labels is None else Path(labels)
    plain = text.removeprefix("vision/")
    bare = "/" not in plain and "\\" not in plain and not Path(plain).suffix
    entry = lookup("vision", plain) if bare else None
    folder = Path(text)
    if table is not None and (plain in EMBEDDED or entry is not None or not folder.is_dir()):
        raise UserError(f"labels {table} go with a folder of images, and {text} is none")
    if bare and plain in EMBEDDED:
        return embedded(plain, size=size)
    if entry is not None:
        return _from_catalogue(entry, size, skip_broken)
    if not folder.exists():
        known = [*EMBEDDED, *(one.name for one in catalogue() if one.domain == "vision")]
        raise unknown_name("image set (there is no such path either)", text, known)
    if folder.is_dir():
        if table is None and _holds_archives(folder):
            return read_npz_folder(folder, size=size, skip_broken=skip_broken)
        return read_folder(folder, size=size, skip_broken=skip_broken, labels=table)
    suffix = folder.suffix.lower()
    if suffix == ".npz":
        return read_npz(folder, size=size, skip_broken=skip_broken)
    if suffix in IMAGE_SUFFIXES:
        return ImageSet(read_image(folder, size)[None], folder.stem, files=(folder.name,))
    raise UserError(
        f"{folder}: files ending in {suffix or 'nothing'} are not read; give a folder of images, an .npz or one image "
        f"({', '.join(sorted(IMAGE_SUFFIXES))})"
    )


def read_image(path: str | Path, size: int | tuple[int, int] | None = None) -> UInt8[Tensor, "3 h w"]:
    """Read one image file, prepared as the images of a folder are, see `domains.vision.data.decode.decode`.

    Args:
        path: the file.
        size: side of the square, or height and width; None leaves the image as large as it is.

    Raises:
        UserError: no such file, or it cannot be read as an image.
    """
    shape = (size, size) if isinstance(size, int) else size
    if shape is not None and min(shape) < 1:
        raise UserError(f"size must be >= 1 pixel, got {size}")
    return torch.from_numpy(decode(Path(path), size=shape)).permute(2, 0, 1).contiguous()


def _holds_archives(folder: Path) -> bool:
    """Whether a folder is one of ``.npz`` files; images and sub-folders beside them make it one of images."""
    entries = [path for path in folder.iterdir() if not path.name.startswith(".")]
    images = any(path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES for path in entries)
    return not images and any(path.suffix.lower() == ".npz" for path in entries)


def _from_catalogue(entry: DataSet, size: int | None, skip_broken: bool) -> ImageSet:
    folder = fetch(f"vision/{entry.name}")
    facts = {"licence": entry.licence, "source": entry.source, "citation": entry.citation}
    one = entry.facts.get("images")  # where only one of the files is a set of images
    if one is not None:
        return read_npz(folder / one, size=size, skip_broken=skip_broken, **facts)
    return read_npz_folder(folder, size=size, skip_broken=skip_broken, **facts)
