"""The protocol of graph classification papers: an RBF support vector machine under nested cross-validation."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, pstdev

import numpy as np
from jaxtyping import Float, Int64
from numpy.typing import NDArray
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC
from torch import Tensor

from core.checks import check_at_least, check_embeddings, check_labels
from core.progress import watched

__all__ = ["CrossValidationResult", "svm_cross_validation"]


@dataclass(frozen=True)
class CrossValidationResult:
    """Accuracy in [0, 1]: mean over folds, standard deviation over folds (n, not n - 1), and each fold's value.

    The deviation is over folds. Tables of papers give the deviation over seeds, which is another number.
    """

    mean: float
    std: float
    values: tuple[float, ...]


def svm_cross_validation(
    embeddings: Float[Tensor, "n d"],
    labels: Int64[Tensor, " n"],
    *,
    folds: int = 10,
    inner_folds: int = 5,
    grid: Sequence[float] = (1e-3, 1e-2, 1e-1, 1.0, 10.0),
    seed: int = 0,
) -> CrossValidationResult:
    """Accuracy of scikit-learn's ``SVC`` (RBF, gamma "scale") with C chosen inside each training part.

    GraphMAE's protocol (arXiv 2205.10803, graph classification): outer ``StratifiedKFold`` with shuffling, inner search
    over stratified folds without shuffling, the first best C. No test fold chooses anything.

    The numbers are those of scikit-learn's ``GridSearchCV(SVC(), {"C": grid}, cv=inner_folds)``. The squared distances
    are computed once, by one matrix product, where ``SVC`` would compute them anew in each of the 260 fits; one
    ``(n, n)`` matrix in double precision is held, 135 MB for 4,110 graphs.

    Args:
        embeddings: one row per graph.
        labels: class of each graph, >= 0.
        folds: outer folds, >= 2.
        inner_folds: folds of the search for C, >= 2.
        grid: values of C.
        seed: of the outer shuffling.

    Raises:
        ValueError: fewer than ``folds`` rows in a class, or only one class.
    """
    check_embeddings("embeddings", embeddings)
    check_labels(labels, len(embeddings))
    check_at_least("folds", folds, 2)
    counts = labels.bincount()
    counts = counts[counts > 0]
    if len(counts) < 2:
        raise ValueError("labels hold one class only; there is nothing to classify")
    if int(counts.min()) < folds:
        raise ValueError(
            f"the smallest class has {int(counts.min())} rows, which is fewer than folds={folds}; use fewer folds"
        )
    x, y = embeddings.detach().double().numpy(), labels.numpy()
    distances: NDArray[np.float64] = euclidean_distances(x, squared=True)
    outer = StratifiedKFold(folds, shuffle=True, random_state=seed)
    inner = StratifiedKFold(inner_folds)
    values = []
    for train, test in watched(outer.split(x, y), "cross-validation", folds):
        parts = inner.split(x[train], y[train])
        scores = [_scores(x, y, distances, train[part], train[held_out], grid) for part, held_out in parts]
        best = grid[int(np.average(np.stack(scores, 1), axis=1).argmax())]
        values.append(float(_scores(x, y, distances, train, test, [best])[0]))
    return CrossValidationResult(mean(values), pstdev(values), tuple(values))


def _scores(
    x: NDArray[np.float64],
    y: NDArray[np.int64],
    distances: NDArray[np.float64],
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    grid: Sequence[float],
) -> NDArray[np.float64]:
    """Accuracy on ``test`` for each C; gamma is "scale", which depends on the training rows alone."""
    variance = float(x[train].var())
    gamma = 1.0 / (x.shape[1] * variance) if variance else 1.0
    kernel = np.exp(-gamma * distances[np.ix_(train, train)])
    crossed = np.exp(-gamma * distances[np.ix_(test, train)])
    machines = (SVC(C=c, kernel="precomputed").fit(kernel, y[train]) for c in grid)
    return np.array([machine.score(crossed, y[test]) for machine in machines])
