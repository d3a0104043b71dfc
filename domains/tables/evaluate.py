"""How good found sets, pairs and chosen values are, against a known truth.

All is counted from the table of overlaps of true and found sets, never over pairs of rows: linear in the number of
rows, but for sorting and for the matching of `set_similarity`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domains.tables.set_similarity import set_similarity
from domains.tables.sets.graph import PairGraph
from domains.tables.sets.overlap import Overlap

__all__ = [
    "Scores",
    "adjusted_rand",
    "bcubed",
    "conflict_accuracy",
    "exact_sets",
    "pair_scores",
    "pairwise",
    "score_sets",
]


@dataclass(frozen=True)
class Scores:
    """Precision, recall and their harmonic mean, in [0, 1].

    Attributes:
        precision: share of what was found that is true; 1 where nothing was found.
        recall: share of what is true that was found; 1 where there was nothing to find.
        f1: harmonic mean; 0 where both are 0.
    """

    precision: float
    recall: float
    f1: float

    @classmethod
    def of(cls, right: float, found: float, true: float) -> Scores:
        """From the number of right answers, of answers, and of true things."""
        return cls.from_means(right / found if found else 1.0, right / true if true else 1.0)

    @classmethod
    def from_means(cls, precision: float, recall: float) -> Scores:
        """From precision and recall."""
        both = precision + recall
        return cls(precision, recall, 2 * precision * recall / both if both else 0.0)


def pairwise(true: NDArray[Any], found: NDArray[Any]) -> Scores:
    """Precision, recall and F1 over pairs of rows in the same set.

    Args:
        true: ``(n,)`` label of each row, of any type.
        found: ``(n,)`` label of each row.

    Raises:
        ValueError: lengths that differ.

    >>> pairwise(np.array([1, 1, 1, 2, 2]), np.array([1, 1, 2, 2, 2]))
    Scores(precision=0.5, recall=0.5, f1=0.5)
    """
    overlap = Overlap.of(true, found)
    return Scores.of(_pairs(overlap.count), _pairs(overlap.found_size), _pairs(overlap.true_size))


def bcubed(true: NDArray[Any], found: NDArray[Any]) -> Scores:
    """B-cubed precision, recall and F1 (Bagga and Baldwin 1998): the mean over rows, of the share of a row's set.

    Precision of a row is the share of its found set that is in its true set, recall the share of its true set that is
    in its found set, the row itself included; F1 is the harmonic mean of the two means.

    Args:
        true: ``(n,)`` label of each row, of any type.
        found: ``(n,)`` label of each row.

    Raises:
        ValueError: lengths that differ.

    >>> round(bcubed(np.array([1, 1, 1, 2, 2]), np.array([1, 1, 2, 2, 2])).f1, 4)
    0.7333
    """
    overlap = Overlap.of(true, found)
    if overlap.rows == 0:
        return Scores(1.0, 1.0, 1.0)
    square = overlap.count.astype(np.float64) ** 2
    precision = float((square / overlap.found_size[overlap.found]).sum() / overlap.rows)
    recall = float((square / overlap.true_size[overlap.true]).sum() / overlap.rows)
    return Scores.from_means(precision, recall)


def adjusted_rand(true: NDArray[Any], found: NDArray[Any]) -> float:
    """Adjusted Rand index (Hubert and Arabie 1985), 1 for equal partitions, about 0 for unrelated ones.

    Args:
        true: ``(n,)`` label of each row, of any type.
        found: ``(n,)`` label of each row.

    Raises:
        ValueError: lengths that differ.

    >>> adjusted_rand(np.array([0, 0, 1, 1]), np.array([5, 5, 3, 3]))
    1.0
    """
    overlap = Overlap.of(true, found)
    both, in_true, in_found = _pairs(overlap.count), _pairs(overlap.true_size), _pairs(overlap.found_size)
    # In whole numbers as long as possible: (both - expected) / (mean - expected), all times 2 * pairs.
    pairs = overlap.rows * (overlap.rows - 1) // 2
    expected = 2 * in_true * in_found
    most = pairs * (in_true + in_found)
    return 1.0 if most == expected else (2 * pairs * both - expected) / (most - expected)


def exact_sets(true: NDArray[Any], found: NDArray[Any], *, singletons: bool = True) -> Scores:
    """Precision, recall and F1 over whole sets: a found set is right if it is a true set, to the row (cluster F1).

    Args:
        true: ``(n,)`` label of each row, of any type.
        found: ``(n,)`` label of each row.
        singletons: whether sets of one row count; they are many and easy as a rule.

    Raises:
        ValueError: lengths that differ.

    >>> exact_sets(np.array([1, 1, 2, 2, 3]), np.array([1, 1, 2, 3, 4]))
    Scores(precision=0.5, recall=0.6666666666666666, f1=0.5714285714285715)
    """
    overlap = Overlap.of(true, found)
    least = 1 if singletons else 2
    same = (overlap.count == overlap.true_size[overlap.true]) & (overlap.count == overlap.found_size[overlap.found])
    right = int((same & (overlap.count >= least)).sum())
    return Scores.of(right, int((overlap.found_size >= least).sum()), int((overlap.true_size >= least).sum()))


def pair_scores(graph: PairGraph, true: NDArray[Any], threshold: float) -> Scores:
    """Precision, recall and F1 of the pairs of a graph that reach a threshold, before any clustering.

    Recall counts every true pair, also those that no blocking proposed.

    Args:
        graph: pairs with their probabilities.
        true: ``(n,)`` label of each row, of any type.
        threshold: the least probability of a pair that counts as found, in [0, 1].

    Raises:
        ValueError: another number of labels than rows.

    >>> graph = PairGraph.of(3, np.array([0, 1]), np.array([1, 2]), np.array([0.9, 0.6]))
    >>> pair_scores(graph, np.array(["a", "a", "b"]), 0.5)
    Scores(precision=0.5, recall=1.0, f1=0.6666666666666666)
    """
    overlap = Overlap.of(true, np.arange(graph.count))
    codes = np.empty(graph.count, dtype=np.int64)
    codes[overlap.found] = overlap.true
    kept = graph.above(threshold)
    right = int((codes[kept.left] == codes[kept.right]).sum())
    return Scores.of(right, len(kept), _pairs(overlap.true_size))


def conflict_accuracy(chosen: Sequence[Any], true: Sequence[Any]) -> float:
    """Share of conflicts that were resolved to the true value.

    Values are compared as text, in NFKC form, without regard to case and to the amount of white space. A conflict that
    was left open (``None`` or a missing value) counts as wrong.

    Args:
        chosen: the value that was chosen for each conflict.
        true: the true value of each.

    Raises:
        ValueError: lengths that differ, no conflicts.

    >>> conflict_accuracy(["Gate  B4", None], ["gate b4", "17:05"])
    0.5
    """
    if len(chosen) != len(true):
        raise ValueError(f"{len(chosen)} chosen values for {len(true)} true ones")
    if not len(true):
        raise ValueError("no conflicts, so no accuracy; pass at least one")
    return sum(not _missing(c) and _text(c) == _text(t) for c, t in zip(chosen, true, strict=True)) / len(true)


def score_sets(true: NDArray[Any], found: NDArray[Any]) -> dict[str, float]:
    """All measures of found sets, by name.

    Args:
        true: ``(n,)`` label of each row, of any type.
        found: ``(n,)`` label of each row.

    Returns:
        ``pairwise_*``, ``bcubed_*`` and ``exact_sets_*`` with ``precision``, ``recall`` and ``f1``, then
        ``set_similarity`` and ``adjusted_rand``, and the numbers ``true_sets``, ``found_sets`` and ``largest_found``.

    Raises:
        ValueError: lengths that differ.

    >>> scores = score_sets(np.array([1, 1, 1, 2, 2]), np.array([1, 1, 2, 2, 2]))
    >>> round(scores["set_similarity"], 4), scores["pairwise_f1"]
    (0.6667, 0.5)
    """
    result: dict[str, float] = {}
    for name, measure in (("pairwise", pairwise), ("bcubed", bcubed), ("exact_sets", exact_sets)):
        scores = measure(true, found)
        result |= {
            f"{name}_precision": scores.precision,
            f"{name}_recall": scores.recall,
            f"{name}_f1": scores.f1,
        }
    overlap = Overlap.of(true, found)
    return result | {
        "set_similarity": set_similarity(true, found),
        "adjusted_rand": adjusted_rand(true, found),
        "true_sets": float(overlap.true_size.size),
        "found_sets": float(overlap.found_size.size),
        "largest_found": float(overlap.found_size.max(initial=0)),
    }


def _pairs(sizes: NDArray[np.int64]) -> int:
    return int((sizes * (sizes - 1) // 2).sum())


def _missing(value: Any) -> bool:
    # NaN and NaT differ from themselves; pd.NA answers with itself, which is no bool.
    return not isinstance(value, str) and (value is None or (value != value) is not False)


def _text(value: Any) -> str:
    return " ".join(unicodedata.normalize("NFKC", str(value)).casefold().split())
