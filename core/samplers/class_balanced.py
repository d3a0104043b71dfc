"""Batches in which rare classes come as often as frequent ones, or nearly so."""

from collections.abc import Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

from core.checks import check_at_least, check_labels
from core.samplers.class_draws import Classes
from core.samplers.epoch_batches import EpochBatchSampler, check_divisible

__all__ = ["ClassBalancedBatchSampler"]

BLOCK = 1 << 22
"""Random numbers held at once while classes are put in order for some batches."""


class ClassBalancedBatchSampler(EpochBatchSampler):
    """Batches whose classes come in proportion to n_c^q, n_c the number of samples of class c.

    The family is that of Kang et al. 2020, arXiv 1910.09217: q = 0 is class-balanced, q = 1/2 square-root, q = 1 plain
    sampling. They draw sample by sample; here a batch holds each class as often as its share says, rounded down or up
    at random, which has the same mean and less spread. Samples of a class are all used before one comes again, up to
    the few that are no full hand; a batch repeats a sample only where the class has too few.

    Args:
        labels: class of each sample of the data set, any integers.
        batch_size: samples in a batch, of all processes together.
        q: exponent in [0, 1].
        batches_per_epoch: length of an epoch; ``None`` takes the samples divided by the batch, at least 1.
        seed: with the epoch, decides all draws.
        num_replicas: processes that share each batch; see `EpochBatchSampler`.
        rank: of this process.

    Raises:
        TypeError: labels that are not int64.
        ValueError: no labels, counts below 1, q out of range, or, when iteration begins, a batch that the processes
            cannot share evenly.

    Relations:
        `PKBatchSampler` takes few classes with several samples each, where there are more classes than a batch holds.

    >>> sampler = ClassBalancedBatchSampler(torch.tensor([0] * 9 + [1] * 3), batch_size=6)
    >>> [sum(position >= 9 for position in batch) for batch in sampler]
    [3, 3]
    """

    def __init__(
        self,
        labels: Int64[Tensor, " m"],
        batch_size: int,
        *,
        q: float = 0.0,
        batches_per_epoch: int | None = None,
        seed: int = 0,
        num_replicas: int | None = None,
        rank: int | None = None,
    ) -> None:
        super().__init__(seed=seed, num_replicas=num_replicas, rank=rank)
        labels = torch.as_tensor(labels)  # data sets keep lists and arrays
        check_labels(labels, labels.numel())
        check_at_least("the number of labels", len(labels), 1)
        check_at_least("batch_size", batch_size, 1)
        if not 0 <= q <= 1:
            raise ValueError(f"q must be in [0, 1], from class-balanced to plain sampling, got {q!r}")
        if batches_per_epoch is None:
            batches_per_epoch = max(1, len(labels) // batch_size)
        check_at_least("batches_per_epoch", batches_per_epoch, 1)
        self.batch_size = batch_size
        self.batches_per_epoch = batches_per_epoch
        self.q = q
        self._classes = Classes.of(labels.cpu())
        weights = self._classes.sizes.double() ** q
        self._expected = batch_size * weights / weights.sum()

    def _length(self, replicas: int) -> int:
        return self.batches_per_epoch

    def _batches(self, generator: torch.Generator, replicas: int) -> Sequence[Tensor]:
        check_divisible(self.batch_size, replicas, "batch_size")
        step = max(1, BLOCK // len(self._expected))
        parts = [
            self._classes_of_batches(min(step, self.batches_per_epoch - start), generator)
            for start in range(0, self.batches_per_epoch, step)
        ]
        classes = torch.cat(parts)  # (batches, size), sorted in each row
        count = len(self._expected)
        batch = torch.arange(len(classes))[:, None]
        hands, counts = torch.unique_consecutive((batch * count + classes).flatten(), return_counts=True)
        drawn = self._classes.draw(hands % count, counts, generator).view(classes.shape)
        mixed = torch.rand(classes.shape, generator=generator).argsort(dim=1)
        return drawn.gather(1, mixed).unbind()

    def _classes_of_batches(self, batches: int, generator: torch.Generator) -> Tensor:
        """Systematic sampling: a comb of step 1 over the expected counts, which each batch lines up in its own order.

        Returns:
            ``(batches, size)`` classes, sorted in each row.
        """
        order = torch.rand(batches, len(self._expected), generator=generator).argsort(dim=1)
        ends = self._expected[order].cumsum(dim=1)
        comb = torch.rand(batches, 1, generator=generator, dtype=torch.float64) + torch.arange(self.batch_size)
        place = torch.searchsorted(ends, comb, right=True).clamp(max=len(self._expected) - 1)
        return order.gather(1, place).sort(dim=1).values
