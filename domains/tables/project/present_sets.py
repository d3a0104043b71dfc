"""The sets as they are now: those of the last clustering, with every decision since then taken in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from domains.tables.project.decided import Decided, decide
from domains.tables.project.decisions import Decision
from domains.tables.project.row_refs import RowIndex
from domains.tables.project.settings import ClusterSettings
from domains.tables.sets.constraints import Constraints, as_sources, groups_of
from domains.tables.sets.discover import discover_sets
from domains.tables.sets.graph import PairGraph

__all__ = ["cluster_rows", "present_labels", "smallest_rows"]


def present_labels(
    graph: PairGraph,
    base: NDArray[np.int64],
    index: RowIndex,
    before: Sequence[Decision],
    now: Sequence[Decision],
    threshold: float,
    settings: ClusterSettings,
    seed: int,
) -> tuple[NDArray[np.int64], Decided]:
    """Sets after decisions, without clustering everything again.

    Sets that must be together are joined whole. Where the sets are then not as all decisions say (rows that must be
    apart, a lock with other rows in it, a limit), and where a decision that the clustering knew was taken back, they
    are found again from their rows; the others stay. The result depends on which decisions count, not on the way
    there: taking one back gives exactly the sets from before it.

    Args:
        graph: pairs of the n rows.
        base: ``(n,)`` sets of the last clustering.
        index: of the rows.
        before: decisions that the last clustering knew, oldest first.
        now: decisions that count now.
        threshold: of the last clustering.
        settings: of the clustering.
        seed: of methods that draw.

    Returns:
        ``(n,)`` int64, the smallest row of each row's set; and what the decisions say together.
    """
    decided, labels = decide(now, index), smallest_rows(base)

    def again(chosen: NDArray[np.bool_]) -> None:
        rows = np.flatnonzero(chosen)
        inside = decided.restricted(chosen)
        labels[rows] = rows[cluster_rows(graph.among(chosen), index.source[rows], inside, threshold, settings, seed)]

    counting = {decision.id for decision in now}
    gone = [d for d in before if d.id not in counting and d.kind != "value" and d.answer != "unsure"]
    named = [position for d in gone for ref in d.rows if (position := index.position(ref)) is not None]
    if named:
        again(np.isin(labels, labels[named]))
    labels = smallest_rows(groups_of(len(labels), labels[decided.must])[labels])
    source = as_sources(index.source, len(labels)) if settings.one_per_source else None
    wrong = Constraints(decided.cannot, source, settings.max_size).broken(labels)
    size = np.bincount(labels)
    for rows in decided.locked:
        held = np.unique(labels[rows])
        wrong[held] |= size[held].sum() > len(rows)
    if wrong.any():
        again(wrong[labels])
    return labels, decided


def cluster_rows(
    graph: PairGraph,
    source: NDArray[np.object_],
    decided: Decided,
    threshold: float,
    settings: ClusterSettings,
    seed: int = 0,
) -> NDArray[np.int64]:
    """Find sets under everything that was decided.

    Locked sets are held out: no other row joins them, and ``settings`` do not split them.

    Args:
        graph: pairs of the n rows.
        source: ``(n,)`` names.
        decided: constraints.
        threshold: in [0, 1].
        settings: method and limits.
        seed: of methods that draw.

    Returns:
        ``(n,)`` int64, the smallest row of each row's set.

    Raises:
        UserError: rows that must be together break a limit of the settings.
    """
    lock = np.full(graph.count, -1, dtype=np.int64)
    for number, rows in enumerate(decided.locked):
        lock[rows] = number
    free = lock < 0
    rows = np.flatnonzero(free)
    inside = decided.restricted(free)
    result = np.empty(graph.count, dtype=np.int64)
    result[rows] = discover_sets(
        graph.among(free),
        settings.method,
        threshold=threshold,
        max_size=settings.max_size,
        sources=source[rows] if settings.one_per_source else None,
        one_per_source=settings.one_per_source,
        must_link=inside.must,
        cannot_link=inside.cannot,
        seed=seed,
    )
    result[~free] = lock[~free] + graph.count
    return smallest_rows(result)


def smallest_rows(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Name each set by its smallest row.

    >>> smallest_rows(np.array([7, 3, 7])).tolist()
    [0, 1, 0]
    """
    _, first, code = np.unique(labels, return_index=True, return_inverse=True)
    return first.astype(np.int64)[code.reshape(-1)]
