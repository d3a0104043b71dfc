"""What another threshold would give: number of sets, and an estimate of the errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from core.progress import watched
from domains.tables.project.decided import Decided
from domains.tables.project.present_sets import cluster_rows
from domains.tables.project.settings import ClusterSettings
from domains.tables.sets.graph import PairGraph

__all__ = ["CurvePoint", "expected_errors", "threshold_curve"]

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
"""Where the curve is computed."""
MOST_ROWS = 20_000
"""A larger table is estimated from a sample of whole components of about so many rows."""


@dataclass(frozen=True)
class CurvePoint:
    """One threshold.

    Attributes:
        threshold: the least probability.
        sets: number of sets.
        largest: rows of the largest one.
        wrong: expected number of pairs that are in one set and should not be.
        missed: expected number of compared pairs that are in different sets and should be in one.
        f1: expected F1 over pairs of rows.
    """

    threshold: float
    sets: int
    largest: int
    wrong: float
    missed: float
    f1: float


def expected_errors(graph: PairGraph, labels: NDArray[np.int64]) -> tuple[float, float, float]:
    """Expected wrong pairs, missed pairs and F1 of sets, if the probabilities are right.

    A pair in one set is wrong with 1 minus its probability; one that was not compared counts as surely wrong. A
    compared pair in two sets is missed with its probability; pairs that blocking left out are not seen. Copies
    (`PairGraph.copies`) are no pairs.

    Args:
        graph: pairs with probabilities.
        labels: ``(n,)`` the smallest row of each row's set.

    >>> graph = PairGraph.of(3, np.array([0, 1]), np.array([1, 2]), np.array([0.75, 0.25]))
    >>> expected_errors(graph, np.array([0, 0, 2]))
    (0.25, 0.25, 0.75)
    """
    inside = labels[graph.left] == labels[graph.right]
    alone = np.ones(graph.count, dtype=np.bool_)
    alone[graph.copies[:, 1]] = False
    size = np.bincount(labels[alone]).astype(np.float64)
    pairs = float((size * (size - 1) / 2).sum())
    right = float(graph.weight[inside].sum(dtype=np.float64))
    missed = float(graph.weight[~inside].sum(dtype=np.float64))
    truth = right + missed
    return pairs - right, missed, 2 * right / (pairs + truth) if pairs + truth else 1.0


def threshold_curve(
    graph: PairGraph,
    source: NDArray[np.object_],
    decided: Decided,
    settings: ClusterSettings,
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    seed: int = 0,
) -> tuple[list[CurvePoint], int]:
    """Cluster at each threshold; of a large table whole components are drawn and their figures scaled up.

    Args:
        graph: pairs of the n rows.
        source: ``(n,)`` names.
        decided: constraints; of a sample those within it are heeded.
        settings: of the clustering.
        thresholds: where.
        seed: of the sample and of methods that draw.

    Returns:
        A point for each threshold, and the number of rows that they were computed from.
    """
    n = graph.count
    chosen = np.ones(n, dtype=np.bool_)
    if n > MOST_ROWS:
        _, component = connected_components(graph.above(min(thresholds)).adjacency(), directed=False)
        order = np.random.default_rng(seed).permutation(int(component.max()) + 1)
        total = np.cumsum(np.bincount(component)[order])
        taken = order[: int(np.searchsorted(total, MOST_ROWS)) + 1]
        chosen = np.isin(component, taken)
    rows = np.flatnonzero(chosen)
    part, local = graph.among(chosen), decided.restricted(chosen)
    scale = n / max(1, len(rows))
    points = []
    for threshold in watched(thresholds, "trying thresholds", len(thresholds)):
        labels = cluster_rows(part, source[rows], local, threshold, settings, seed)
        wrong, missed, f1 = expected_errors(part, labels)
        size = np.bincount(labels)
        points.append(
            CurvePoint(
                threshold, round(int((size > 0).sum()) * scale), int(size.max(initial=0)),
                round(wrong * scale, 1), round(missed * scale, 1), round(f1, 4),
            )
        )  # fmt: skip
    return points, len(rows)
