"""The tiles of a similarity matrix, one after the other in one buffer."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from core.similarity.exclusions import TileExclusions
from core.similarity.products import blocks, product_into

__all__ = ["LogitTiles", "relative_exp"]


class LogitTiles:
    """Cuts ``query @ key.T`` into tiles and keeps the excluded pairs out of their sums.

    Args:
        exclude: (n, e) columns left out in each row, -1 for none; or None.
        columns: number of keys.
        size: rows and columns of a tile; the last ones may be smaller.
        matmul_dtype: type in which the operands are multiplied.
    """

    def __init__(self, exclude: Tensor | None, columns: int, size: int, matmul_dtype: torch.dtype) -> None:
        self._excluded = TileExclusions(exclude, columns, size)
        self._size = size
        self._matmul_dtype = matmul_dtype

    def split(self, values: Tensor) -> list[Tensor]:
        """Views of the blocks of a tensor whose first dimension runs over rows or over keys."""
        return blocks(values, self._size)

    def operands(self, rows: Tensor) -> list[Tensor]:
        """The blocks of the rows in the type in which they are multiplied."""
        return self.split(rows.to(self._matmul_dtype))

    def logits(self, query: Tensor, key: Tensor, *, upper: bool = False) -> Iterator[tuple[int, int, Tensor, Tensor]]:
        """Yield i, j, the logits, excluded pairs included, and scratch of their shape; both are overwritten next.

        Args:
            query: (n, d).
            key: (m, d).
            upper: leave out the tiles below the diagonal.
        """
        keys = self.operands(key)
        buffer = query.new_empty(2, min(self._size, len(query)) * min(self._size, len(key)))
        for i, left in enumerate(self.operands(query)):
            for j in range(i if upper else 0, len(keys)):
                tile, scratch = buffer[:, : len(left) * len(keys[j])].view(2, len(left), len(keys[j]))
                product_into(tile, left, keys[j].T)
                yield i, j, tile, scratch

    def drop(self, weights: Tensor, i: int, j: int) -> Tensor:
        """Set the excluded pairs among the exponentials of tile (i, j) to 0; returns them."""
        self._excluded.fill(weights, i, j, 0.0)
        return weights

    def relative(self, logits: Tensor, high: Tensor, i: int, j: int, *, out: Tensor) -> Tensor:
        """``exp(logits - high)`` without the excluded pairs, into ``out``."""
        return self.drop(relative_exp(logits, high, out=out), i, j)

    def merge(
        self, high: Tensor, total: Tensor, logits: Tensor, i: int, j: int, *, weights: Tensor, dim: int
    ) -> Tensor:
        """Take tile (i, j) into the running maximum and sum of its rows (``dim=1``) or columns (``dim=0``), in place.

        Args:
            high: the maximum so far; starts at the lowest finite number, so that a tile without candidates adds 0.
            total: sum of exp(logit - high) so far.
            logits: the tile; its excluded pairs become -inf.
            i: row of the tile.
            j: column of the tile.
            weights: becomes exp(logit - new maximum).
            dim: dimension to sum over.

        Returns:
            What everything summed so far was multiplied by: exp(old maximum - new maximum).
        """
        self._excluded.fill(logits, i, j, -torch.inf)
        above = torch.maximum(high, logits.amax(dim))
        self.relative(logits, above.unsqueeze(dim), i, j, out=weights)
        fade = relative_exp(high, above, out=high.clone())
        total.mul_(fade).add_(weights.sum(dim))
        high.copy_(above)
        return fade


def relative_exp(logits: Tensor, high: Tensor, *, out: Tensor) -> Tensor:
    """``exp(logits - high)`` into ``out``, where ``high`` is not below the logits.

    Below 0.4 of the exponent's range (e^-35 in float32) the result stays there: a million such terms are 1e-9 beside
    the 1 that every sum holds, and denormal numbers, which processors take a hundred times longer to make and to
    multiply, are far. So the result is never 0: excluded pairs have to be set to 0 afterwards.
    """
    least = 0.4 * math.log(torch.finfo(out.dtype).tiny)
    return torch.sub(logits, high, out=out).clamp_(min=least).exp_()
