"""A linear classifier on frozen embeddings, trained with Adam on the whole training part at once."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from core.checks import check_at_least, check_embeddings, check_labels, check_positive
from core.progress import watched

__all__ = ["LinearProbe", "ProbeResult"]


@dataclass(frozen=True)
class ProbeResult:
    """Accuracies of a linear probe, in [0, 1].

    Attributes:
        last: test accuracy after the last epoch ("final" in GraphMAE's script).
        at_best_val: test accuracy at the epoch of the best validation accuracy ("early-stopping").
        best_epoch: that epoch, counted from 1; of several equal ones the latest.
        macro_f1: mean over classes of the F1 on the test part, after the last epoch.
        curve: validation accuracy of each epoch.
    """

    last: float
    at_best_val: float
    best_epoch: int
    macro_f1: float
    curve: tuple[float, ...]


class LinearProbe:
    """One ``nn.Linear`` on frozen rows.

    The protocol of GraphMAE (arXiv 2205.10803) and of most node-level papers: full-batch Adam with L2 inside,
    cross-entropy, no normalisation of the embeddings, both readings reported, ties in validation to the later epoch.

    Args:
        lr: learning rate, > 0.
        weight_decay: L2 coefficient, >= 0.
        epochs: full-batch steps, >= 1.
        normalise: scale rows to unit length first; off in GraphMAE's protocol.
        generator: of the initial weights; None takes torch's default one.

    Attributes:
        higher_is_better: True.
    """

    higher_is_better = True

    def __init__(
        self,
        *,
        lr: float = 0.01,
        weight_decay: float = 1e-4,
        epochs: int = 300,
        normalise: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        check_positive("lr", lr)
        check_at_least("epochs", epochs, 1)
        if weight_decay < 0:
            raise ValueError(f"weight_decay must be >= 0, got {weight_decay!r}")
        self.lr = lr
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.normalise = normalise
        self.generator = generator

    def fit(
        self,
        features: Float[Tensor, "n d"],
        labels: Int64[Tensor, " n"],
        *,
        train: Int64[Tensor, " a"],
        val: Int64[Tensor, " b"],
        test: Int64[Tensor, " c"],
    ) -> ProbeResult:
        """Train on the rows ``train``, choose on ``val``, report on ``test``.

        Args:
            features: embeddings of all rows.
            labels: class of each row; only rows of the three parts are read.
            train: positions to learn from, at least one.
            val: positions that choose the epoch, at least one.
            test: positions that are reported, at least one.

        Raises:
            ValueError: an empty part, or a label below 0 inside a part.
        """
        check_embeddings("features", features)
        check_labels(labels, len(features))
        for name, part in (("train", train), ("val", val), ("test", test)):
            check_at_least(f"the number of {name} rows", len(part), 1)
            if int(labels[part].min()) < 0:
                raise ValueError(f"{name} holds rows without a label (-1); leave them out")
        x = features.detach().float()
        x = normalize(x, dim=1) if self.normalise else x
        classes = int(torch.cat([labels[train], labels[val], labels[test]]).max()) + 1
        layer = self._start(x.shape[1], classes)
        optimizer = torch.optim.Adam(layer.parameters(), lr=self.lr, weight_decay=self.weight_decay)
        seen, truth = x[train], labels[train]
        held = torch.cat([x[val], x[test]])
        best, at_best, best_epoch, last = -1.0, 0.0, 0, 0.0
        curve = []
        guess = truth
        for epoch in watched(range(1, self.epochs + 1), "linear probe", self.epochs):
            optimizer.zero_grad()
            cross_entropy(layer(seen), truth).backward()
            optimizer.step()
            with torch.no_grad():
                guess = layer(held).argmax(1)
            val_accuracy = float((guess[: len(val)] == labels[val]).float().mean())
            last = float((guess[len(val) :] == labels[test]).float().mean())
            curve.append(val_accuracy)
            if val_accuracy >= best:
                best, at_best, best_epoch = val_accuracy, last, epoch
        macro = _macro_f1(guess[len(val) :], labels[test], classes)
        return ProbeResult(last, at_best, best_epoch, macro, tuple(curve))

    def _start(self, width: int, classes: int) -> nn.Linear:
        """The initial weights of ``nn.Linear``: uniform within 1 / sqrt(width)."""
        layer = nn.Linear(width, classes)
        bound = width**-0.5
        with torch.no_grad():
            layer.weight.uniform_(-bound, bound, generator=self.generator)
            layer.bias.uniform_(-bound, bound, generator=self.generator)
        return layer


def _macro_f1(guess: Tensor, truth: Tensor, classes: int) -> float:
    """Mean F1 over the classes that occur in either."""
    hit = torch.bincount(truth[guess == truth], minlength=classes)
    total = torch.bincount(truth, minlength=classes) + torch.bincount(guess, minlength=classes)
    present = total > 0
    return float((2 * hit[present] / total[present]).mean())
