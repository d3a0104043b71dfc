"""Images in ``.npz`` archives: encoded and packed end to end, or as plain arrays; one file or a train and test pair."""

from __future__ import annotations

import logging
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.errors import UserError
from domains.vision.data.assemble import assemble, shape_for
from domains.vision.data.classes import class_codes
from domains.vision.data.decode import Source
from domains.vision.data.images import ImageSet

__all__ = ["read_npz", "read_npz_folder"]

_log = logging.getLogger(__name__)

_IMAGES = ("image", "images", "x", "data")
_LABELS = ("label", "labels", "y", "category")
_TARGETS = ("target", "targets")
_NAMES = ("name", "names", "file", "files")
_CLASS_NAMES = ("class_names", "classes")
_PARTS = ("train", "val", "test")
_STEM = re.compile(r"(?P<prefix>.+?)[_-](?P<part>train|val|test)")
# what numpy and zipfile raise on bytes that are no archive of arrays, or only half of one
_UNREADABLE = (OSError, ValueError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, eq=False)
class _Part:
    """One block of images with what stands beside them.

    Attributes:
        where: file (and prefix) for messages.
        part: train, val or test; empty where there is only one.
        pixels: ``(n, h, w)`` or ``(n, h, w, c)`` uint8; None when encoded.
        encoded: one ``bytes`` an image; empty when there are pixels.
        labels: ``(n,)`` integers or strings.
        targets: ``(n,)`` numbers.
        class_names: as stored.
        attributes: further integers of each image.
        files: name of each image.
        facts: names of the attributes' values.
    """

    where: str
    part: str
    pixels: np.ndarray | None
    encoded: list[bytes]
    labels: np.ndarray | None
    targets: np.ndarray | None
    class_names: tuple[str, ...]
    attributes: Mapping[str, np.ndarray] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.encoded) if self.pixels is None else len(self.pixels)

    def sources(self) -> list[Source]:
        return list(self.encoded) if self.pixels is None else list(self.pixels)

    def names(self) -> list[str]:
        return [f"{self.where}, image {i}" + (f" ({self.files[i]})" if self.files else "") for i in range(len(self))]


def read_npz(path: Path, *, size: int | None = None, skip_broken: bool = False, **facts: Any) -> ImageSet:
    """Read images from one ``.npz``.

    Images are either encoded files end to end (``data`` uint8 and ``offsets`` int64, image i is
    ``data[offsets[i]:offsets[i + 1]]``) or arrays called ``image``, ``images``, ``x`` or ``data`` of shape
    ``(n, h, w)``, ``(n, h, w, c)`` or ``(n, c, h, w)`` with 1, 3 or 4 channels: uint8, uint16 (divided by 257), bool,
    other integers in 0..255, or floating point in [0, 1] or else in [0, 255].

    Beside them: ``label``, ``labels``, ``y`` or ``category`` (integers, -1 for unknown, or strings; fractions are
    targets), ``class_names``, ``target`` or ``targets`` (numbers), ``name`` (of the files). Any other array of one
    integer an image becomes an attribute. What is left is not read, and said in the log.

    Parts in one file have a prefix or suffix: ``train_images`` and ``test_labels`` (MedMNIST), ``x_train`` and
    ``y_test`` (Keras). Test images are the official test part; validation images are that where there is no test part
    and else belong to training.

    Args:
        path: the file.
        size: see `domains.vision.data.assemble.shape_for`.
        skip_broken: leave broken images out instead of stopping.
        facts: kept with the images.

    Raises:
        UserError: no archive, no images in it, or arrays that do not fit together.
    """
    return _joined(_parts(path, ""), path.stem, size, skip_broken, facts)


def read_npz_folder(folder: Path, *, size: int | None = None, skip_broken: bool = False, **facts: Any) -> ImageSet:
    """Read the one ``.npz`` of a folder, or its pair ``NAME_train.npz`` and ``NAME_test.npz`` (``_val`` too).

    Raises:
        UserError: several that are no such pair; otherwise as `read_npz`.
    """
    archives = sorted(folder.glob("*.npz"))
    if len(archives) == 1:
        return _joined(_parts(archives[0], ""), folder.name, size, skip_broken, facts)
    found = [_STEM.fullmatch(path.stem) for path in archives]
    if not all(found) or len({match["prefix"] for match in found if match}) != 1:
        raise UserError(
            f"{folder} holds {', '.join(path.name for path in archives) or 'no .npz'}: give one of the files, or a "
            "folder with NAME_train.npz and NAME_test.npz"
        )
    by_part = {match["part"]: path for match, path in zip(found, archives, strict=True) if match}
    blocks = [block for part in _PARTS if part in by_part for block in _parts(by_part[part], part)]
    return _joined(blocks, folder.name, size, skip_broken, facts)


