"""The sets as they are now: those of the last clustering, with every decision since then taken in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from domains.tables.project.decided import Decided, decide
from domains.tables.project.decisions import Decision
from domains.tables.project.row_refs import RowIndex
from domains.tables.project.settings import ClusterSettings
from domains.tables.sets.constraints import Constraints, as_sources
from domains.tables.sets.discover import discover_sets
from domains.tables.sets.graph import PairGraph

__all__ = ["cluster_rows", "induced_graph", "present_labels", "smallest_rows"]


def present_labels(
    graph: PairGraph,
    base: NDArray[np.int64],
    index: RowIndex,
    before: Sequence[Decision],
    now: Sequence[Decision],
    threshold: float,
    settings: ClusterSettings,
) -> tuple[NDArray[np.int64], Decided]:
    """Sets after decisions, without clustering everything again.

    Sets that hold a row of a decision that is new, or that was taken back, are found again from their rows under all
    constraints; the others stay. The result depends on which decisions count, not on the way there: taking one back
    gives exactly the sets from before it.

    Args:
        graph: pairs of the n rows.
        base: ``(n,)`` sets of the last clustering.
        index: of the rows.
        before: decisions that the last clustering knew, oldest first.
        now: decisions that count now.
        threshold: of the last clustering.
        settings: of the clustering.

    Returns:
        ``(n,)`` int64, the smallest row of each row's set; and what the decisions say together.
    """
    decided = decide(now, index)
    labels = smallest_rows(base)
    known, counting = {d.id for d in before}, {d.id for d in now}
    changed = [d for d in now if d.id not in known] + [d for d in before if d.id not in counting]
    named = {p for d in changed if d.kind != "value" for ref in d.rows if (p := index.position(ref)) is not None}
    if not named:
        return labels, decided
    touched = np.isin(labels, np.unique(labels[np.array(sorted(named), dtype=np.int64)]))
    rows = np.flatnonzero(touched)
    part = induced_graph(graph, touched)
    found = cluster_rows(part, index.source[rows], decided.restricted(touched), threshold, settings)
    labels[rows] = rows[smallest_rows(found)]
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

    Sets are found first without the rows that must be together; then those that hold such rows are joined as a whole:
    who says that two rows are one thing says it of their sets. (A must-link inside average linkage would take sets
    apart instead: the other rows of one set are unlike the other row.) Where that would break a constraint, the rows of
    these sets are clustered again with all must-links. Locked sets are held out: no other row joins them, and
    ``settings`` do not split them.

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
    result[rows] = _free_sets(induced_graph(graph, free), source[rows], inside, threshold, settings, seed)
    result[~free] = lock[~free] + graph.count
    return smallest_rows(result)


def _free_sets(
    graph: PairGraph,
    source: NDArray[np.object_],
    decided: Decided,
    threshold: float,
    settings: ClusterSettings,
    seed: int,
) -> NDArray[np.int64]:
    """Sets of rows of which none is locked."""

    def find(
        part: PairGraph, names: NDArray[np.object_], must: NDArray[np.int64], cannot: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        return discover_sets(
            part,
            settings.method,
            threshold=threshold,
            max_size=settings.max_size,
            sources=names if settings.one_per_source else None,
            one_per_source=settings.one_per_source,
            must_link=must,
            cannot_link=cannot,
            seed=seed,
        )

    labels = find(graph, source, np.empty((0, 2), dtype=np.int64), decided.cannot)
    if not len(decided.must):
        return labels
    names = int(labels.max(initial=-1)) + 1
    ends = labels[decided.must]
    joined = coo_array((np.ones(len(ends), dtype=np.int8), (ends[:, 0], ends[:, 1])), shape=(names, names))
    labels = connected_components(joined, directed=False)[1].astype(np.int64)[labels]
    limit = as_sources(source, graph.count) if settings.one_per_source else None
    broken = Constraints(decided.cannot, limit, settings.max_size).broken(labels)[labels]
    if broken.any():
        part = decided.restricted(broken)
        again = find(induced_graph(graph, broken), source[broken], part.must, part.cannot)
        labels[broken] = again + names
    return labels


def smallest_rows(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Name each set by its smallest row.

    >>> smallest_rows(np.array([7, 3, 7])).tolist()
    [0, 1, 0]
    """
    _, first, code = np.unique(labels, return_index=True, return_inverse=True)
    return first.astype(np.int64)[code.reshape(-1)]


def induced_graph(graph: PairGraph, chosen: NDArray[np.bool_]) -> PairGraph:
    """The pairs among some rows, which are numbered anew.

    Args:
        graph: pairs of n rows.
        chosen: ``(n,)`` the rows.
    """
    place = np.cumsum(chosen, dtype=np.int64) - 1
    kept = chosen[graph.left] & chosen[graph.right]
    return PairGraph(int(chosen.sum()), place[graph.left[kept]], place[graph.right[kept]], graph.weight[kept])
