"""Where the pixels of a crop lie in the original image, and which pixels of two crops are the same place."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from core.checks import check_at_least, check_embeddings
from core.losses.normalisation import full_precision

__all__ = ["pixel_grid_centers", "positive_pixel_mask"]


def pixel_grid_centers(box: Float[Tensor, "n 4"], h: int, w: int) -> Float[Tensor, "n p 2"]:
    """Centres of the h w pixels of a feature map, in fractions of the original image.

    Xie et al. 2021 (PixPro), arXiv 2011.10043; pixel (row l, column k) of the crop (x1, y1, x2, y2)::

        x = x1 + (k + 0.5) (x2 - x1) / w        y = y1 + (l + 0.5) (y2 - y1) / h

    Boxes are signed: a crop that was flipped left to right has x1 > x2, one that was flipped upside down y1 > y2, and
    the formula puts each pixel where it came from. So swap the corners with the flip, and never sort them.

    Args:
        box: (x1, y1, x2, y2) of each crop. A crop of rows i .. i + a - 1 and columns j .. j + b - 1 out of A x B is
            (j / (B - 1), i / (A - 1), (j + b - 1) / (B - 1), (i + a - 1) / (A - 1)): the whole image is (0, 0, 1, 1).
        h: rows of the map, >= 1.
        w: columns of the map, >= 1.

    Shape:
        ``(n, 4)`` to ``(n, h w, 2)``, x before y, pixels row by row as ``maps.flatten(2)`` has them.

    Returns:
        The centres, in float32 or better.

    Raises:
        TypeError: integer boxes.
        ValueError: boxes that are not ``(n, 4)`` or not finite, a map without pixels.

    >>> pixel_grid_centers(torch.tensor([[1.0, 0.0, 0.0, 1.0]]), 1, 2).tolist()  # flipped: right before left
    [[[0.75, 0.5], [0.25, 0.5]]]
    """
    box = _checked(box, "box", h, w)
    x, y = _axes(box, h, w)
    return torch.stack(torch.broadcast_tensors(x[:, None, :], y[:, :, None]), dim=-1).flatten(1, 2)


@torch.no_grad()
def positive_pixel_mask(
    box_q: Float[Tensor, "n 4"], box_k: Float[Tensor, "n 4"], h: int, w: int, threshold: float = 0.7
) -> Bool[Tensor, "n p p"]:
    """Which pixels of two crops of one image lie at the same place, image by image.

    Xie et al. 2021, arXiv 2011.10043, the assignment A(i, j): pixel i of the one crop and pixel j of the other are
    positive if their centres are nearer than ``threshold`` diagonals of a pixel, of the larger of the two crops. The
    inequality is strict; widths and heights are fractions of the image's own, so a wide image is squeezed to a square.

    Args:
        box_q: signed boxes of the one crop of each image, as in `pixel_grid_centers`.
        box_k: signed boxes of the other.
        h: rows of both feature maps.
        w: columns of both feature maps.
        threshold: T > 0, in pixel diagonals; 0.7 in paper and code, just below the neighbour's 1 / sqrt(2).

    Shape:
        Output is ``(n, h w, h w)``: pixels of ``box_q`` by pixels of ``box_k``, each row by row.

    Returns:
        The mask, without gradient; all false where crops do not overlap.

    Raises:
        TypeError: integer boxes.
        ValueError: boxes that are not ``(n, 4)``, of different numbers or not finite, threshold <= 0, no pixels.

    Relations:
        The identity for equal boxes and T = 0.7; ``positive_pixel_mask(k, q)`` is its transpose.

    >>> whole = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    >>> positive_pixel_mask(whole, whole, 7, 7).sum().item()
    49
    """
    if not threshold > 0:
        raise ValueError(f"threshold must be > 0, got {threshold!r}; the paper takes 0.7 pixel diagonals")
    box_q, box_k = _checked(box_q, "box_q", h, w), _checked(box_k, "box_k", h, w)
    if len(box_q) != len(box_k):
        raise ValueError(f"box_q and box_k must hold one box for each image, got {len(box_q)} and {len(box_k)}")
    (x_q, y_q), (x_k, y_k) = _axes(box_q, h, w), _axes(box_k, h, w)
    across = (x_q[:, :, None] - x_k[:, None, :])[:, None, :, None, :]  # (n, 1, w, 1, w)
    down = (y_q[:, :, None] - y_k[:, None, :])[:, :, None, :, None]  # (n, h, 1, h, 1)
    distance = torch.hypot(across, down)  # (n, h, w, h, w)
    diagonal = torch.maximum(_diagonals(box_q, h, w), _diagonals(box_k, h, w))
    # not divided: a crop of one pixel has diagonal 0 and no positive, instead of 0 / 0
    return (distance < threshold * diagonal[:, None, None, None, None]).flatten(3, 4).flatten(1, 2)


def _checked(box: Tensor, name: str, h: int, w: int) -> Tensor:
    check_embeddings(name, box)
    check_at_least("h", h, 1)
    check_at_least("w", w, 1)
    if box.shape[1] != 4:
        raise ValueError(f"{name} must have shape (n, 4), x1, y1, x2, y2 of each crop, got {tuple(box.shape)}")
    if not bool(box.isfinite().all()):
        raise ValueError(f"{name} must be finite: x1, y1, x2, y2 as fractions of the image")
    return full_precision(box)


def _axes(box: Tensor, h: int, w: int) -> tuple[Tensor, Tensor]:
    """Places of the columns ``(n, w)`` and of the rows ``(n, h)``."""
    x1, y1, x2, y2 = box[:, :, None].unbind(1)
    columns = torch.arange(w, dtype=box.dtype, device=box.device) + 0.5
    rows = torch.arange(h, dtype=box.dtype, device=box.device) + 0.5
    return columns * ((x2 - x1) / w) + x1, rows * ((y2 - y1) / h) + y1


def _diagonals(box: Tensor, h: int, w: int) -> Tensor:
    return torch.hypot((box[:, 2] - box[:, 0]) / w, (box[:, 3] - box[:, 1]) / h)