def _parts(path: Path, part: str) -> list[_Part]:
    """The blocks of one file."""
    try:
        with path.open("rb") as file:
            if file.read(6) == np.lib.format.MAGIC_PREFIX:
                raise UserError(
                    f"{path} holds a single array, not an archive; save it with numpy.savez(path, image=...)"
                )
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                arrays = {key: archive[key] for key in archive.files}
    except UserError:
        raise
    except _UNREADABLE as error:
        hint = "; object arrays are not read" if "Object arrays" in str(error) else ""
        raise UserError(f"{path} cannot be read as an .npz archive ({error}){hint}") from error
    blocks = []
    for own in _PARTS:
        named = {}
        for key, array in arrays.items():
            if key.startswith(f"{own}_") or key.endswith(f"_{own}"):
                named[key.removeprefix(f"{own}_").removesuffix(f"_{own}")] = array
        if _first(named, _IMAGES):
            shared = {key: arrays[key] for key in _CLASS_NAMES if key in arrays}
            blocks.append(_block(f"{path} ({own})", own, {**shared, **named}))
    if blocks and not part:
        return blocks
    return [_block(str(path), part, arrays)]


def _first(arrays: Mapping[str, np.ndarray], names: Sequence[str]) -> str:
    return next((name for name in names if name in arrays), "")


def _block(where: str, part: str, arrays: dict[str, np.ndarray]) -> _Part:
    image_key = _first(arrays, _IMAGES)
    if not image_key:
        there = ", ".join(f"{key} {array.dtype}{list(array.shape)}" for key, array in arrays.items())
        raise UserError(
            f"{where} has no images: expected data and offsets, or one of {', '.join(_IMAGES)}; it holds "
            f"{there or 'none'}"
        )
    packed = image_key == "data" and "offsets" in arrays
    encoded = _unpacked(where, arrays["data"], arrays["offsets"]) if packed else []
    pixels = None if packed else _pixels(where, image_key, arrays[image_key])
    count = len(encoded) if pixels is None else len(pixels)
    used = {image_key, *(["offsets"] if packed else [])}

    def column(names: Sequence[str]) -> np.ndarray | None:
        key = _first(arrays, names)
        if not key:
            return None
        used.add(key)
        array = arrays[key]
        array = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
        if array.ndim != 1:
            raise UserError(f"{where}: {key} has shape {list(array.shape)}; one value an image is read, [{count}]")
        if len(array) != count:
            raise UserError(f"{where}: {key} has {len(array)} values for {count} images")
        return array

    labels, targets, files = column(_LABELS), column(_TARGETS), column(_NAMES)
    if labels is not None and labels.dtype.kind == "f":
        labels, targets = _classes_or_targets(where, labels, targets)
    if targets is not None:
        targets = _finite(where, targets)
    names_key = _first(arrays, _CLASS_NAMES)
    used.add(names_key)
    attributes, facts = {}, {}
    for key, array in arrays.items():
        if key not in used and array.shape == (count,) and array.dtype.kind in "iu":
            attributes[key] = array
            used.add(key)
            if f"{key}_names" in arrays:
                used.add(f"{key}_names")
                facts[f"{key}_names"] = arrays[f"{key}_names"].tolist()
    left = [key for key in arrays if key not in used]
    if left:
        _log.info("%s: not read: %s", where, ", ".join(left))
    return _Part(
        where,
        part,
        pixels,
        encoded,
        labels,
        targets,
        tuple(map(str, arrays[names_key].tolist())) if names_key and labels is not None else (),
        attributes,
        () if files is None else tuple(map(str, files.tolist())),
        facts,
    )


def _unpacked(where: str, data: np.ndarray, offsets: np.ndarray) -> list[bytes]:
    if data.dtype != np.uint8 or data.ndim != 1:
        raise UserError(f"{where}: data must be uint8 of one dimension, got {data.dtype}{list(data.shape)}")
    if offsets.dtype.kind not in "iu" or offsets.ndim != 1 or len(offsets) < 1:
        raise UserError(f"{where}: offsets must be integers of one dimension, got {offsets.dtype}{list(offsets.shape)}")
    edges = offsets.astype(np.int64)
    falls = np.flatnonzero(np.diff(edges) < 0)
    if len(falls) or edges[0] != 0 or edges[-1] != len(data):
        fault = f"fall after image {falls[0]}" if len(falls) else f"run from {edges[0]} to {edges[-1]}"
        raise UserError(f"{where}: offsets must rise from 0 to the length of data, {len(data)}; they {fault}")
    whole = data.tobytes()
    return [whole[start:stop] for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)]


