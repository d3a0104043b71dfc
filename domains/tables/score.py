"""The protocol of the tables domain: pairs with labels, or sets of rows, without choosing anything by labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from core.checks import check_at_least, check_rate
from core.errors import UserError
from domains.tables.blocking.default import NearestRows
from domains.tables.data.training_set import TrainingSet
from domains.tables.evaluate import score_sets
from domains.tables.matching.otsu import otsu
from domains.tables.sets.discover import discover_sets
from domains.tables.sets.graph import PairGraph

__all__ = ["EvaluationSettings", "PairScorer", "best_threshold", "evaluate_pairs", "evaluate_sets", "pair_f1"]

PairScorer = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]]
"""Gives ``(p,)`` pairs of rows a score: log odds of a match, or a similarity; NaN where nothing is known."""


@dataclass(frozen=True)
class EvaluationSettings:
    """How a matcher is scored.

    Attributes:
        neighbours: rows that each row is compared with, where sets are found; >= 1.
        told: share of the training pairs of a pair set whose labels a method may learn from, in [0, 1]; 0 is without
            labels.
    """

    neighbours: int = 10
    told: float = 0.0

    def __post_init__(self) -> None:
        check_at_least("neighbours", self.neighbours, 1)
        if self.told != 1:
            check_rate("told", self.told)


def pair_f1(label: NDArray[np.floating], score: NDArray[np.float64], threshold: float) -> dict[str, float]:
    """F1, precision and recall of the pairs that reach a threshold, and the average precision over all thresholds.

    Args:
        label: ``(p,)`` 1 for the same thing, 0 for different ones.
        score: ``(p,)``; NaN, where nothing is known, counts as not found.
        threshold: the least score that counts as found.
    """
    known = np.where(np.isnan(score), -np.inf, score)
    found = known >= threshold
    precision, recall, f1, _ = precision_recall_fscore_support(label, found, average="binary", zero_division=0)
    ranked = np.argsort(np.argsort(known, kind="stable"), kind="stable")  # average precision takes no infinities
    return {
        "f1": float(f1),
        "precision": float(precision),
        "recall": float(recall),
        "average precision": float(average_precision_score(label, ranked)),
    }


def best_threshold(label: NDArray[np.floating], score: NDArray[np.float64]) -> float:
    """The score with the best F1 on some pairs, among 200 of their scores; 0 where no score is known.

    Args:
        label: ``(p,)`` 1 for the same thing, 0 for different ones.
        score: ``(p,)``; NaN, where nothing is known.

    >>> best_threshold(np.array([1.0, 1.0, 0.0]), np.array([0.9, 0.4, 0.1]))
    0.4
    """
    known = np.unique(score[~np.isnan(score)])
    tried = known[:: max(1, len(known) // 200)]
    if not len(tried):
        return 0.0
    return float(max(tried, key=lambda at: pair_f1(label, score, at)["f1"]))


def evaluate_pairs(data: TrainingSet, scorer: PairScorer, *, at: float | None = None) -> dict[str, float]:
    """Scores on the test pairs, at a threshold that no label chose: Otsu's split of the scores of all pairs.

    With labels, the threshold is the one with the best F1 on the valid pairs (pass it as ``at``).

    Args:
        data: with pairs.
        scorer: of pairs.
        at: another threshold.

    Raises:
        UserError: there are no test pairs, or only one kind of label among them.
    """
    if data.pairs is None:
        raise UserError(f"{data.name} has no pairs with labels")
    left, right, label = data.pairs.part("test")
    if len(np.unique(label)) < 2:
        raise UserError(f"{data.name} needs test pairs of both kinds to be scored, it has {len(label)} test pairs")
    if at is None:
        every = scorer(data.pairs.left, data.pairs.right)
        at = otsu(every[~np.isnan(every)])
    return pair_f1(label, scorer(left, right), at)


def evaluate_sets(
    data: TrainingSet, scorer: PairScorer, chance: PairScorer, settings: EvaluationSettings
) -> dict[str, float]:
    """Scores of the sets that average linkage finds among the nearest rows, at Otsu's split of the scores.

    Args:
        data: with labels.
        scorer: of pairs, by which they are split.
        chance: the same as probabilities in [0, 1].
        settings: number of neighbours.

    Raises:
        UserError: the data have no labels.
    """
    if data.labels is None:
        raise UserError(f"nothing says which rows of {data.name} are the same thing, so nothing can be scored")
    pairs = NearestRows(settings.neighbours).candidates(data.table)
    score = scorer(pairs.left, pairs.right)
    known = ~np.isnan(score)
    weight = np.clip(chance(pairs.left[known], pairs.right[known]), 0, 1).astype(np.float32)
    graph = PairGraph.of(pairs.count, pairs.left[known], pairs.right[known], weight)
    cut = otsu(score[known]) if known.any() else 0.0
    above = weight[score[known] >= cut]
    found = discover_sets(graph, threshold=float(above.min()) if len(above) else 1.0)
    shown = score_sets(data.labels, found)
    return {name: shown[name] for name in ("pairwise_f1", "pairwise_precision", "pairwise_recall", "bcubed_f1",
                                           "set_similarity", "found_sets")}  # fmt: skip
