"""MoCo's queue: keys of earlier batches as negatives, first in, first out."""

import torch
from jaxtyping import Float
from torch import Tensor

from core.checks import check_at_least, check_embeddings
from core.lasting_state import LastingState
from core.losses.normalisation import unit_rows

__all__ = ["MemoryQueue"]


class MemoryQueue(LastingState):
    """The last ``size`` keys, without gradient.

    He et al. 2020 (MoCo), arXiv 1911.05722, section 3.2. It starts with random unit vectors, as the released code does;
    unlike that code it takes batches of any size. Use it before you feed it, so that keys are not their own negatives:
    ``loss(query, key, negatives=queue.tensor())``, then ``queue.update(key)``. Under several processes update with
    gathered keys, and all queues stay equal.

    Args:
        size: keys held, >= 1; MoCo takes 65536.
        dim: width of a key, >= 1.
        generator: draws the random start; ``None`` takes torch's default one.

    Raises:
        ValueError: a size or width below 1.

    >>> queue = MemoryQueue(4, 2, generator=torch.Generator().manual_seed(0))
    >>> queue.update(torch.ones(3, 2)); queue.filled, queue.tensor().shape
    (3, torch.Size([4, 2]))
    """

    rows: Tensor
    written: Tensor

    def __init__(self, size: int, dim: int, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        check_at_least("size", size, 1)
        check_at_least("dim", dim, 1)
        self.register_buffer("rows", unit_rows(torch.randn(size, dim, generator=generator)))
        self.register_buffer("written", torch.zeros((), dtype=torch.int64))

    @property
    def filled(self) -> int:
        """How many rows are real keys; the rest are still the random start."""
        return min(int(self.written), len(self.rows))

    def tensor(self) -> Float[Tensor, "size dim"]:
        """A copy of all rows, in no particular order: a loss may keep it for its backward while the queue moves on."""
        return self.rows.clone()

    @torch.no_grad()
    def update(self, keys: Float[Tensor, "n d"]) -> None:
        """Replace the oldest rows; a batch larger than the queue leaves its last rows.

        Args:
            keys: as they shall be compared; losses normalise what they read. Stored in float32. Rows that are not
                finite, from an encoder that diverged, are left out: each would spoil every loss until it rotates out.

        Raises:
            TypeError: integer keys.
            ValueError: another width.
        """
        check_embeddings("keys", keys)
        size, dim = self.rows.shape
        if keys.shape[1] != dim:
            raise ValueError(f"keys must have width {dim}, got shape {tuple(keys.shape)}")
        keys = keys[keys.isfinite().all(dim=1)]
        first = int(self.written) + max(0, len(keys) - size)
        kept = keys[-size:].to(self.rows)
        self.rows[(first + torch.arange(len(kept), device=self.rows.device)) % size] = kept
        self.written += len(keys)