def _pixels(where: str, key: str, array: np.ndarray) -> np.ndarray:
    if array.ndim == 4 and array.shape[-1] not in (1, 3, 4) and array.shape[1] in (1, 3, 4):
        array = np.moveaxis(array, 1, -1)
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[-1] not in (1, 3, 4)):
        raise UserError(
            f"{where}: {key} has shape {list(array.shape)}; images are (n, h, w), (n, h, w, c) or (n, c, h, w) with "
            "1, 3 or 4 channels"
        )
    if 0 in array.shape[1:3]:
        raise UserError(f"{where}: {key} has shape {list(array.shape)}: images without pixels")
    array = array[..., 0] if array.ndim == 4 and array.shape[-1] == 1 else array
    if array.dtype == np.uint8 or array.size == 0:
        return array.astype(np.uint8, copy=False)
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint16:
        return np.asarray(np.rint(array / 257), dtype=np.uint8)
    if array.dtype.kind not in "iuf":
        raise UserError(f"{where}: {key} is {array.dtype}; images are uint8, uint16, bool, integers or floating point")
    least, most = float(array.min()), float(array.max())
    if not (least >= 0 and most <= 255):  # also what is not finite
        raise UserError(
            f"{where}: {key} has values from {least:g} to {most:g}; {array.dtype} images must lie in [0, 255]"
            + (" or [0, 1]; undo a normalisation first" if array.dtype.kind == "f" else "")
        )
    scale = 255 if array.dtype.kind == "f" and most <= 1 else 1
    return np.asarray(np.rint(array * scale), dtype=np.uint8)


def _finite(where: str, targets: np.ndarray) -> np.ndarray:
    if targets.dtype.kind not in "iuf" or not np.isfinite(targets).all():
        raise UserError(f"{where}: targets must be finite numbers, one an image")
    return targets.astype(np.float32)


def _classes_or_targets(
    where: str, values: np.ndarray, targets: np.ndarray | None
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Floating-point labels: whole numbers are classes, anything else is a target."""
    if np.isfinite(values).all() and (values == np.rint(values)).all():
        return values.astype(np.int64), targets
    if targets is not None:
        raise UserError(f"{where}: labels are fractions, and there are targets besides; keep one of the two as targets")
    return None, values


def _joined(parts: list[_Part], name: str, size: int | None, skip_broken: bool, facts: Mapping[str, Any]) -> ImageSet:
    lengths = [len(part) for part in parts]
    if not sum(lengths):
        raise UserError(f"{parts[0].where} has no images (0 rows)")
    images, kept = _images(parts, name, size, skip_broken)
    labels, class_names = class_codes(
        [part.labels for part in parts], [part.class_names for part in parts], lengths, [part.where for part in parts]
    )
    if any(part.targets is None for part in parts) and any(part.targets is not None for part in parts):
        raise UserError(f"{name}: some parts have targets and some have none: {', '.join(p.where for p in parts)}")
    targets = [torch.from_numpy(part.targets) for part in parts if part.targets is not None]
    common = set.intersection(*(set(part.attributes) for part in parts))
    attributes = {
        key: torch.cat([torch.from_numpy(part.attributes[key].astype(np.int64)) for part in parts])[kept]
        for key in sorted(common)
    }
    kinds = {part.part for part in parts}
    testing = "test" if "test" in kinds else "val"
    test = torch.cat([torch.full((len(part),), part.part == testing) for part in parts])[kept]
    with_names = all(part.files for part in parts)
    files = [file for part in parts for file in part.files] if with_names else []
    return ImageSet(
        images,
        name,
        None if labels is None else labels[kept],
        torch.cat(targets)[kept] if targets else None,
        class_names,
        test if len(kinds) > 1 else None,
        attributes,
        tuple(files[row] for row in kept.tolist()) if files else (),
        {**parts[0].facts, **facts},
    )


def _images(parts: list[_Part], name: str, size: int | None, skip_broken: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """``(m, 3, h, w)`` and the rows that were kept; arrays that keep their size need no decoding."""
    blocks = [part.pixels for part in parts if part.pixels is not None]
    shapes = {block.shape[1:] for block in blocks}
    if len(blocks) == len(parts) and len(shapes) == 1 and blocks[0].shape[3:] in ((), (3,)):
        shape = blocks[0].shape[1:3]
        if shape_for([shape], size) == shape:
            pixels = torch.from_numpy(np.concatenate(blocks))
            rgb = pixels[:, None].repeat(1, 3, 1, 1) if pixels.dim() == 3 else pixels.permute(0, 3, 1, 2).contiguous()
            return rgb, torch.arange(len(rgb))
    sources = [source for part in parts for source in part.sources()]
    names = [one for part in parts for one in part.names()]
    done = assemble(sources, names, size=size, skip_broken=skip_broken, what=name)
    return done.images, done.kept
