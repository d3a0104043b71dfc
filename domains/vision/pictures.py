"""Pictures made of images: a map of embeddings with thumbnails, and a sheet of neighbours."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from core.atomic import atomic_write
from core.reporting.plots import PALETTE, embedding_map
from domains.vision.data.decode import image_shape
from domains.vision.data.images import ImageSet
from domains.vision.data.read import read_image

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["contact_sheet", "free_places", "thumbnail_map"]

DPI = 150
MAP = (1200, 960)
"""Width and height of a map in pixels, without legend and title."""
SIDES = (34, 110)
"""Smallest and largest side of a thumbnail on a map, in pixels."""
FRAME = 3
COVER = 0.2
"""Share of a map that its thumbnails would cover if all were shown; beyond it they shrink, then thin out."""
SHEET_SIDE = 220
SHEET_COLUMNS = 6
CAPTION = 30
"""Letters of a file name under a picture."""
# Okabe and Ito's without black, then five that stand apart from them; with more classes no frame could be told
COLOURS = (*PALETTE[:7], "#666666", "#882255", "#A6611A", "#B2DF8A", "#332288")


@mpl.rc_context({"text.parse_math": False})  # a file name with two dollar signs is no formula
def thumbnail_map(
    embeddings: Float[np.ndarray, "n d"], data: ImageSet, path: Path, *, folder: Path | None = None, seed: int = 0
) -> int:
    """Draw embeddings in the plane as a PNG file: t-SNE to 5,000 images, principal components beyond.

    Images stand at their places as thumbnails, as many as fit without covering each other, drawn in a random order so
    that dense regions are not shown by one class; all others are dots. Up to 12 classes have a colour each, of frames
    and dots; images without a class are grey.

    Args:
        embeddings: one row per image, at least one.
        data: the images.
        path: the file, replaced if it exists.
        folder: where the files of ``data`` are, for thumbnails sharper than the images in memory.
        seed: of t-SNE and of the order.

    Returns:
        Number of thumbnails.

    Raises:
        OperationError: the file cannot be written.
    """
    points, how = embedding_map(embeddings, seed=seed)
    side = int(np.clip(np.sqrt(COVER * MAP[0] * MAP[1] / len(points)), *SIDES))
    places = _on_canvas(points, side)
    shown = free_places(places, side + 2, np.random.default_rng(seed).permutation(len(places)))
    colours, legend = _class_colours(data)
    canvas = np.zeros((MAP[1], MAP[0], 4), dtype=np.uint8)
    thumbs = _thumbnails(data, shown, side - 2 * FRAME, folder)
    for row, thumb in zip(shown, thumbs, strict=True):
        left, top = (places[row] - side / 2).astype(int)
        canvas[top : top + side, left : left + side] = [*(round(255 * c) for c in mpl.colors.to_rgb(colours[row])), 255]
        canvas[top + FRAME : top + side - FRAME, left + FRAME : left + side - FRAME, :3] = thumb
    figure, axes = _canvas_axes(bool(legend))
    hidden = np.setdiff1d(np.arange(len(places)), shown)
    x, y = places[hidden].T
    axes.scatter(x, y, s=5, c=[colours[row] for row in hidden], linewidths=0, alpha=0.7, zorder=1)
    axes.imshow(canvas, interpolation="nearest", zorder=2)
    axes.set_xlim(0, MAP[0])
    axes.set_ylim(MAP[1], 0)
    many = "all as thumbnails" if not len(hidden) else f"{len(shown):,} as thumbnails, the others as dots"
    count = f"{len(places):,} images, {many}" if len(places) > 1 else "1 image"
    axes.set_title(f"{data.name}: {count}", loc="left", fontsize=10)
    axes.set_xlabel(f"{how} 1", fontsize=9)
    axes.set_ylabel(f"{how} 2", fontsize=9)
    for name, colour in legend.items():
        axes.scatter([], [], marker="s", s=36, color=colour, label=_short(name))
    if legend:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=8, frameon=False, title="class")
    with atomic_write(path, "wb") as file:
        figure.savefig(file, format="png", dpi=DPI)
    return len(shown)


def free_places(places: Float[np.ndarray, "n 2"], side: int, order: np.ndarray) -> np.ndarray:
    """Squares that can be drawn without covering each other: each in turn, unless it would touch an earlier one.

    Args:
        places: centres of the squares, in pixels.
        side: of the squares.
        order: ``(n,)`` positions, the first is always drawn.

    Returns:
        Rising positions of those drawn.

    >>> free_places(np.array([[0.0, 0.0], [5.0, 5.0], [10.0, 0.0]]), 10, np.arange(3))
    array([0, 2])
    """
    cells = np.floor(places / side).astype(int)
    # of one cell only one square can be drawn: the first in the order stands for it
    first = np.sort(np.unique(cells[order], axis=0, return_index=True)[1])
    taken: dict[tuple[int, int], np.ndarray] = {}
    drawn = []
    for row in order[first]:
        column, line = cells[row]
        around = [taken.get((column + dx, line + dy)) for dx in (-1, 0, 1) for dy in (-1, 0, 1)]
        if any(other is not None and np.abs(other - places[row]).max() < side for other in around):
            continue
        taken[column, line] = places[row]
        drawn.append(int(row))
    return np.array(sorted(drawn), dtype=int)


@mpl.rc_context({"text.parse_math": False})
def contact_sheet(
    data: ImageSet,
    rows: Sequence[int],
    captions: Sequence[tuple[str, str]],
    path: Path,
    *,
    query: tuple[UInt8[Tensor, "3 h w"], str],
    folder: Path | None = None,
) -> None:
    """Draw an image and others in reading order as a PNG file.

    Args:
        data: the images.
        rows: positions of those to show, at least one.
        captions: name and remark for each.
        path: the file, replaced if it exists.
        query: the image that stands first, and its name; a file of that name is read for a sharper picture.
        folder: where the files of ``data`` are, likewise.

    Raises:
        OperationError: the file cannot be written.
    """
    columns = min(SHEET_COLUMNS, len(rows) + 1)
    lines = -(-(len(rows) + 1) // columns)
    figure = Figure(figsize=(1.75 * columns, 2.1 * lines), layout="constrained")
    axes = np.atleast_1d(figure.subplots(lines, columns)).ravel()
    own = _thumbnail(query[0], SHEET_SIDE, Path(query[1]))
    pictures = [own, *_thumbnails(data, rows, SHEET_SIDE, folder)]
    for place, picture, (name, remark) in zip(
        axes, pictures, [(query[1], "the image asked for"), *captions], strict=False
    ):
        place.imshow(picture)
        place.set_title(f"{_short(name)}\n{remark}", fontsize=7)
        for spine in place.spines.values():
            spine.set(color=PALETTE[5] if place is axes[0] else "#cccccc", linewidth=2.5 if place is axes[0] else 0.8)
    for place in axes:
        place.set_xticks([])
        place.set_yticks([])
    for place in axes[len(pictures) :]:
        place.axis("off")
    with atomic_write(path, "wb") as file:
        figure.savefig(file, format="png", dpi=DPI)


def _on_canvas(points: np.ndarray, side: int) -> np.ndarray:
    """Points in pixels, so that each square of that side lies within the map."""
    low, high = points.min(axis=0), points.max(axis=0)
    span = np.where(high > low, high - low, 1)
    share = np.where(high > low, (points - low) / span, 0.5)
    margin = side / 2 + 4
    x, y = share.T
    return np.column_stack([margin + x * (MAP[0] - 2 * margin), margin + (1 - y) * (MAP[1] - 2 * margin)])


def _class_colours(data: ImageSet) -> tuple[list[str], dict[str, str]]:
    """Colour of each image, and of each class for the legend."""
    codes = [-1] * len(data) if data.labels is None else data.labels.tolist()
    present = sorted({code for code in codes if code >= 0})
    if len(present) > len(COLOURS):
        present = []
    colour = {code: COLOURS[place] for place, code in enumerate(present)}
    return [colour.get(code, "#aaaaaa") for code in codes], {data.class_names[code]: c for code, c in colour.items()}


def _canvas_axes(legend: bool) -> tuple[Figure, "Axes"]:
    """Axes of exactly as many pixels as the map."""
    left, right, bottom, top = 40, 230 if legend else 16, 40, 44
    width, height = MAP[0] + left + right, MAP[1] + bottom + top
    figure = Figure(figsize=(width / DPI, height / DPI))
    axes = figure.add_axes((left / width, bottom / height, MAP[0] / width, MAP[1] / height))
    axes.set_xticks([])
    axes.set_yticks([])
    return figure, axes


def _thumbnails(data: ImageSet, rows: Sequence[int] | np.ndarray, side: int, folder: Path | None) -> list[np.ndarray]:
    files = [None if folder is None or not data.files else folder / data.files[row] for row in rows]
    return [_thumbnail(data.images[int(row)], side, file) for row, file in zip(rows, files, strict=True)]


def _thumbnail(image: Tensor, side: int, file: Path | None) -> np.ndarray:
    """A square of that side; from the file where that holds more pixels than the image in memory."""
    least = min(image.shape[1:])
    if least < side and file is not None and file.is_file() and min(image_shape(file)) > least:
        return read_image(file, side).permute(1, 2, 0).numpy()
    how = Image.Resampling.NEAREST if side >= 6 * least else Image.Resampling.LANCZOS  # large pixels stay pixels
    return np.asarray(Image.fromarray(image.permute(1, 2, 0).numpy()).resize((side, side), how))


def _short(name: str) -> str:
    """The end of a long name, which tells files apart."""
    return name if len(name) <= CAPTION else "…" + name[1 - CAPTION :]
