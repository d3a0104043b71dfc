"""Batches that depend on the seed and the number of the epoch only, so that a resumed run sees the same ones."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from core.distributed import rank, world_size
from core.errors import UserError

__all__ = ["EpochLoader", "full_batch", "shuffled"]


class EpochLoader:
    """An iterable that makes each epoch from ``(seed, epoch)``.

    Args:
        batches: called with a generator seeded for the epoch; yields its batches.
        length: number of batches in an epoch, or a function that says it once the processes of the run are known.
        seed: of the run.
    """

    def __init__(
        self, batches: Callable[[torch.Generator], Iterable[Any]], length: int | Callable[[], int], seed: int
    ) -> None:
        self._batches = batches
        self._length = length
        self._seed = seed
        self._epoch = 0

    @property
    def sampler(self) -> "EpochLoader":
        """Itself: Lightning calls ``set_epoch`` on what a loader names its sampler."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Which epoch the next iteration is."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._length if isinstance(self._length, int) else self._length()

    def __iter__(self) -> Iterator[Any]:
        # The epoch is read when iteration begins, not when the first batch is asked for.
        generator = torch.Generator().manual_seed((self._seed * 1_000_003 + self._epoch) % 2**63)
        return iter(self._batches(generator))


def full_batch(data: Any) -> EpochLoader:
    """The same one batch in every epoch."""
    return EpochLoader(lambda _: [data], 1, 0)


def shuffled(
    count: int, batch_size: int, seed: int, select: Callable[[Tensor], Any], *, drop_last: bool = False
) -> EpochLoader:
    """Random mini-batches without replacement; the last one may be smaller.

    Several processes share each batch in parts of equal size, in the order of their ranks: a step sees the samples that
    it would see in one process. The few at the end of a batch that cannot be dealt out evenly are left out.

    Args:
        count: number of samples.
        batch_size: samples in a batch, of all processes together.
        seed: of the run.
        select: makes a batch from ``(b,)`` int64 positions.
        drop_last: leave out what does not fill a batch, other samples in each epoch; fewer samples than ``batch_size``
            still make one batch.

    Raises:
        UserError: more processes than samples in a batch (when iteration begins).
    """
    used = max(count // batch_size * batch_size, min(count, batch_size)) if drop_last else count

    def batches(generator: torch.Generator) -> Iterable[Any]:
        if batch_size < world_size():
            raise UserError(
                f"batch_size is {batch_size}, but {world_size()} processes share each batch; "
                "raise batch_size or start fewer processes"
            )
        order = torch.randperm(count, generator=generator)[:used]
        return (select(part) for part in map(_own_part, order.split(batch_size)) if len(part))

    def length() -> int:
        full, rest = divmod(used, batch_size)
        return full + (rest >= world_size())

    return EpochLoader(batches, length, seed)


def _own_part(batch: Tensor) -> Tensor:
    """This process's share of a batch."""
    size = len(batch) // world_size()
    return batch[rank() * size : (rank() + 1) * size]
