"""The images of a folder that are most similar to one image."""

import logging
from pathlib import Path

from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import normalize

from core.errors import UserError
from domains.vision.data.images import ImageSet
from domains.vision.data.read import read_image, read_images
from domains.vision.jobs import check_suffix, embed, label_names, load_model, names_of
from domains.vision.screen import print_table

__all__ = ["nearest", "neighbours_command"]

_log = logging.getLogger(__name__)


def nearest(
    query: Float[Tensor, " d"], rows: Float[Tensor, "n d"], k: int, *, own: int | None = None
) -> tuple[Int64[Tensor, " m"], Float[Tensor, " m"]]:
    """The rows most similar to one embedding by cosine, the earlier first where two are equal.

    Args:
        query: the embedding.
        rows: all others.
        k: how many, >= 1; all there are if they are fewer.
        own: position of the query among the rows, which is left out; None if it is not there.

    Returns:
        Their positions and their cosines, most similar first.

    >>> import torch
    >>> positions, cosines = nearest(torch.tensor([1.0, 0.0]), torch.tensor([[0.0, 1.0], [2.0, 0.0], [3.0, 3.0]]), 2)
    >>> positions.tolist(), [round(value, 3) for value in cosines.tolist()]
    ([1, 2], [1.0, 0.707])
    """
    cosine = normalize(rows, dim=1) @ normalize(query, dim=0)
    order = cosine.argsort(descending=True, stable=True)
    order = (order if own is None else order[order != own])[:k]
    return order, cosine[order]


def neighbours_command(
    image: str, *, model: str, in_: str, k: int = 5, plot: str | None = None, skip_broken: bool = False
) -> None:
    """List the images that are most similar to one image.

    Args:
        image: an image file; or the name of an image of the folder (its position where images have no names).
        model: folder of the trained model.
        in_: folder of images to look through, .npz, or catalogue name. The image itself is left out.
        k: how many, at least 1.
        plot: PNG file for a sheet of the image and its neighbours.
        skip_broken: leave out images of the folder that cannot be read, and name them.
    """
    if k < 1:
        raise UserError(f"--k must be at least 1, got {k}")
    if plot is not None:
        check_suffix("--plot", plot, (".png",))
    method = load_model(model)
    data = read_images(in_, size=method.size, skip_broken=skip_broken)
    own = _position(image, data, Path(in_))
    if own is None and not Path(image).is_file():
        names = names_of(data)
        raise UserError(
            f"{image} is neither a file nor one of the {len(data)} images of {in_}, whose names look like {names[0]}"
        )
    others = len(data) - (own is not None)
    if not others:
        raise UserError(f"{in_} holds no other image than {image}; give a folder with more images")
    if k > others:
        _log.info("%s has %d other images, fewer than --k %d: all are listed", in_, others, k)
    query = data.images[own] if own is not None else read_image(image, method.size)
    found, cosine = nearest(embed(query[None], method)[0], embed(data, method), k, own=own)
    names, labels = names_of(data), label_names(data)
    header = ("file" if data.files else "image", "cosine", *(["label"] if data.labels is not None else []))
    rows = [(names[i], f"{c:.4f}", labels[i] or "") for i, c in zip(found.tolist(), cosine.tolist(), strict=True)]
    print_table(header, [row[: len(header)] for row in rows], f"most similar to {image}")
    if plot is not None:
        from domains.vision.pictures import contact_sheet

        captions = [(name, f"cosine {value}" + (f", {label}" if label else "")) for name, value, label in rows]
        contact_sheet(data, found.tolist(), captions, Path(plot), query=(query, image), folder=Path(in_))
        print(plot)


def _position(image: str, data: ImageSet, folder: Path) -> int | None:
    """Where the image stands in the set; None if it is a file that is not in it."""
    path = Path(image)
    if not path.is_file():
        place = {name: row for row, name in enumerate(names_of(data))}
        return place.get(path.as_posix())
    real = path.resolve()
    for row, name in enumerate(data.files):
        inside = folder / name
        if (inside.name == real.name or inside.is_symlink()) and inside.resolve() == real:
            return row
    return None
