"""P classes with K samples each: batches in which every anchor has positives."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from jaxtyping import Int64
from torch import Tensor

from core.caller import warn_caller
from core.checks import check_at_least, check_choice, check_labels
from core.samplers.class_draws import Classes, decks
from core.samplers.epoch_batches import EpochBatchSampler, check_divisible

__all__ = ["PKBatchSampler"]

SmallClasses = Literal["drop", "repeat"]


class PKBatchSampler(EpochBatchSampler):
    """Batches of ``classes_per_batch`` classes with ``samples_per_class`` samples each.

    Hermans et al. 2017, arXiv 1703.07737, section 2: what batch-hard triplets need, and any loss whose positives are
    rows of one class. Classes come equally often, whatever their size; all are used before one comes again, up to the
    few that are no full batch, and so are the samples of a class. A batch is ordered class by class, so that each of
    several processes holds whole classes where their number divides ``classes_per_batch``.

    Args:
        labels: class of each sample of the data set, any integers.
        classes_per_batch: P >= 1; losses with negatives need 2.
        samples_per_class: K >= 1; losses with positives in the batch need 2.
        batches_per_epoch: length of an epoch; ``None`` takes the samples divided by the batch, at least 1.
        small_classes: classes with fewer than K samples are left out ("drop"), with a warning that says how many
            samples they are, or go through their samples again ("repeat"): then a batch holds a sample twice.
        seed: with the epoch, decides all draws.
        num_replicas: processes that share each batch of P K; see `EpochBatchSampler`.
        rank: of this process.

    Raises:
        TypeError: labels that are not int64.
        ValueError: counts below 1, fewer classes than a batch needs, or, when iteration begins, a batch that the
            processes cannot share evenly.

    >>> sampler = PKBatchSampler(torch.tensor([0, 0, 0, 1, 1, 2, 2]), classes_per_batch=2, samples_per_class=2)
    >>> len(sampler), [len(batch) for batch in sampler]
    (1, [4])
    """

    def __init__(
        self,
        labels: Int64[Tensor, " m"],
        *,
        classes_per_batch: int,
        samples_per_class: int,
        batches_per_epoch: int | None = None,
        small_classes: SmallClasses = "drop",
        seed: int = 0,
        num_replicas: int | None = None,
        rank: int | None = None,
    ) -> None:
        super().__init__(seed=seed, num_replicas=num_replicas, rank=rank)
        labels = torch.as_tensor(labels)  # data sets keep lists and arrays
        check_labels(labels, labels.numel())
        check_at_least("classes_per_batch", classes_per_batch, 1)
        check_at_least("samples_per_class", samples_per_class, 1)
        check_choice("small_classes", small_classes, get_args(SmallClasses))
        classes = Classes.of(labels.cpu())
        enough = classes.sizes >= samples_per_class
        if small_classes == "repeat":
            enough = torch.ones_like(enough)
        if int(enough.sum()) < classes_per_batch:
            raise ValueError(
                f"classes_per_batch is {classes_per_batch}, but only {int(enough.sum())} of {len(enough)} classes have "
                f"{samples_per_class} samples; take fewer classes or samples per batch"
                + ("" if small_classes == "repeat" else ", or small_classes='repeat'")
            )
        lost = int(classes.sizes[~enough].sum())
        if lost:
            warn_caller(
                f"{int((~enough).sum())} of {len(enough)} classes have fewer than {samples_per_class} samples: "
                f"{lost} of {len(labels)} samples ({lost / len(labels):.1%}) are never drawn; "
                "pass small_classes='repeat' or a smaller samples_per_class"
            )
        self.classes_per_batch = classes_per_batch
        self.samples_per_class = samples_per_class
        self._classes = classes
        self._usable = enough.nonzero()[:, 0]
        size = classes_per_batch * samples_per_class
        if batches_per_epoch is None:
            batches_per_epoch = max(1, (len(labels) - lost) // size)
        check_at_least("batches_per_epoch", batches_per_epoch, 1)
        self.batches_per_epoch = batches_per_epoch

    def _length(self, replicas: int) -> int:
        return self.batches_per_epoch

    def _batches(self, generator: torch.Generator, replicas: int) -> Sequence[Tensor]:
        size = self.classes_per_batch * self.samples_per_class
        check_divisible(size, replicas, "classes_per_batch * samples_per_class")
        count = len(self._usable)
        per_deck = count // self.classes_per_batch  # batches of distinct classes from one shuffle of all
        shuffles = -(-self.batches_per_epoch // per_deck)
        order, _ = decks(torch.full((shuffles,), count), generator)
        dealt = order.view(shuffles, count)[:, : per_deck * self.classes_per_batch].flatten()
        chosen = self._usable[dealt[: self.batches_per_epoch * self.classes_per_batch]]
        counts = torch.full_like(chosen, self.samples_per_class)
        batches: Sequence[Tensor] = self._classes.draw(chosen, counts, generator).split(size)
        return batches
