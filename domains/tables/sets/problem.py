"""The graph that a method works on: groups of rows in an order of their own, and the links between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from domains.tables.sets.constraints import Constraints
from domains.tables.sets.graph import PairGraph

__all__ = ["Problem", "connected"]


@dataclass(frozen=True, eq=False)
class Problem:
    """Groups of rows that stay together, and the known pairs of rows between them.

    Without must-links every group is a row. Pairs between components of the strong links are left out: no method could
    join these.

    Attributes:
        members: ``(n,)`` int64, group of each row.
        size: ``(m,)`` int64, rows of each group.
        left: ``(p,)`` int64, the smaller group of each link; each link stands once.
        right: ``(p,)`` int64, the larger one.
        total: ``(p,)`` float64, sum of the weights of the pairs of rows of a link.
        known: ``(p,)`` int64, number of these pairs of rows.
        weakest: ``(p,)`` float64, their least weight.
        strongest: ``(p,)`` float64, their greatest weight.
        evidence: ``(p,)`` float64, sum of their log-odds less those of the threshold.
        threshold: the least weight of a strong link, as float32 holds it.
        constraints: over groups' rows.
        seed: of methods that draw.
    """

    members: NDArray[np.int64]
    size: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    total: NDArray[np.float64]
    known: NDArray[np.int64]
    weakest: NDArray[np.float64]
    strongest: NDArray[np.float64]
    evidence: NDArray[np.float64]
    threshold: float
    constraints: Constraints
    seed: int

    @property
    def count(self) -> int:
        """Number of groups m."""
        return self.size.size

    @classmethod
    def of(
        cls, graph: PairGraph, members: NDArray[np.int64], threshold: float, constraints: Constraints, seed: int
    ) -> Problem:
        """Gather the pairs of rows by the groups they link.

        Args:
            graph: pairs of rows with weights.
            members: ``(n,)`` group of each row, 0 to m - 1.
            threshold: as float32 holds it, in [0, 1].
            constraints: over rows.
            seed: of methods that draw.
        """
        size = np.bincount(members)
        a, b = members[graph.left], members[graph.right]
        weight = graph.weight.astype(np.float64)
        inside = a != b
        a, b, weight = a[inside], b[inside], weight[inside]
        strong = weight >= threshold
        component = connected(size.size, a[strong], b[strong])
        inside = component[a] == component[b]
        low, high, weight = np.minimum(a, b)[inside], np.maximum(a, b)[inside], weight[inside]
        # Sorted by weight last, so that sums do not depend on the order of rows.
        order = np.lexsort((weight, high, low))
        low, high, weight = low[order], high[order], weight[order]
        first = np.flatnonzero(np.r_[True, (np.diff(low) != 0) | (np.diff(high) != 0)][: low.size])
        none = np.zeros(0)
        last = np.r_[first[1:], low.size][: first.size] - 1
        odds = _log_odds(weight) - _log_odds(np.array([threshold]))
        return cls(
            members,
            size,
            low[first],
            high[first],
            np.add.reduceat(weight, first) if first.size else none,
            np.diff(np.r_[first, low.size])[: first.size],
            weight[first],
            weight[last],
            np.add.reduceat(odds, first) if first.size else none,
            threshold,
            constraints,
            seed,
        )

    def keep(self, links: NDArray[np.bool_] | NDArray[np.intp]) -> Problem:
        """The problem with some of its links.

        Args:
            links: ``(p,)`` whether each is kept, or positions of those that are, in their new order.
        """
        return replace(
            self,
            left=self.left[links],
            right=self.right[links],
            total=self.total[links],
            known=self.known[links],
            weakest=self.weakest[links],
            strongest=self.strongest[links],
            evidence=self.evidence[links],
        )

    def strong(self) -> Problem:
        """The problem with the links alone that hold a pair of rows of at least the threshold."""
        return self.keep(self.strongest >= self.threshold)

    def components(self) -> NDArray[np.int64]:
        """``(m,)`` int64 component of each group over all links, numbered by the first group."""
        return connected(self.count, self.left, self.right)

    def complete(self, component: NDArray[np.int64]) -> NDArray[np.bool_]:
        """``(components,)`` whether all pairs of rows of different groups are known and strong, and no limit is broken.

        Such a component is one set by every method.

        Args:
            component: ``(m,)`` of `components`.
        """
        count = int(component.max(initial=-1)) + 1
        rows = np.bincount(component, self.size, count)
        within = np.bincount(component, self.size.astype(np.float64) ** 2, count)
        of_link = component[self.left]
        known = np.bincount(of_link, self.known, count)
        weakest = np.ones(count)
        np.minimum.at(weakest, of_link, self.weakest)
        result: NDArray[np.bool_] = (2 * known == rows**2 - within) & (weakest >= self.threshold)
        if self.constraints:
            result &= ~self.constraints.broken(component[self.members])
        return result

    def parts(self) -> Iterator[tuple[NDArray[np.int64], csr_array]]:
        """Components of the strong links that are not plainly one set: their groups, and the matrix of total weights.

        Yields:
            ``(k,)`` groups in ascending order, and ``(k, k)`` symmetric weights.
        """
        strong = self.strong()
        component = strong.components()
        skip = strong.complete(component) | (np.bincount(component) < 3)
        chosen = np.flatnonzero(~skip[component])
        chosen = chosen[np.argsort(component[chosen], kind="stable")]
        place = np.empty(self.count, dtype=np.int64)
        link = np.flatnonzero(~skip[component[strong.left]])
        link = link[np.argsort(component[strong.left[link]], kind="stable")]
        groups = np.split(chosen, np.flatnonzero(np.diff(component[chosen])) + 1)
        links = np.split(link, np.flatnonzero(np.diff(component[strong.left[link]])) + 1)
        for group, edges in zip(groups, links, strict=True):
            if group.size == 0:
                return
            place[group] = np.arange(group.size)
            cells = (place[strong.left[edges]], place[strong.right[edges]])
            half = coo_array((strong.total[edges], cells), shape=(group.size, group.size))
            yield group, csr_array(half + half.T)


def connected(count: int, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """``(n,)`` int64 connected component of each node, numbered by the first node.

    Args:
        count: number of nodes n.
        left: ``(p,)`` one end of each link.
        right: ``(p,)`` the other.
    """
    links = coo_array((np.ones(left.size, dtype=np.int8), (left, right)), shape=(count, count))
    return connected_components(links.tocsr(), directed=False)[1].astype(np.int64)


def _log_odds(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    # No score is surer than one in a hundred: else one certain pair would outweigh any number of doubts.
    clipped = np.clip(probability, 0.01, 0.99)
    return np.log(clipped) - np.log1p(-clipped)
