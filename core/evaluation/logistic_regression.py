"""L2-regularised logistic regression on frozen embeddings, its strength chosen on the validation part."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float, Int64
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from core.checks import check_at_least, check_embeddings, check_labels

__all__ = ["LogisticResult", "logistic_regression"]


@dataclass(frozen=True)
class LogisticResult:
    """Test accuracy in [0, 1], validation accuracy, and the C that was chosen."""

    test: float
    val: float
    c: float


def logistic_regression(
    features: Float[Tensor, "n d"],
    labels: Int64[Tensor, " n"],
    *,
    train: Int64[Tensor, " a"],
    val: Int64[Tensor, " b"],
    test: Int64[Tensor, " c"],
    grid: Sequence[float] = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0),
) -> LogisticResult:
    """Fit scikit-learn's ``LogisticRegression`` on standardised rows for each C and keep the best on ``val``.

    Ties go to the stronger regularisation. Relations: the same model class as
    `core.evaluation.linear_probe.LinearProbe`, but solved to convergence.

    Args:
        features: embeddings of all rows.
        labels: class of each row.
        train: positions to learn from.
        val: positions that choose C.
        test: positions that are reported.
        grid: values of C (inverse strength) to try, > 0.

    Raises:
        ValueError: an empty part or grid.
    """
    check_embeddings("features", features)
    check_labels(labels, len(features))
    for name, part in (("train", train), ("val", val), ("test", test), ("grid", grid)):
        check_at_least(f"the length of {name}", len(part), 1)
    x, y = features.detach().double().numpy(), labels.numpy()
    best = LogisticResult(0.0, -1.0, 0.0)
    for c in sorted(grid):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=2000))
        model.fit(x[train.numpy()], y[train.numpy()])
        at_val = float(model.score(x[val.numpy()], y[val.numpy()]))
        if at_val > best.val:
            best = LogisticResult(float(model.score(x[test.numpy()], y[test.numpy()])), at_val, c)
    return best
