"""What all batch samplers share: batches from (seed, epoch), equal in all processes, each of which takes its share."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Sampler

from core.checks import check_at_least
from core.distributed import rank, world_size

__all__ = ["EpochBatchSampler", "check_divisible", "shuffle_within"]


class EpochBatchSampler(Sampler[list[int]], ABC):
    """Batches of positions for ``DataLoader(..., batch_sampler=...)``; a base for samplers that say what is in them.

    Every process makes the same global batches from ``(seed, epoch)`` and takes a contiguous part of each, in the order
    of the ranks: what is gathered again is the batch of one process. All processes so have equally many batches of
    equal size. Processes are counted when iteration begins, since an engine may start them after the sampler is made.

    Call ``set_epoch`` before each epoch, or every epoch has the same batches; `core.training.fit` and Lightning do it.
    ``state_dict`` in the middle of an epoch, loaded into an equal sampler, lets it go on with the next batch. Give the
    ``DataLoader`` a ``generator`` of its own where the method draws from torch's default one: whenever iteration begins
    the loader draws a seed for workers, even if it has none, and a resumed run begins once more.

    Args:
        seed: decides every draw, together with the epoch; 0 to 2^32 - 1.
        num_replicas: processes that share each batch; ``None`` asks `core.distributed.world_size`.
        rank: of this process; ``None`` asks `core.distributed.rank`.

    Raises:
        ValueError: a seed out of range, one of ``num_replicas`` and ``rank`` without the other, a rank out of range.
    """

    def __init__(self, *, seed: int, num_replicas: int | None, rank: int | None) -> None:
        if not 0 <= seed < 2**32:
            raise ValueError(f"seed must be in 0..4294967295, got {seed}")
        if (num_replicas is None) != (rank is None):
            raise ValueError(f"num_replicas and rank come together, got {num_replicas} and {rank}; leave out both")
        if num_replicas is not None and rank is not None:
            check_at_least("num_replicas", num_replicas, 1)
            if not 0 <= rank < num_replicas:
                raise ValueError(f"rank must be in 0..{num_replicas - 1}, got {rank}")
        self.seed = seed
        self.num_replicas = num_replicas
        self.rank = rank
        self._epoch = 0
        self._next = 0  # batch of the epoch that comes next: what has been handed out, or where a loaded state stood
        self._begin = 0  # where the next iteration begins

    @property
    def sampler(self) -> "EpochBatchSampler":
        """Itself: Lightning calls ``set_epoch`` on what a batch sampler names its sampler."""
        return self

    @property
    def epoch(self) -> int:
        """The epoch that the next iteration is."""
        return self._epoch

    def set_epoch(self, epoch: int) -> None:
        """Which epoch the next iteration is; the place in an epoch that a loaded state names is kept for that epoch.

        Raises:
            ValueError: below 0.
        """
        check_at_least("epoch", epoch, 0)
        if epoch != self._epoch:
            self._epoch, self._next, self._begin = epoch, 0, 0

    def state_dict(self, *, batches_done: int | None = None) -> dict[str, int]:
        """Where iteration stands, in numbers.

        Args:
            batches_done: batches of this epoch that were trained on. ``None`` takes those handed out, which is the same
                unless the loader has workers: they fetch ahead, so count the steps yourself.

        Returns:
            The epoch, the batch of it that comes next, and the seed; after the last batch the start of the next epoch.

        Raises:
            ValueError: more batches than an epoch has.
        """
        done = self._next if batches_done is None else batches_done
        if not 0 <= done <= len(self):
            raise ValueError(f"batches_done must be in 0..{len(self)}, the batches of an epoch, got {batches_done}")
        finished = done == len(self)
        return {"epoch": self._epoch + finished, "batch": 0 if finished else done, "seed": self.seed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a sampler with the same data and settings stood; the batches to come are exactly the same.

        Raises:
            ValueError: the state is that of another seed, or of a longer epoch.
        """
        if state["seed"] != self.seed:
            raise ValueError(f"the state was saved with seed {state['seed']}, but this sampler has seed {self.seed}")
        if not 0 <= state["batch"] < len(self):
            raise ValueError(
                f"the state stands at batch {state['batch']}, but an epoch here has {len(self)}; "
                "load it into a sampler with the same data and settings"
            )
        self._epoch, self._begin = state["epoch"], state["batch"]
        self._next = self._begin

    def __len__(self) -> int:
        return self._length(self._shares()[0])

    def __iter__(self) -> Iterator[list[int]]:
        # The epoch is read when iteration begins, not when the first batch is asked for.
        replicas, own = self._shares()
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + self._epoch) % 2**63)
        return self._shared_out(self._batches(generator, replicas), self._begin, self._epoch, replicas, own)

    def _shared_out(
        self, batches: Sequence[Tensor], begin: int, epoch: int, replicas: int, own: int
    ) -> Iterator[list[int]]:
        for number, batch in enumerate(batches[begin:], begin + 1):
            if epoch == self._epoch:
                # Not sooner: a loader with workers makes an iterator that it throws away.
                self._next, self._begin = number, 0
            share = len(batch) // replicas
            yield batch[own * share : (own + 1) * share].tolist()

    def _shares(self) -> tuple[int, int]:
        """Number of processes and this one's rank."""
        if self.num_replicas is None or self.rank is None:
            return world_size(), rank()
        return self.num_replicas, self.rank

    @abstractmethod
    def _length(self, replicas: int) -> int:
        """Batches in an epoch that so many processes share."""

    @abstractmethod
    def _batches(self, generator: torch.Generator, replicas: int) -> Sequence[Tensor]:
        """The global batches of an epoch; the size of each is a multiple of ``replicas``."""


def check_divisible(size: int, replicas: int, what: str) -> None:
    """Refuse a batch that cannot be dealt out evenly.

    Raises:
        ValueError: with the next sizes that can.
    """
    if size % replicas:
        lower = size // replicas * replicas
        nearest = f"{lower} or {lower + replicas}" if lower else str(replicas)
        raise ValueError(f"{what} is {size}, which {replicas} processes cannot share evenly; take {nearest}")


def shuffle_within(group: Tensor, generator: torch.Generator) -> Tensor:
    """Positions sorted by group, in random order within each group.

    Args:
        group: ``(n,)`` int64, any values.
        generator: source of the order.

    >>> shuffle_within(torch.tensor([1, 0, 1, 0]), torch.Generator().manual_seed(0))[:2].sort().values.tolist()
    [1, 3]
    """
    order = torch.randperm(len(group), generator=generator)
    return order[torch.sort(group[order], stable=True).indices]
