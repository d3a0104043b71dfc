"""Batches that depend on the seed and the number of the epoch only, so that a resumed run sees the same ones."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch

__all__ = ["EpochLoader", "full_batch", "shuffled"]


class EpochLoader:
    """An iterable that makes each epoch from ``(seed, epoch)``.

    Args:
        batches: called with a generator seeded for the epoch; yields its batches.
        length: number of batches in an epoch.
        seed: of the run.
    """

    def __init__(self, batches: Callable[[torch.Generator], Iterable[Any]], length: int, seed: int) -> None:
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
        return self._length

    def __iter__(self) -> Iterator[Any]:
        # The epoch is read when iteration begins, not when the first batch is asked for.
        generator = torch.Generator().manual_seed((self._seed * 1_000_003 + self._epoch) % 2**63)
        return iter(self._batches(generator))


def full_batch(data: Any) -> EpochLoader:
    """The same one batch in every epoch."""
    return EpochLoader(lambda _: [data], 1, 0)


def shuffled(count: int, batch_size: int, seed: int, select: Callable[[torch.Tensor], Any]) -> EpochLoader:
    """Random mini-batches without replacement; the last one may be smaller.

    Args:
        count: number of samples.
        batch_size: samples in a batch.
        seed: of the run.
        select: makes a batch from ``(b,)`` int64 positions.
    """

    def batches(generator: torch.Generator) -> Iterable[Any]:
        order = torch.randperm(count, generator=generator)
        return (select(part) for part in order.split(batch_size))

    return EpochLoader(batches, (count + batch_size - 1) // batch_size, seed)
