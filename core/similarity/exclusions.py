"""Excluded pairs, grouped by the tile that they fall into."""

import torch
from torch import Tensor

__all__ = ["TileExclusions", "is_symmetric"]


class TileExclusions:
    """Overwrites excluded pairs in tiles, each pair in the one tile where it falls.

    The pairs are sorted by tile once, so a tile without pairs costs nothing and one with pairs a single indexed fill.

    Args:
        exclude: (n, e) column indices in -1 .. columns - 1, -1 for none; or None.
        columns: number of keys, m.
        tile: rows and columns of a tile; the last ones may be smaller.
    """

    def __init__(self, exclude: Tensor | None, columns: int, tile: int) -> None:
        self._ends: list[int] = []
        if exclude is None:
            return
        self._across = -(-columns // tile)
        row, slot = torch.nonzero(exclude >= 0, as_tuple=True)
        column = exclude[row, slot]
        down, right = row // tile, column // tile
        width = (columns - right * tile).clamp(max=tile)
        place, order = torch.sort(down * self._across + right)
        self._inside = ((row % tile) * width + column % tile)[order]
        tiles = -(-len(exclude) // tile) * self._across
        self._ends = [0, *torch.bincount(place, minlength=tiles).cumsum(0).tolist()]

    def fill(self, tile: Tensor, down: int, right: int, value: float) -> None:
        """Overwrite the excluded entries of tile (``down``, ``right``), a contiguous tensor."""
        if not self._ends:
            return
        place = down * self._across + right
        first, last = self._ends[place : place + 2]
        if first < last:
            tile.view(-1).index_fill_(0, self._inside[first:last], value)


def is_symmetric(exclude: Tensor) -> bool:
    """Whether row j excludes i wherever row i excludes j; indices address the rows themselves."""
    mutual = (exclude[exclude.clamp(min=0)] == torch.arange(len(exclude), device=exclude.device)[:, None, None]).any(2)
    return bool((mutual | (exclude < 0)).all())
