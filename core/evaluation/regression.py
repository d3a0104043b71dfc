"""How well a continuous target is predicted, and how well embeddings keep its order."""

from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor

from core.checks import check_at_least, check_choice, check_embeddings, check_positive, check_targets
from core.losses.normalisation import unit_rows

__all__ = ["ordinality", "regression_metrics"]

EmbeddingDistance = Literal["euclidean", "cosine"]


def regression_metrics(
    target: Float[Tensor, " n"] | Float[Tensor, "n 1"],
    prediction: Float[Tensor, " n"] | Float[Tensor, "n 1"],
    *,
    least_error: float = 1e-3,
) -> dict[str, float]:
    """Errors and correlations of predictions, computed in float64.

    Args:
        target: what is true.
        prediction: what was said, row by row.
        least_error: > 0; smaller absolute errors count as this in "gm", or one exact hit would make it 0.

    Returns:
        "mae" mean absolute error; "gm" geometric mean of the absolute errors, exp(mean log max(|e|, least_error));
        "rmse" root of the mean squared error; "pearson" and "spearman" correlation, NaN where target or prediction is
        constant.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes, numbers that are not finite, no rows, a ``least_error`` that is not positive.

    >>> found = regression_metrics(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 2.0, 7.0]))
    >>> {name: round(value, 3) for name, value in found.items()}
    {'mae': 1.333, 'gm': 0.016, 'rmse': 2.309, 'pearson': 0.933, 'spearman': 1.0}
    """
    check_positive("least_error", least_error, usual="0.001")
    check_at_least("the number of rows", len(target), 1, "there is nothing to compare")
    for name, values in (("target", target), ("prediction", prediction)):
        check_targets(values, len(target), name=name)
    y, guess = (values.detach().cpu().double().flatten().numpy() for values in (target, prediction))
    error = np.abs(guess - y)
    return {
        "mae": float(error.mean()),
        "gm": float(np.exp(np.log(np.maximum(error, least_error)).mean())),
        "rmse": float(np.sqrt(np.square(error).mean())),
        "pearson": _correlation(y, guess),
        "spearman": _correlation(rankdata(y), rankdata(guess)),
    }


def ordinality(
    features: Float[Tensor, "n d"],
    targets: Float[Tensor, " n"] | Float[Tensor, "n 1"],
    *,
    distance: EmbeddingDistance = "euclidean",
    max_pairs: int = 500_000,
    generator: torch.Generator | None = None,
) -> float:
    """Spearman correlation of the distances of embeddings with the distances of their targets; 1 is perfect order.

    Args:
        features: at least 3 rows.
        targets: one number for each row.
        distance: "euclidean", or "cosine" for that of unit rows.
        max_pairs: >= 2; batches with more pairs of rows than this (above 1000 rows by default) are judged by so many
            random ones, drawn with replacement.
        generator: draws the pairs; ``None`` takes torch's default one.

    Returns:
        In [-1, 1]; NaN where all distances of one kind are equal.

    Raises:
        TypeError: integer tensors.
        ValueError: shapes, targets that are not finite, fewer than 3 rows.

    >>> ordinality(torch.tensor([[0.0], [1.0], [4.0]]), torch.tensor([0.0, 10.0, 20.0]))
    0.8660254037844387
    """
    check_embeddings("features", features)
    check_targets(targets, len(features))
    check_choice("distance", distance, get_args(EmbeddingDistance))
    check_at_least("max_pairs", max_pairs, 2)
    check_at_least("the number of rows", len(features), 3, "an order needs two pairs of rows or more")
    count = len(features)
    if count * (count - 1) // 2 <= max_pairs:
        first, second = torch.triu_indices(count, count, offset=1)
    else:
        where = "cpu" if generator is None else generator.device
        first = torch.randint(count, (max_pairs,), generator=generator, device=where).cpu()
        second = torch.randint(count - 1, (max_pairs,), generator=generator, device=where).cpu()
        second = second + (second >= first)
    rows, y = features.detach().cpu().double(), targets.detach().cpu().double().flatten()
    rows = unit_rows(rows) if distance == "cosine" else rows
    apart = torch.cat(
        [(rows[i] - rows[j]).norm(dim=1) for i, j in zip(first.split(2**16), second.split(2**16), strict=True)]
    )
    return _correlation(rankdata(apart.numpy()), rankdata((y[first] - y[second]).abs().numpy()))


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Pearson's, without a warning where it is not defined."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    a, b = a - a.mean(), b - b.mean()
    return float(np.clip((a / np.linalg.norm(a)) @ (b / np.linalg.norm(b)), -1, 1))
