"""Agglomerative clustering of a sparse graph: the two most alike sets are merged, and so on."""

from __future__ import annotations

import heapq
from abc import ABC, abstractmethod
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domains.tables.sets.problem import Problem

__all__ = ["AverageRule", "Rule", "agglomerate", "average_linkage", "complete_linkage"]


class Rule(ABC):
    """How alike two sets are, from what is kept of the links between them.

    The value of a pair of sets must not rise when one of them takes in a set that has no link with the other: then a
    value that was right once bounds the present one from above, and need be looked at only when its turn comes.
    """

    @abstractmethod
    def start(self, problem: Problem) -> list[Any]:
        """What is kept of each link.

        Args:
            problem: with p links.
        """

    @abstractmethod
    def join(self, first: Any, second: Any) -> Any:
        """What is kept of a link with a set that was merged from two that both had one.

        Args:
            first: of the one link.
            second: of the other.
        """

    @abstractmethod
    def value(self, kept: Any, first: int, second: int) -> float:
        """How alike two sets are.

        Args:
            kept: of their link.
            first: rows of the one.
            second: rows of the other.
        """


class AverageRule(Rule):
    """Mean weight over all pairs of rows of the two sets; pairs without a weight count as 0."""

    def start(self, problem: Problem) -> list[Any]:
        """The sum of the weights."""
        return list(problem.total.tolist())

    def join(self, first: Any, second: Any) -> Any:
        """Their sum."""
        return first + second

    def value(self, kept: Any, first: int, second: int) -> float:
        """The mean."""
        return float(kept / (first * second))


class _CompleteRule(Rule):
    """Least weight over all pairs of rows of the two sets; pairs without a weight count as 0."""

    def start(self, problem: Problem) -> list[Any]:
        return list(zip(problem.weakest.tolist(), problem.known.tolist(), strict=True))

    def join(self, first: Any, second: Any) -> Any:
        return min(first[0], second[0]), first[1] + second[1]

    def value(self, kept: Any, first: int, second: int) -> float:
        return float(kept[0]) if kept[1] == first * second else 0.0


def average_linkage(problem: Problem) -> NDArray[np.int64]:
    """Merge sets while the mean weight over all pairs of their rows reaches the threshold.

    Pairs that were never scored count as weight 0: two sets of which blocking proposed few pairs stay apart. Equal to
    average linkage on the dense matrix with zeros, cut at the threshold, but for ties.

    Args:
        problem: the graph.

    Returns:
        ``(m,)`` int64, set of each group.
    """
    return agglomerate(problem, AverageRule(), problem.threshold)


def complete_linkage(problem: Problem) -> NDArray[np.int64]:
    """Merge sets while every pair of their rows was scored and reaches the threshold: sets are cliques.

    Args:
        problem: the graph.

    Returns:
        ``(m,)`` int64, set of each group.
    """
    return agglomerate(problem, _CompleteRule(), problem.threshold)


def agglomerate(problem: Problem, rule: Rule, stop: float) -> NDArray[np.int64]:
    """Merge the two sets of the highest value while it reaches ``stop`` and no constraint forbids it.

    Components are worked through apart, those that are complete at once. About p log p steps for p links: the links of
    the set with fewer of them move to the other, and values that fell are found when their turn comes.

    Args:
        problem: the graph; every link counts, also a weak one.
        rule: the value of two sets.
        stop: the least value of a merge.

    Returns:
        ``(m,)`` int64, set of each group; the number is that of one of its groups.
    """
    component = problem.components()
    complete = problem.complete(component)
    labels = np.arange(problem.count)
    first = np.unique(component, return_index=True)[1]
    done = complete[component]
    labels[done] = first[component[done]]
    rest = np.flatnonzero(~complete[component[problem.left]])
    if rest.size == 0:
        return labels
    rest = rest[np.argsort(component[problem.left[rest]], kind="stable")]
    bounds = np.r_[0, np.flatnonzero(np.diff(component[problem.left[rest]])) + 1, rest.size].tolist()
    few = problem.keep(rest)
    size, forbidden = problem.size.tolist(), _Forbidden(problem, np.unique(np.r_[few.left, few.right]))
    left, right, kept = few.left.tolist(), few.right.tolist(), rule.start(few)
    merged: list[tuple[int, int]] = []
    for begin, end in pairwise(bounds):
        span = slice(begin, end)
        merged += _merges(left[span], right[span], kept[span], size, rule, stop, forbidden)
    # Later merges come last, so that going backwards every set's final name is known before its parts ask for it.
    for survivor, gone in reversed(merged):
        labels[gone] = labels[survivor]
    return labels


