"""The standard protocol of the vision domain: frozen features, kNN and logistic regression."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from core.checks import check_at_least, check_positive
from core.errors import UserError
from core.evaluation import (
    KnnEvaluator,
    effective_rank,
    logistic_regression,
    ordinality,
    regression_metrics,
    ridge_regression,
)

__all__ = ["PROBE_GRID", "EvaluationSettings", "score_classes", "score_targets", "validation_rows"]


PROBE_GRID = (1e-3, 1e-2, 1e-1, 1.0)
"""Inverse strengths that a linear probe chooses among."""
_FEWEST_TO_ORDER = 3


@dataclass(frozen=True)
class EvaluationSettings:
    """How frozen features are scored.

    Attributes:
        k: neighbours of the kNN classifier.
        knn_temperature: their votes weigh exp(cosine / temperature).
        test_share: share of the images to test on, drawn by class with the run's seed, where the data have no test part
            of their own.
        online_every: epochs between two kNN scores during training; 0 switches them off.
    """

    k: int = 20
    knn_temperature: float = 0.07
    test_share: float = 0.2
    online_every: int = 5

    def __post_init__(self) -> None:
        check_at_least("k", self.k, 1)
        check_positive("knn_temperature", self.knn_temperature)
        check_at_least("online_every", self.online_every, 0)
        if not 0 < self.test_share < 1:
            raise ValueError(f"test_share must be in (0, 1), got {self.test_share}")


def validation_rows(labels: Int64[Tensor, " n"], seed: int) -> tuple[Tensor, Tensor]:
    """A fifth of the training rows of each class to choose the probe's strength on; the rest to learn from.

    Args:
        labels: classes of the training rows.
        seed: of the draw.

    Returns:
        Positions to learn from, and to choose on; all of them for both where every class is too small to spare one.
    """
    draw = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=draw)
    order = order[labels[order].argsort(stable=True)]  # by class, shuffled within
    counts = torch.bincount(labels)
    place = torch.arange(len(labels)) - (counts.cumsum(0) - counts)[labels[order]]
    held = place < (counts[labels[order]] // 5)
    if not held.any():
        return order, order
    return order[~held], order[held]


def score_classes(
    train: Float[Tensor, "n d"],
    train_labels: Int64[Tensor, " n"],
    test: Float[Tensor, "m d"],
    test_labels: Int64[Tensor, " m"],
    settings: EvaluationSettings,
    seed: int,
) -> dict[str, float]:
    """Accuracies of a linear probe and of kNN on frozen features, and the features' effective rank.

    The linear probe is a logistic regression on standardised features whose strength is chosen on a fifth of the
    training rows; the test part is looked at once. kNN votes as in Wu et al. 2018, arXiv 1805.01978.

    Args:
        train: frozen features of the training images.
        train_labels: their classes.
        test: frozen features of the test images.
        test_labels: their classes.
        settings: k and temperature.
        seed: of the validation part.

    Raises:
        UserError: training images of one class only, or no test image with a label.
    """
    if len(test_labels) == 0:
        raise UserError("no labelled image is left to test on; raise --evaluate.test-share")
    if len(train_labels.unique()) < 2:
        raise UserError("the training images have one class only; nothing can be probed")
    learn, choose = validation_rows(train_labels, seed)
    probe = logistic_regression(
        torch.cat([train, test]),
        torch.cat([train_labels, test_labels]),
        train=learn,
        val=choose,
        test=torch.arange(len(test)) + len(train),
        grid=PROBE_GRID,
    )
    knn = KnnEvaluator(k=settings.k, temperature=settings.knn_temperature).fit(train, train_labels)
    scores = {
        "accuracy": probe.test,
        f"kNN accuracy (k={settings.k}, T={settings.knn_temperature:g})": knn.score(test, test_labels),
    }
    if bool((test != test[0]).any()):  # a single image, or equal rows, have none
        scores["effective rank"] = effective_rank(test, centre=True)
    return scores


def score_targets(
    train: Float[Tensor, "n d"],
    train_targets: Float[Tensor, " n"],
    test: Float[Tensor, "m d"],
    test_targets: Float[Tensor, " m"],
) -> dict[str, float]:
    """Errors of a ridge regression on frozen features, and how well distances follow the targets.

    Correlations that too few or equal test images do not have are left out.

    Args:
        train: frozen features of the training images.
        train_targets: their numbers.
        test: frozen features of the test images.
        test_targets: their numbers.
    """
    found = ridge_regression(train, train_targets, test)
    metrics = regression_metrics(test_targets, found)
    scores = {"MAE": metrics["mae"], "RMSE": metrics["rmse"], "Pearson": metrics["pearson"]}
    if len(test) >= _FEWEST_TO_ORDER:
        scores["ordinality"] = ordinality(test, test_targets)
    return {name: value for name, value in scores.items() if math.isfinite(value)}
