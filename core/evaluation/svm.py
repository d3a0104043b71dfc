"""The protocol of graph classification papers: an RBF support vector machine under nested cross-validation."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, pstdev

from jaxtyping import Float, Int64
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.svm import SVC
from torch import Tensor

from core.checks import check_at_least, check_embeddings, check_labels

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
    jobs: int = 1,
) -> CrossValidationResult:
    """Accuracy of scikit-learn's ``SVC`` (RBF, gamma "scale") with C chosen inside each training part.

    GraphMAE's protocol (arXiv 2205.10803, graph classification): outer ``StratifiedKFold`` with shuffling, inner
    ``GridSearchCV``. No test fold chooses anything.

    Args:
        embeddings: one row per graph.
        labels: class of each graph, >= 0.
        folds: outer folds, >= 2.
        inner_folds: folds of the search for C, >= 2.
        grid: values of C.
        seed: of the outer shuffling.
        jobs: processes of the inner search.

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
    outer = StratifiedKFold(folds, shuffle=True, random_state=seed)
    values = []
    for train, test in outer.split(x, y):
        search = GridSearchCV(SVC(), {"C": list(grid)}, cv=inner_folds, scoring="accuracy", n_jobs=jobs)
        search.fit(x[train], y[train])
        values.append(float(search.score(x[test], y[test])))
    return CrossValidationResult(mean(values), pstdev(values), tuple(values))