def _merges(
    left: list[int],
    right: list[int],
    kept: list[Any],
    size: list[int],
    rule: Rule,
    stop: float,
    forbidden: _Forbidden,
) -> list[tuple[int, int]]:
    """Merges of one component, (survivor, gone); ``size`` and ``forbidden`` are brought up to date."""
    links: dict[int, dict[int, Any]] = {}
    queue: list[tuple[float, int, int]] = []
    for a, b, link in zip(left, right, kept, strict=True):
        links.setdefault(a, {})[b] = link
        links.setdefault(b, {})[a] = link
        value = rule.value(link, size[a], size[b])
        if value >= stop:
            queue.append((-value, a, b))
    heapq.heapify(queue)
    merges: list[tuple[int, int]] = []
    while queue:
        bound, a, b = heapq.heappop(queue)
        if a not in links or b not in links[a]:
            continue
        value = rule.value(links[a][b], size[a], size[b])
        if value < -bound:
            if value >= stop:
                heapq.heappush(queue, (-value, a, b))
            continue
        if not forbidden.allows(a, b, size[a] + size[b]):
            continue
        if len(links[a]) < len(links[b]):
            a, b = b, a
        merges.append((a, b))
        size[a] += size[b]
        forbidden.merge(a, b)
        gone, around = links.pop(b), links[a]
        del gone[a], around[b]
        for c, link in gone.items():
            del links[c][b]
            joined = rule.join(around[c], link) if c in around else link
            around[c] = links[c][a] = joined
            value = rule.value(joined, size[a], size[c])
            if value >= stop:
                heapq.heappush(queue, (-value, a, c) if a < c else (-value, c, a))
    return merges


class _Forbidden:
    """Which sets may not be merged, kept up to date as they are."""

    def __init__(self, problem: Problem, groups: NDArray[np.int64]) -> None:
        limits = problem.constraints
        self._max_size = limits.max_size
        self._apart: dict[int, set[int]] = {}
        self._sources: dict[int, set[int]] = {}
        for a, b in problem.members[limits.apart].tolist():
            self._apart.setdefault(a, set()).add(b)
            self._apart.setdefault(b, set()).add(a)
        if limits.source is not None:
            chosen = np.zeros(problem.count, dtype=np.bool_)
            chosen[groups] = True
            rows = np.flatnonzero(chosen[problem.members])
            for group, source in zip(problem.members[rows].tolist(), limits.source[rows].tolist(), strict=True):
                self._sources.setdefault(group, set()).add(source)

    def allows(self, a: int, b: int, size: int) -> bool:
        """Whether two sets may become one.

        Args:
            a: the one.
            b: the other.
            size: rows of both.
        """
        if self._max_size and size > self._max_size:
            return False
        if b in self._apart.get(a, ()):
            return False
        return not self._sources or self._sources[a].isdisjoint(self._sources[b])

    def merge(self, a: int, b: int) -> None:
        """Take what is forbidden to one set over to the other.

        Args:
            a: the set that stays.
            b: the set that goes.
        """
        for c in self._apart.pop(b, ()):
            self._apart[c].discard(b)
            self._apart[c].add(a)
            self._apart.setdefault(a, set()).add(c)
        if self._sources:
            self._sources[a] |= self._sources.pop(b)
