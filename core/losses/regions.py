"""The few places of a feature map that are compared locally: where they are, which are near, and their windows."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from core.checks import check_at_least
from core.losses.maps import check_maps

__all__ = ["check_regions", "near_regions", "region_corners", "region_windows"]

GRID = tuple((u, v) for u in (0, 2, 4) for v in (0, 2, 4))
BETWEEN = ((1, 1), (1, 3), (3, 1), (3, 3))
"""Places in quarters of the way across the map: a 3 x 3 grid, and the middles of its cells."""
COUNTS = (len(GRID), len(GRID + BETWEEN))


def check_regions(num_regions: int, num_negatives: int | None = None) -> None:
    """Refuse another number of regions than 9 or 13, and more near negatives than there are other regions.

    Raises:
        ValueError: with the name, what is allowed and what came.
    """
    if num_regions not in COUNTS:
        raise ValueError(f"num_regions must be 9 (a 3 x 3 grid) or 13 (with the middles), got {num_regions!r}")
    if num_negatives is not None and not 1 <= num_negatives < num_regions:
        raise ValueError(
            f"num_negatives must be from 1 to {num_regions - 1}, the other regions, got {num_negatives!r}; "
            "the released code takes 5, or 4"
        )


def region_corners(h: int, w: int, *, num_regions: int = 13, window: int = 3) -> Int64[Tensor, "r 2"]:
    """Top left corners (row, column) of the windows on an h x w map.

    Chaitanya et al. 2020, arXiv 2006.10511. With m = side - window - 1, as in the released code, the corners of a 3 x 3
    grid are at 0, m // 2 and m, and four more at m // 4 and 3 m // 4. On a side of window + 4, where this would put two
    regions on one place, m is 4.

    Args:
        h: rows of the map.
        w: columns of the map.
        num_regions: 13, or 9 for the grid alone.
        window: side of a window, in pixels of the map.

    Raises:
        ValueError: a map smaller than window + 4, another number of regions, a window below 1.

    >>> region_corners(48, 48, num_regions=9)[:, 1].tolist()
    [0, 22, 44, 0, 22, 44, 0, 22, 44]
    """
    check_regions(num_regions)
    check_at_least("window", window, 1)
    if min(h, w) < window + 4:
        raise ValueError(
            f"maps must be at least {window + 4} x {window + 4} for a window of {window}, got {h} x {w}; "
            "take the features of a later decoder block, or a smaller window"
        )
    places = torch.tensor((GRID + BETWEEN)[:num_regions])
    reach = torch.tensor([max(side - window - 1, 4) for side in (h, w)])
    return places * reach // 4


def near_regions(num_regions: int = 13, num_negatives: int = 5) -> Int64[Tensor, "r k"]:
    """For each region the nearest other ones, ties by index, whatever the size of the map.

    The authors list the near regions of each by hand, and differ from this in a few entries.

    Args:
        num_regions: 13 or 9.
        num_negatives: k, neighbours of each, 1 to ``num_regions - 1``.

    Raises:
        ValueError: other numbers.

    >>> near_regions()[0].tolist()  # of the corner: the middle of its cell, the edges, the centre, a farther middle
    [9, 1, 3, 4, 10]
    """
    check_regions(num_regions, num_negatives)
    places = torch.tensor((GRID + BETWEEN)[:num_regions])
    squared = (places[:, None] - places[None]).square().sum(dim=2).fill_diagonal_(2**30)
    return squared.argsort(dim=1, stable=True)[:, :num_negatives]


def region_windows(maps: Float[Tensor, "n c h w"], *, num_regions: int = 13, window: int = 3) -> Float[Tensor, "n r f"]:
    """The windows at `region_corners`, each flattened to c * window * window numbers, channel by channel.

    Raises:
        TypeError: not floating maps.
        ValueError: maps that are not ``(n, c, h, w)`` or too small, another number of regions.

    >>> region_windows(torch.ones(2, 3, 8, 8)).shape
    torch.Size([2, 13, 27])
    """
    check_maps("maps", maps)
    corners = region_corners(maps.shape[2], maps.shape[3], num_regions=num_regions, window=window).to(maps.device)
    step = torch.arange(window, device=maps.device)
    rows = (corners[:, 0, None] + step)[:, :, None]  # (r, window, 1)
    columns = (corners[:, 1, None] + step)[:, None, :]
    return maps[:, :, rows, columns].transpose(1, 2).flatten(2)  # from (n, c, r, window, window)
