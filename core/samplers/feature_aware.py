"""Batches from one group at a time: negatives that the encoders before could not tell apart."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from jaxtyping import Int64
from torch import Tensor

from core.caller import warn_caller
from core.checks import check_at_least, check_choice, check_labels
from core.samplers.epoch_batches import EpochBatchSampler, check_divisible, shuffle_within

__all__ = ["FeatureAwareBatchSampler"]

SmallGroups = Literal["drop", "merge", "smaller_batch"]
Order = Literal["round_robin", "shuffled"]


class FeatureAwareBatchSampler(EpochBatchSampler):
    """Batches without replacement, each from a single group of samples.

    Zhang et al. 2024 (MCL), arXiv 2402.11816: groups are the joint clusters of all earlier stages, so that all
    negatives of an anchor share with it what those stages have learnt, and something else must be learnt to tell them
    apart. Any other grouping will do: hospitals, shops, languages. Under several processes all take their share of the
    same group at the same step, because their rows are gathered as negatives.

    Args:
        labels: group of each sample of the data set, any integers; `joint_labels` makes them.
        batch_size: samples in a batch, of all processes together, >= 2.
        drop_last: leave out the rest of a group that is no full batch, another one in each epoch; if false it is a
            batch of its own, of 2 samples or more.
        small_groups: groups with fewer samples than a batch are never seen ("drop", as in the released code), with a
            warning that says how many samples they are; or joined with the next ones in the order of labels until they
            fill a batch ("merge"), which for joint labels are those that differ in the latest stage; or a batch each
            ("smaller_batch"), except for single samples.
        order: "round_robin" takes a batch from every group in turn, in an order drawn for the epoch, and passes over
            those that are used up, so the end of an epoch sees large groups only; "shuffled" draws all batches in
            random order.
        seed: with the epoch, decides all draws.
        num_replicas: processes that share each batch; see `EpochBatchSampler`. They leave out what is left of a
            smaller batch when it has been dealt out evenly.
        rank: of this process.

    Attributes:
        groups: ``(m,)`` int64, the group of each sample after merging, 0..G-1, or -1 where it is never seen.

    Raises:
        TypeError: labels that are not int64.
        ValueError: no group reaches ``batch_size``, a batch below 2, another word, or, when iteration begins, a batch
            that the processes cannot share evenly.

    Relations:
        With one group and ``drop_last=False``, the batches of `core.training.shuffled` with the same seed.

    >>> sampler = FeatureAwareBatchSampler(torch.tensor([0, 1, 0, 1, 1]), batch_size=2)
    >>> sorted(sorted(batch) for batch in sampler)[0]
    [0, 2]
    """

    def __init__(
        self,
        labels: Int64[Tensor, " m"],
        batch_size: int,
        *,
        drop_last: bool = True,
        small_groups: SmallGroups = "drop",
        order: Order = "round_robin",
        seed: int = 0,
        num_replicas: int | None = None,
        rank: int | None = None,
    ) -> None:
        super().__init__(seed=seed, num_replicas=num_replicas, rank=rank)
        labels = torch.as_tensor(labels)  # data sets keep lists and arrays
        check_labels(labels, labels.numel())
        check_at_least("batch_size", batch_size, 2, "the negatives of a row are the other rows")
        check_choice("small_groups", small_groups, get_args(SmallGroups))
        check_choice("order", order, get_args(Order))
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.small_groups: SmallGroups = small_groups
        self.order: Order = order
        self.groups = self._grouped(labels.cpu())
        self._seen = (self.groups >= 0).nonzero()[:, 0]
        self._sizes = torch.bincount(self.groups[self._seen])

    def _grouped(self, labels: Tensor) -> Tensor:
        _, group, sizes = torch.unique(labels, return_inverse=True, return_counts=True)
        new = torch.arange(len(sizes))
        least = 2 if self.small_groups == "smaller_batch" else self.batch_size
        if self.small_groups == "merge":
            new = _merged(sizes, self.batch_size)
            sizes = torch.zeros_like(sizes).index_add_(0, new, sizes)[new]
        kept = sizes >= least
        if not kept.any():
            largest = int(sizes.max()) if len(sizes) else 0
            raise ValueError(
                f"no group reaches {least} samples: {len(labels)} samples in {len(sizes)} groups, the largest of "
                f"{largest}; take fewer clusters, a smaller batch_size, or small_groups='merge'"
            )
        groups = torch.where(kept, new, -1)[group]
        lost = int((groups < 0).sum())
        if lost:
            warn_caller(
                f"{int((~kept).sum())} of {len(kept)} groups are smaller than {least}: {lost} of {len(labels)} samples "
                f"({lost / len(labels):.1%}) are never seen; take fewer clusters, a smaller batch_size, or "
                "small_groups='merge'"
            )
        values, renumbered = torch.unique(groups, return_inverse=True)
        return torch.sub(renumbered, int(values[0] < 0))

    def _length(self, replicas: int) -> int:
        return int((self._sizes // self.batch_size).sum()) + int((self._rests(replicas) > 0).sum())

    def _rests(self, replicas: int) -> Tensor:
        """Samples in the smaller batch that ends each group, 0 where there is none."""
        rest = self._sizes % self.batch_size
        rest = rest - rest % replicas
        wanted = (rest >= 2 * replicas) & ((self._sizes < self.batch_size) | (not self.drop_last))
        return torch.where(wanted, rest, 0)

    def _batches(self, generator: torch.Generator, replicas: int) -> Sequence[Tensor]:
        check_divisible(self.batch_size, replicas, "batch_size")
        positions = self._seen[shuffle_within(self.groups[self._seen], generator)]
        full, rests = self._sizes // self.batch_size, self._rests(replicas)
        count = full + (rests > 0)
        group = torch.arange(len(count)).repeat_interleave(count)
        turn = torch.arange(len(group)) - (count.cumsum(0) - count)[group]  # which batch of its group
        begin = (self._sizes.cumsum(0) - self._sizes)[group] + turn * self.batch_size
        size = torch.where(turn < full[group], self.batch_size, rests[group])
        if self.order == "shuffled":
            sequence = torch.randperm(len(group), generator=generator)
        else:
            place = torch.randperm(len(count), generator=generator)
            sequence = torch.sort(turn * len(count) + place[group]).indices
        stretches = zip(begin[sequence].tolist(), size[sequence].tolist(), strict=True)
        return [positions[start : start + length] for start, length in stretches]


def _merged(sizes: Tensor, batch_size: int) -> Tensor:
    """For each group the one that it joins: itself, or the first of the small ones that fill a batch together.

    What does not fill the last batch joins the small groups before, or the smallest of the others.
    """
    new = torch.arange(len(sizes))
    host, held, hosts = -1, 0, []
    for small in (sizes < batch_size).nonzero()[:, 0].tolist():
        if held == 0:
            host = small
        new[small] = host
        held += int(sizes[small])
        if held >= batch_size:
            hosts.append(host)
            held = 0
    if held:
        others = (sizes >= batch_size).nonzero()[:, 0]
        if hosts:
            new[new == host] = hosts[-1]
        elif len(others):
            new[new == host] = others[sizes[others].argmin()]
    return new
