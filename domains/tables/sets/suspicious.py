"""Sets that a person should look at first, each with a reason in words and a cut to start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.errors import UserError
from domains.tables.sets.constraints import as_sources
from domains.tables.sets.discover import discover_sets
from domains.tables.sets.graph import PairGraph
from domains.tables.sets.problem import connected
from domains.tables.sets.weak_spots import set_links, weak_spot

__all__ = ["Reason", "SuspiciousSet", "suspicious_sets"]

Reason = Literal["chain", "weak_bridge", "sparse", "large", "same_source"]
"""Why a set is suspicious, the gravest first."""

LEAST_LARGE = 20
"""No set of so few rows is called large or a chain."""
TIMES_USUAL = 3
"""A set is large that has more rows than so many times those of 99 in 100 other sets of two or more."""
CHAIN_SHARE = 0.05
"""A sparse set with more than this share of all rows is called a chain."""
SPARSE = 0.5
"""A set of four rows or more is sparse where fewer than this share of its pairs are linked."""


@dataclass(frozen=True, eq=False)
class SuspiciousSet:
    """One reason to doubt one set.

    Attributes:
        label: of the set.
        reason: what is odd.
        rows: ``(s,)`` int64, rows of the set in ascending order.
        sentence: for a person; rows are named by their numbers.
        cut: ``(k, 2)`` int64, linked pairs that the suggested cut takes apart, the left row first.
        parts: rows of each set after the suggested cut, the largest first; empty where no cut is suggested.
    """

    label: int
    reason: Reason
    rows: NDArray[np.int64]
    sentence: str
    cut: NDArray[np.int64]
    parts: tuple[NDArray[np.int64], ...]


def suspicious_sets(
    graph: PairGraph,
    labels: NDArray[np.int64],
    sources: Sequence[Any] | NDArray[Any] | None = None,
    *,
    threshold: float = 0.5,
    margin: float = 0.1,
) -> list[SuspiciousSet]:
    """Sets that may hold more than one thing: huge, held by a weak link, sparse, or with several rows of one source.

    - chain: a sparse set of more than 20 rows and of more than a twentieth of all; one false pair after another has
      merged everything. The cut raises the threshold until no part has more than half of the rows.
    - weak_bridge: one link, or the links of one row, alone join two parts of two rows or more, and none of them reaches
      ``threshold + margin``.
    - sparse: fewer than half of the pairs are linked, in a set of four rows or more. The cut is average linkage inside.
    - large: more than 20 rows, and than three times those of 99 in 100 other sets of two or more. The cut is the same.
    - same_source: two or more rows of a source, where there are several sources: in a single one duplicates are what is
      looked for. The cut leaves one of each source in a set.

    Linear time, but for the logarithms of sorting. Copies (`PairGraph.copies`) are left out, and
    the sentence says how many there are.

    Args:
        graph: pairs of rows with probabilities.
        labels: ``(n,)`` int64, set of each row, at least 0.
        sources: ``(n,)`` name of each row's source; without it no set is called "same_source".
        threshold: the least probability that links two rows, in [0, 1].
        margin: links below ``threshold + margin`` are weak, >= 0.

    Returns:
        The gravest reason first, in each the largest set first. A set may stand here for several reasons; a
        chain is not called sparse or large too.

    Raises:
        UserError: another number of labels or sources than rows, a threshold or margin out of range.

    >>> pairs = np.array([[0, 1, 0.9], [1, 2, 0.55], [2, 3, 0.9]])
    >>> graph = PairGraph.of(4, pairs[:, 0].astype(int), pairs[:, 1].astype(int), pairs[:, 2])
    >>> print(suspicious_sets(graph, np.zeros(4, dtype=np.int64))[0].sentence)
    Only the pair 1-2 (0.55) joins the 2 rows 2, 3 to the other 2.
    """
    n = graph.count
    if labels.shape != (n,) or (n and labels.min() < 0):
        raise UserError(f"labels must be one number from 0 for each of the {n} rows, got the shape {labels.shape}")
    if not 0 <= threshold <= 1 or not margin >= 0:
        raise UserError(f"threshold must be in [0, 1] and margin >= 0, got {threshold} and {margin}")
    names = None if sources is None else np.asarray(sources)
    code = None if sources is None else as_sources(sources, n)
    copied = graph.copies[:, 1]
    more = np.bincount(labels[copied], minlength=1)
    labels = labels.copy()
    labels[copied] = int(labels.max(initial=-1)) + 1 + np.arange(len(copied))
    strong = graph.above(threshold)
    inside = labels[strong.left] == labels[strong.right]
    inner = PairGraph(n, strong.left[inside], strong.right[inside], strong.weight[inside])
    finder = _Finder(inner, labels, threshold, margin)
    found = finder.by_links()
    if code is not None and names is not None and code.max(initial=0) > 0:
        found += finder.by_source(code, names)
    found = [_with_copies(one, int(more[one.label])) if one.label < len(more) else one for one in found]
    rank = {reason: i for i, reason in enumerate(("chain", "weak_bridge", "sparse", "large", "same_source"))}
    return sorted(found, key=lambda s: (rank[s.reason], -s.rows.size, s.label))


def _with_copies(one: SuspiciousSet, more: int) -> SuspiciousSet:
    words = f"{one.sentence} Besides these rows, {more} more are the same as one of them in every column."
    return replace(one, sentence=words) if more else one


class _Finder:
    """All sets of one labelling, and the links inside them."""

    def __init__(self, inner: PairGraph, labels: NDArray[np.int64], threshold: float, margin: float) -> None:
        self.inner, self.labels, self.threshold, self.margin = inner, labels, threshold, margin
        sizes = np.bincount(labels)
        others = np.sort(sizes[sizes > 1])[:-1]
        usual = float(np.percentile(others, 99)) if others.size else 0.0
        self._large = max(LEAST_LARGE, TIMES_USUAL * usual)
        self._place = np.empty(labels.size, dtype=np.int64)

    @cached_property
    def _average(self) -> NDArray[np.int64]:
        """Average linkage inside all sets at once: components do not touch each other."""
        return discover_sets(self.inner, threshold=self.threshold)

    def by_links(self) -> list[SuspiciousSet]:
        """Chains, weak bridges, sparse and large sets."""
        found: list[SuspiciousSet] = []
        for rows, links in set_links(self.labels, self.inner.left):
            pairs = rows.size * (rows.size - 1) // 2
            sparse = rows.size >= 4 and links.size < SPARSE * pairs
            if sparse and rows.size > max(LEAST_LARGE, CHAIN_SHARE * self.labels.size):
                found.append(self._chain(rows, links))
            else:
                if rows.size > self._large:
                    found.append(self._loose(rows, links, "large", f"Its {rows.size} rows are far more than usual"))
                if sparse:
                    words = f"Only {links.size} of the {pairs} pairs of its {rows.size} rows are linked"
                    found.append(self._loose(rows, links, "sparse", words))
            if rows.size >= 4 and links.size < pairs and (spot := self._weak(rows, links)) is not None:
                found.append(spot)
        return found

    def by_source(self, code: NDArray[np.int64], names: NDArray[Any]) -> list[SuspiciousSet]:
        """Sets with several rows of one source.

        Args:
            code: ``(n,)`` number of each row's source.
            names: ``(n,)`` its name.
        """
        order = np.lexsort((code, self.labels))
        twice = (np.diff(self.labels[order]) == 0) & (np.diff(code[order]) == 0)
        several = np.zeros(int(self.labels.max(initial=-1)) + 1, dtype=np.bool_)
        several[self.labels[order[1:][twice]]] = True
        chosen = several[self.labels]
        rows, place = np.flatnonzero(chosen), np.cumsum(chosen) - 1
        kept = chosen[self.inner.left]
        left, right, weight = self.inner.left[kept], self.inner.right[kept], self.inner.weight[kept]
        among = PairGraph(rows.size, place[left], place[right], weight)
        part = discover_sets(among, threshold=self.threshold, sources=code[rows], one_per_source=True)
        found: list[SuspiciousSet] = []
        for members, links in set_links(self.labels[rows], among.left):
            kinds, count = np.unique(code[rows[members]], return_counts=True)
            most = int(count.argmax())
            name = names[rows[members[code[rows[members]] == kinds[most]][0]]]
            sentence = f"{count[most]} of its {members.size} rows come from one source, {name}."
            ends = left[links], right[links]
            found.append(self._suspicious(rows[members], ends, "same_source", sentence, part[members]))
        return found

    def _weak(self, rows: NDArray[np.int64], links: NDArray[np.int64]) -> SuspiciousSet | None:
        left, right, weight = self._local(rows, links)
        if connected(rows.size, left, right).any():
            # A must-link holds it together: somebody has looked at it.
            return None
        spot = weak_spot(rows.size, left, right, weight, self.threshold + self.margin)
        if spot is None:
            return None
        side = rows[spot.side]
        if spot.node < 0:
            a, b = self.inner.left[links[spot.links[0]]], self.inner.right[links[spot.links[0]]]
            how = f"the pair {a}-{b} ({spot.strongest:.2f})"
        else:
            how = f"row {rows[spot.node]}, by pairs of at most {spot.strongest:.2f},"
        sentence = f"Only {how} joins the {side.size} rows {_listed(side)} to the other {rows.size - side.size}."
        part = np.zeros(rows.size, dtype=np.int64)
        part[spot.side] = 1
        return self._suspicious(rows, self._ends(links), "weak_bridge", sentence, part)

    def _chain(self, rows: NDArray[np.int64], links: NDArray[np.int64]) -> SuspiciousSet:
        left, right, weight = self._local(rows, links)
        steps = np.unique(weight)
        # The lowest step above which the links leave no part with more than half of the rows.
        low, high = 0, max(steps.size - 1, 0)
        while low < high:
            middle = (low + high) // 2
            kept = weight > steps[middle]
            if 2 * np.bincount(connected(rows.size, left[kept], right[kept])).max() <= rows.size:
                high = middle
            else:
                low = middle + 1
        start = f"Merging these {rows.size} of all {self.labels.size} rows would chain everything together"
        if low + 1 >= steps.size:
            part = np.zeros(rows.size, dtype=np.int64)
            end = "no threshold breaks the chain, look at its links."
        else:
            kept = weight > steps[low]
            part = connected(rows.size, left[kept], right[kept])
            end = f"pairs of at least {steps[low + 1]:.2f} alone leave {int(part.max()) + 1} sets."
        return self._suspicious(rows, self._ends(links), "chain", f"{start}; {end}", part)

    def _loose(self, rows: NDArray[np.int64], links: NDArray[np.int64], reason: Reason, words: str) -> SuspiciousSet:
        part = self._average[rows]
        count = np.unique(part).size
        end = f"average linkage makes {count} sets of it." if count > 1 else "but average linkage keeps it whole."
        return self._suspicious(rows, self._ends(links), reason, f"{words}; {end}", part)

    def _suspicious(
        self,
        rows: NDArray[np.int64],
        ends: tuple[NDArray[np.int64], NDArray[np.int64]],
        reason: Reason,
        sentence: str,
        part: NDArray[np.int64],
    ) -> SuspiciousSet:
        """The record of a set; ``part`` numbers where each row goes, ``ends`` are the rows of its links."""
        order = np.argsort(part, kind="stable")
        parts = np.split(rows[order], np.flatnonzero(np.diff(part[order])) + 1)
        parts.sort(key=lambda p: (-p.size, int(p[0])))
        self._place[rows] = part
        apart = self._place[ends[0]] != self._place[ends[1]]
        cut = np.stack([ends[0][apart], ends[1][apart]], axis=1)
        label = int(self.labels[rows[0]])
        return SuspiciousSet(label, reason, rows, sentence, cut, tuple(parts) if len(parts) > 1 else ())

    def _ends(self, links: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return self.inner.left[links], self.inner.right[links]

    def _local(
        self, rows: NDArray[np.int64], links: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Ends of links as positions in ``rows``, and their weights."""
        self._place[rows] = np.arange(rows.size)
        left, right = self._ends(links)
        return self._place[left], self._place[right], self.inner.weight[links]


def _listed(rows: NDArray[np.int64]) -> str:
    shown = ", ".join(map(str, rows[:5].tolist()))
    return shown if rows.size <= 5 else f"{shown} ..."
