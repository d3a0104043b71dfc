"""The domain's jobs: train on images in memory, load a model, embed a folder."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from core.atomic import atomic_write
from core.errors import UserError
from core.progress import watched, working
from core.training import RunResult, load_method, train_in_memory
from domains.vision import METHODS
from domains.vision.data.images import ImageSet
from domains.vision.data.read import read_images
from domains.vision.methods.base import EMBED_BATCH, VisionMethod
from domains.vision.task import VisionTask

__all__ = ["check_suffix", "embed", "embed_command", "label_names", "load_model", "names_of", "train"]

_log = logging.getLogger(__name__)

TABLES = (".parquet", ".csv", ".npz")
"""Suffixes of the files that `embed_command` writes."""


def train(
    images: ImageSet | str | Path,
    method: str = "simclr",
    *,
    folder: str | Path,
    preset: str | None = None,
    seed: int = 0,
    resume: bool = False,
    progress: bool = True,
    evaluate: Mapping[str, Any] | None = None,
    **settings: Any,
) -> RunResult:
    """Train, score and save one method: ``counterpoint vision train`` for images in memory.

    Args:
        images: a set of images, or what `domains.vision.data.read.read_images` takes: a name, a folder, an ``.npz``.
        method: registered name.
        folder: run folder; the model goes to ``folder / "model"``.
        preset: settings of a data set to start from; None takes the method's defaults.
        seed: of every random draw.
        resume: continue the run in the folder.
        progress: show a progress bar on a terminal.
        evaluate: what differs from the defaults of `domains.vision.evaluate.EvaluationSettings`.
        **settings: what differs from the preset, ``epochs=100``.

    Raises:
        UserError: unknown method, preset or setting, a value out of range, images that do not fit the method, or a
            folder that is taken.
    """
    given = images if isinstance(images, ImageSet) else read_images(images)
    return train_in_memory(
        VisionTask(),
        METHODS,
        method,
        given,
        package="domains.vision",
        data=given.name if isinstance(images, ImageSet) else str(images),
        folder=folder,
        preset=preset,
        seed=seed,
        resume=resume,
        progress=progress,
        evaluate=evaluate,
        settings=settings,
    )


def load_model(folder: str | Path) -> VisionMethod[Any]:
    """A saved method of this domain, ready to embed.

    Args:
        folder: a model folder, or a run folder that holds one.

    Raises:
        UserError: missing or damaged files, or a model of another domain.
    """
    method = load_method(folder, METHODS)
    if not isinstance(method, VisionMethod):
        raise UserError(f"{folder} holds {method.name}, which is no method of the vision domain")
    return method


def embed(images: ImageSet | Tensor | str | Path, model: VisionMethod[Any] | str | Path) -> Float[Tensor, "n d"]:
    """One vector per image: the frozen features of the backbone.

    Images of another size than the model's are resized to it. With a path or a name the reader does that: it scales an
    image until it covers the square and cuts to its centre. Images in memory are resized whole.

    Args:
        images: a set, uint8 ``(n, 3, h, w)``, or what `domains.vision.data.read.read_images` takes.
        model: a method, or the folder of a saved one.

    Returns:
        Float32, on the CPU.

    Raises:
        UserError: images or a model that cannot be read.
    """
    method = model if isinstance(model, VisionMethod) else load_model(model)
    if isinstance(images, str | Path):
        images = read_images(images, size=method.size)
    pixels = images.images if isinstance(images, ImageSet) else images
    if not len(pixels):
        return torch.zeros(0, method.out_dim)
    parts = pixels.split(EMBED_BATCH)
    return torch.cat([method.embed(part).cpu() for part in watched(parts, "embedding", len(parts))])


def embed_command(folder: str, *, model: str, out: str, plot: str | None = None, skip_broken: bool = False) -> None:
    """Write one vector per image to a file.

    Args:
        folder: folder of images, .npz, or catalogue name.
        model: folder of the trained model.
        out: .parquet or .csv with the columns file (image where they have no names), label, target, e0, e1, ...; or
            .npz with the arrays name, label, target, embedding. Label and target only where known.
        plot: PNG file for a map of the embeddings with the images' thumbnails.
        skip_broken: leave out images that cannot be read, and name them.
    """
    check_suffix("--out", out, TABLES)
    if plot is not None:
        check_suffix("--plot", plot, (".png",))
    method = load_model(model)
    data = read_images(folder, size=method.size, skip_broken=skip_broken)
    h = embed(data, method).numpy()
    _write(Path(out), data, h)
    print(f"{out}: {len(h)} rows, {h.shape[1]} dimensions")
    if plot is not None:
        from domains.vision.pictures import thumbnail_map

        with working("drawing"):
            thumbnail_map(h, data, Path(plot), folder=Path(folder))
        print(plot)


def _write(path: Path, data: ImageSet, h: np.ndarray) -> None:
    """The embeddings with what is known about each image."""
    known: dict[str, Any] = {}
    if data.labels is not None:
        known["label"] = label_names(data)
    if data.targets is not None:
        known["target"] = data.targets.numpy()
    suffix = path.suffix.lower()
    with atomic_write(path, "w" if suffix == ".csv" else "wb") as file:
        if suffix == ".npz":
            # text arrays, no objects: those would need a pickle to be read
            arrays = {name: np.array(["" if v is None else v for v in values]) for name, values in known.items()}
            arrays |= {"name": np.array(names_of(data)), "embedding": h}
            np.savez(file, **arrays)  # type: ignore[arg-type]  # an array could take the name of a later option
            return
        first = {"file": data.files} if data.files else {"image": np.arange(len(data))}
        table = pd.DataFrame({**first, **known, **{f"e{i}": column for i, column in enumerate(h.T)}})
        if suffix == ".csv":
            table.to_csv(file, index=False)
        else:
            table.to_parquet(file, index=False)


def names_of(data: ImageSet) -> tuple[str, ...]:
    """Name of each image: its file, or its position where there are no files."""
    return data.files or tuple(str(row) for row in range(len(data)))


def label_names(data: ImageSet) -> list[str | None]:
    """Name of each image's class, None where it is unknown."""
    codes = [-1] * len(data) if data.labels is None else data.labels.tolist()
    return [data.class_names[code] if code >= 0 else None for code in codes]


def check_suffix(flag: str, path: str, allowed: tuple[str, ...]) -> None:
    """Refuse a file to be written whose form nobody knows, before any work.

    Raises:
        UserError: another suffix.
    """
    if Path(path).suffix.lower() not in allowed:
        raise UserError(f"{flag} must end in {' or '.join(allowed)}, got {path}")
