"""A person's own folder of images: classes by sub-folder or table, parts by ``train`` and ``test``."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from core.errors import UserError
from domains.vision.data.assemble import assemble
from domains.vision.data.decode import IMAGE_SUFFIXES, SKIPPING
from domains.vision.data.images import ImageSet
from domains.vision.data.label_table import LabelTable, read_label_table

__all__ = ["read_folder"]

_log = logging.getLogger(__name__)

LABELS = "labels.csv"
"""The table that is read without being asked for."""

_TRAINING = ("train", "training")
_VALIDATION = ("val", "valid", "validation")
_TESTING = ("test", "testing")
_PARTS = (*_TRAINING, *_VALIDATION, *_TESTING)
_LITTER = ("thumbs.db", "desktop.ini", "__macosx")
_NAMED = 5


@dataclass(frozen=True)
class _File:
    """One image file.

    Attributes:
        path: where it is.
        name: the path from the folder, with slashes.
        part: the official part, in lower case; empty without.
        label: name of the class folder; empty for a file that lies beside them.
    """

    path: Path
    name: str
    part: str
    label: str


def read_folder(
    folder: Path, *, size: int | None = None, skip_broken: bool = False, labels: Path | None = None, **facts: Any
) -> ImageSet:
    """Read a folder of images.

    - Classes are the sub-folders that hold images, at any depth, in alphabetical order. Images beside them have the
      label -1. A flat folder has no labels.
    - ``train`` with ``test`` (or ``val``) at the top, and nothing else there that holds images, are the official parts;
      each is read as above. With all three, ``val`` belongs to the training part.
    - ``labels.csv``, or the table given, see `domains.vision.data.label_table.read_label_table`, stands in for the
      folder names. Files without a row get the label -1 and are named in the log; a target cannot be missing.
    - Hidden files and folders, ``Thumbs.db``, ``desktop.ini`` and ``__MACOSX`` are passed over; so are files whose
      suffix is none of `domains.vision.data.decode.IMAGE_SUFFIXES`, and the log counts those. Symbolic links are
      followed, except back to a folder that they lie in.

    Args:
        folder: where the images are.
        size: side of the square that images are brought to; None: see `domains.vision.data.assemble.shape_for`.
        skip_broken: leave out, and log, images that cannot be read and rows of the table that name no file.
        labels: a table elsewhere.
        facts: kept with the images.

    Raises:
        UserError: no images, broken ones, parts mixed with classes, or a table that does not fit.
    """
    table_path = labels or (folder / LABELS if (folder / LABELS).is_file() else None)
    files = _list(folder)
    if table_path is not None:
        table = read_label_table(table_path)
        _check_rows(table, files, folder, skip_broken)
        codes, class_names = _codes([table.labels.get(f.name, "") for f in files]) if table.labels else (None, ())
        targets = _targets(table, files)
    else:
        codes, class_names = _codes([file.label for file in files])
        targets = None
    _say(folder, files, codes, class_names, table_path is not None)
    done = assemble(
        [file.path for file in files],
        [file.name for file in files],
        size=size,
        skip_broken=skip_broken,
        what=str(folder),
    )
    testing = _TESTING if any(file.part in _TESTING for file in files) else _VALIDATION
    test = torch.tensor([file.part in testing for file in files])[done.kept] if files[0].part else None
    return ImageSet(
        done.images,
        folder.resolve().name,
        None if codes is None else codes[done.kept],
        None if targets is None else targets[done.kept],
        class_names,
        test,
        files=tuple(files[row].name for row in done.kept.tolist()),
        facts=facts,
    )


def _list(folder: Path) -> list[_File]:
    """All image files, sorted by part, class and name."""
    others: list[Path] = []
    by_top: dict[str, list[Path]] = {}
    for path in _walk(folder, ()):
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            others.append(path)
            continue
        relative = path.relative_to(folder)
        by_top.setdefault(relative.parts[0] if len(relative.parts) > 1 else "", []).append(path)
    parts = [top for top in by_top if top.lower() in _PARTS]
    official = any(top.lower() in _TRAINING for top in parts) and len(parts) > 1
    beside = [top or "images" for top in by_top if top not in parts]
    if official and beside:
        raise UserError(
            f"{folder} holds the parts {', '.join(parts)} and besides them {', '.join(beside[:_NAMED])}; leave the "
            "parts alone in their folder, or rename what are classes"
        )
    if others:
        _log.info("%s: %d files are no images by their suffix, passed over", folder, len(others))
    files = []
    for top in sorted(by_top):
        for path in by_top[top]:
            relative = path.relative_to(folder)
            inside = relative.parts[1:] if official else relative.parts
            label = inside[0] if len(inside) > 1 else ""
            files.append(_File(path, relative.as_posix(), top.lower() if official else "", label))
    if not files:
        there = f"{len(others)} other files" if others else "nothing"
        raise UserError(f"{folder} has no images: found {there}; images end in {', '.join(sorted(IMAGE_SUFFIXES))}")
    return files


def _walk(folder: Path, above: tuple[Path, ...]) -> Iterator[Path]:
    """Every file below a folder, in order of name, but no litter and no folder inside itself."""
    real = folder.resolve()
    if real in above:
        _log.info("%s links back to a folder that it lies in, passed over", folder)
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"the folder {folder} cannot be read: {error.strerror or error}") from error
    for entry in entries:
        if entry.name.startswith(".") or entry.name.lower() in _LITTER:
            continue
        if _is_folder(entry):
            yield from _walk(Path(entry.path), (*above, real))
        else:
            yield Path(entry.path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _codes(labels: Sequence[str]) -> tuple[torch.Tensor | None, tuple[str, ...]]:
    """Codes in alphabetical order of the names, -1 for none; None where no image has one."""
    names = tuple(sorted(set(labels) - {""}))
    if not names:
        return None, ()
    code = {name: position for position, name in enumerate(names)}
    return torch.tensor([code.get(label, -1) for label in labels]), names


def _check_rows(table: LabelTable, files: Sequence[_File], folder: Path, skip_broken: bool) -> None:
    there = {file.name for file in files}
    lost = [name for name in table.files if name not in there]
    if not lost:
        return
    what = f"{table.path}: {len(lost)} of {len(table.files)} files are not in {folder}: {_some(lost)}"
    if len(lost) == len(table.files):
        raise UserError(f"{what}; names are paths from the folder with their suffix, such as {files[0].name}")
    if not skip_broken:
        raise UserError(f"{what}; add them, take their rows out, or pass over them with {SKIPPING}")
    _log.warning("%s; passed over", what)


def _targets(table: LabelTable, files: Sequence[_File]) -> torch.Tensor | None:
    if table.targets is None:
        return None
    missing = [file.name for file in files if file.name not in table.targets]
    if missing:
        raise UserError(
            f"{table.path} has no target for {len(missing)} of {len(files)} images: {_some(missing)}; add them or move "
            "the images away"
        )
    return torch.tensor([table.targets[file.name] for file in files], dtype=torch.float32)


def _say(
    folder: Path, files: Sequence[_File], codes: torch.Tensor | None, class_names: tuple[str, ...], table: bool
) -> None:
    if codes is None:
        return
    without = [file.name for file, code in zip(files, codes.tolist(), strict=True) if code < 0]
    if without:
        why = "no label in the table" if table else "no class folder"
        _log.warning("%s: %d of %d images have %s: %s", folder, len(without), len(files), why, _some(without))
    if len(class_names) == 1:
        _log.warning("%s has one class, %s: scores by class say nothing", folder, class_names[0])


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
