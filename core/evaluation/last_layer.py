"""Deep feature reweighting: only the last layer is learnt again, on rows in which all groups are equally many."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from core.checks import check_at_least, check_embeddings, check_labels, check_positive

__all__ = ["LastLayerResult", "dfr"]


@dataclass(frozen=True)
class LastLayerResult:
    """Test accuracies in [0, 1].

    Attributes:
        worst: accuracy of the worst group.
        average: mean over groups, each weighted with its share of ``train_groups`` (or of the test rows).
        groups: accuracy of each group that the test part holds.
        c: the inverse strength that was chosen.
    """

    worst: float
    average: float
    groups: dict[int, float]
    c: float


def dfr(
    features: Float[Tensor, "n d"],
    labels: Int64[Tensor, " n"],
    groups: Int64[Tensor, " n"],
    *,
    held_out: Int64[Tensor, " a"],
    val: Int64[Tensor, " b"],
    test: Int64[Tensor, " c"],
    train_groups: Int64[Tensor, " m"] | None = None,
    grid: Sequence[float] = (1e-3, 1e-2, 1e-1, 1.0, 10.0),
    repeats: int = 10,
    generator: torch.Generator | None = None,
) -> LastLayerResult:
    """Retrain the last layer on group-balanced held-out rows and report the worst group.

    Kirichenko et al. 2022, arXiv 2204.02937; it shows what frozen features hold of a class when nothing in the last
    layer favours a spurious cue. Features are standardised on the held-out rows; for each C a logistic regression (L2)
    is fitted to ``repeats`` random subsets with equally many rows of each group, and the mean of the coefficients is
    the layer. C is chosen by the worst group of ``val``; ties go to the stronger regularisation.

    Args:
        features: frozen embeddings of all rows, before or after a head.
        labels: class of each row; at least two classes in ``held_out``.
        groups: group of each row, for instance class and background together.
        held_out: positions to learn from, which the encoder should not have been trained on.
        val: positions that choose C.
        test: positions that are reported.
        train_groups: groups of the encoder's training rows, whose shares weigh the average accuracy; None takes the
            test rows. It must hold every group of ``test``.
        grid: values of C (inverse strength) to try, > 0.
        repeats: balanced subsets, >= 1.
        generator: draws the subsets; None takes torch's default one.

    Raises:
        TypeError: integer features, labels or groups that are not int64.
        ValueError: an empty part or grid, one class only, a test group that ``train_groups`` does not hold.

    >>> x, y = torch.tensor([[-1.0], [1.0]]).repeat(4, 1), torch.tensor([0, 1]).repeat(4)
    >>> part = torch.arange(8)
    >>> dfr(x, y, y, held_out=part, val=part, test=part, repeats=1).worst
    1.0
    """
    check_embeddings("features", features)
    check_labels(labels, len(features))
    _check_groups(groups, len(features))
    for name, part in (("held_out", held_out), ("val", val), ("test", test), ("grid", grid)):
        check_at_least(f"the length of {name}", len(part), 1)
    check_at_least("repeats", repeats, 1)
    for c in grid:
        check_positive("each value of grid", c)
    classes = torch.unique(labels[held_out])
    check_at_least("the number of classes in held_out", len(classes), 2)
    shares = _shares(groups[test] if train_groups is None else train_groups)
    unknown = sorted(set(groups[test].tolist()) - shares.keys())
    if unknown:
        raise ValueError(f"train_groups must hold every group of test, and lacks {unknown}")

    scaler = StandardScaler().fit(_array(features, held_out))
    rows = {name: scaler.transform(_array(features, part)) for name, part in (("val", val), ("test", test))}
    subsets = [_balanced(groups[held_out], generator) for _ in range(repeats)]
    learnt = [(scaler.transform(_array(features, held_out[s])), labels[held_out[s]].numpy()) for s in subsets]
    best, chosen, guess = -1.0, 0.0, np.empty(0)
    for c in sorted(grid):
        weight, bias = _mean_layer(learnt, c)
        at_val = min(_by_group(_predict(rows["val"], weight, bias, classes), labels[val], groups[val]).values())
        if at_val > best:
            best, chosen = at_val, c
            guess = _predict(rows["test"], weight, bias, classes)
    accuracy = _by_group(guess, labels[test], groups[test])
    total = sum(shares[g] for g in accuracy)
    average = sum(shares[g] * value for g, value in accuracy.items()) / total
    return LastLayerResult(min(accuracy.values()), average, accuracy, chosen)


def _check_groups(groups: Tensor, count: int) -> None:
    if groups.dtype != torch.int64:
        raise TypeError(f"groups must be int64, got {groups.dtype}; convert them with .long()")
    if groups.shape != (count,):
        raise ValueError(f"groups must have shape ({count},), one per row, got {tuple(groups.shape)}")


def _array(features: Tensor, part: Tensor) -> np.ndarray:
    rows: np.ndarray = features.detach()[part].double().numpy()
    return rows


def _shares(groups: Tensor) -> dict[int, float]:
    names, counts = torch.unique(groups, return_counts=True)
    return dict(zip(names.tolist(), (counts / len(groups)).tolist(), strict=True))


def _balanced(groups: Tensor, generator: torch.Generator | None) -> Tensor:
    """Positions of as many rows of each group as the smallest one has."""
    names, counts = torch.unique(groups, return_counts=True)
    order = torch.randperm(len(groups), generator=generator)
    return torch.cat([order[groups[order] == name][: int(counts.min())] for name in names])


def _mean_layer(learnt: Sequence[tuple[np.ndarray, np.ndarray]], c: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean coefficients and offsets over the subsets; every subset holds all classes, because it holds all groups."""
    models = [LogisticRegression(C=c, max_iter=2000).fit(x, y) for x, y in learnt]
    return np.mean([m.coef_ for m in models], axis=0), np.mean([m.intercept_ for m in models], axis=0)


def _predict(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, classes: Tensor) -> np.ndarray:
    scores = x @ weight.T + bias
    index = (scores[:, 0] > 0).astype(np.int64) if len(weight) == 1 else scores.argmax(axis=1)
    guess: np.ndarray = classes.numpy()[index]
    return guess


def _by_group(guess: np.ndarray, labels: Tensor, groups: Tensor) -> dict[int, float]:
    hit = torch.from_numpy(guess) == labels
    return {int(g): float(hit[groups == g].double().mean()) for g in torch.unique(groups)}
