"""Integrable sets of rows from a graph of pair probabilities, by any method and under any constraints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import UserError
from domains.tables.sets import SET_METHODS
from domains.tables.sets.constraints import Constraints, as_pairs, as_sources, groups_of, pairs_among
from domains.tables.sets.graph import PairGraph
from domains.tables.sets.linkage import AverageRule, agglomerate
from domains.tables.sets.order import canonical_order
from domains.tables.sets.problem import Problem, connected

__all__ = ["discover_sets"]

Method = Callable[[Problem], NDArray[np.int64]]


def discover_sets(
    graph: PairGraph,
    method: str = "average_linkage",
    *,
    threshold: float = 0.5,
    max_size: int = 0,
    sources: Sequence[Any] | NDArray[Any] | None = None,
    one_per_source: bool = False,
    must_link: Sequence[Any] | NDArray[np.int64] = (),
    cannot_link: Sequence[Any] | NDArray[np.int64] = (),
    seed: int = 0,
) -> NDArray[np.int64]:
    """Which rows are the same thing: disjoint sets that cover all rows.

    Ji et al. 2024, arXiv 2412.00324, take connected components, maximal cliques or communities of the graph of pairs.
    Components chain errors, so average linkage is the default here.

    Every set is connected by pairs of at least ``threshold``, but for must-links. Sets are found without these first;
    then those that hold rows of a must-link are joined whole: who says that two rows are one thing says it of their
    sets. (Inside average linkage it would take sets apart instead: the other rows of one set are unlike the other
    row.) Where that would break another constraint, the rows of these sets are looked at again, with must-links from
    the start. Linkage and correlation heed the other constraints at each merge. A set that another method found and
    that breaks one is split by average linkage inside it, which then merges as far as the constraints let it. Methods
    work on each component apart, so that far rows have no say. A copy (`PairGraph.copies`) goes where its row goes,
    and what is said of one is said of both, unless that it is not the row; where sets are limited in size or by source
    copies stay alone. The result does not depend on the order of rows nor on the number of threads; only among rows
    that the graph cannot tell apart do ties fall by the order of rows.

    Args:
        graph: pairs of rows with the probability that both are the same thing.
        method: name in `domains.tables.sets.SET_METHODS`.
        threshold: the least probability that links two rows, in [0, 1]; of "average_linkage" the least mean over the
            pairs of two sets. A probability of 0 never links.
        max_size: most rows in a set; 0 for no limit.
        sources: ``(n,)`` name of each row's source; needed by ``one_per_source`` only.
        one_per_source: whether a set takes at most one row of a source.
        must_link: pairs of rows that are in one set, also where the graph has no such pair.
        cannot_link: pairs of rows that are not in one set.
        seed: of methods that draw.

    Returns:
        ``(n,)`` int64, set of each row; sets are numbered from 0 by their first rows.

    Raises:
        UserError: an unknown method, a threshold out of range, rows that are not there, constraints that contradict
            each other (the message names the rows), a method that is too slow for the graph, a missing package.

    >>> graph = PairGraph.of(4, np.array([0, 1, 2]), np.array([1, 2, 3]), np.array([0.9, 0.6, 0.9]))
    >>> discover_sets(graph).tolist(), discover_sets(graph, "components").tolist()
    ([0, 0, 1, 1], [0, 0, 0, 0])
    """
    function = SET_METHODS.get(method)
    if not 0 <= threshold <= 1:
        raise UserError(f"threshold must be in [0, 1], a probability, got {threshold}")
    if max_size < 0:
        raise UserError(f"max_size must be at least 1, or 0 for no limit, got {max_size}")
    n = graph.count
    if one_per_source and sources is None:
        raise UserError("one_per_source needs to know the source of each row; pass sources")
    source = as_sources(sources, n) if one_per_source and sources is not None else None
    if n == 0:
        return np.zeros(0, dtype=np.int64)
    links, apart = as_pairs("must_link", must_link, n), as_pairs("cannot_link", cannot_link, n)
    original = _originals(graph, apart) if source is None and not max_size else np.arange(n)
    links, apart = original[links], original[apart]
    constraints = Constraints(apart, source, max_size)
    constraints.check(groups_of(n, links))
    # Weights are float32: a pair of .9 must reach a threshold of .9. A pair of 0 links nothing, whatever the threshold.
    limit = max(float(np.float32(threshold)), float(np.finfo(np.float32).smallest_subnormal))
    labels = _find(function, graph, np.zeros((0, 2), dtype=np.int64), constraints, limit, seed)
    if links.size:
        names = int(labels.max()) + 1
        labels = groups_of(names, labels[links])[labels]
        broken = constraints.broken(labels)[labels]
        if broken.any():
            must, inside = pairs_among(links, broken), constraints.among(broken)
            labels[broken] = names + _find(function, graph.among(broken), must, inside, limit, seed)
    return _by_first_row(labels[original])


def _originals(graph: PairGraph, apart: NDArray[np.int64]) -> NDArray[np.int64]:
    """``(n,)`` the row that each row is a copy of, or itself; a copy that must be apart from its row is none."""
    original = np.arange(graph.count)
    original[graph.copies[:, 1]] = graph.copies[:, 0]
    against = apart[original[apart[:, 0]] == original[apart[:, 1]]]
    original[against] = against
    return original


def _find(
    function: Method, graph: PairGraph, links: NDArray[np.int64], constraints: Constraints, limit: float, seed: int
) -> NDArray[np.int64]:
    """Sets of a method in which rows that must be together are one from the start."""
    n, apart, source = graph.count, constraints.apart, constraints.source
    colour = np.zeros(n, dtype=np.int64) if source is None else source
    order = canonical_order(_with_constraints(graph, links, apart), colour)
    place = np.empty(n, dtype=np.int64)
    place[order] = np.arange(n)
    moved = PairGraph.of(n, place[graph.left], place[graph.right], graph.weight)
    inside = replace(constraints, apart=place[apart], source=None if source is None else source[order])
    members = groups_of(n, place[links])
    problem = Problem.of(moved, members, limit, inside, seed)
    labels = _connected_sets(problem, function(problem))
    return _within_constraints(problem, labels)[members][place]


def _with_constraints(graph: PairGraph, must: NDArray[np.int64], apart: NDArray[np.int64]) -> PairGraph:
    """The graph as the order of rows sees it: constraints tell rows apart as links of a weight of their own do."""
    if not must.size and not apart.size:
        return graph
    pairs = np.concatenate([must, apart])
    weight = np.concatenate([np.full(len(must), 1.0), np.full(len(apart), 0.0)]).astype(np.float32)
    return PairGraph.of(
        graph.count,
        np.concatenate([graph.left, pairs[:, 0]]),
        np.concatenate([graph.right, pairs[:, 1]]),
        np.concatenate([graph.weight, weight]),
    )


def _connected_sets(problem: Problem, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sets without a chain of strong links between all their rows fall into those that have one."""
    strong = problem.strong()
    inside = labels[strong.left] == labels[strong.right]
    return connected(problem.count, strong.left[inside], strong.right[inside])


def _within_constraints(problem: Problem, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sets that break a limit are merged anew from their groups, as far as the limits let them."""
    if not problem.constraints:
        return labels
    broken = problem.constraints.broken(labels[problem.members])
    if not broken.any():
        return labels
    strong = problem.strong()
    inside = (labels[strong.left] == labels[strong.right]) & broken[labels[strong.left]]
    again = agglomerate(replace(strong.keep(inside), threshold=0.0), AverageRule(), 0.0)
    return np.where(broken[labels], again + problem.count, labels)


def _by_first_row(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    _, first, codes = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(first.size, dtype=np.int64)
    rank[np.argsort(first)] = np.arange(first.size)
    return rank[codes.reshape(-1)]
