"""The weakest place at which a set falls in two."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from domains.tables.sets.bridges import joints

__all__ = ["WeakSpot", "set_links", "weak_spot"]


@dataclass(frozen=True, eq=False)
class WeakSpot:
    """Links that alone join two sides of a set.

    Attributes:
        links: ``(k,)`` int64, positions of the links, all at one row or one link alone.
        side: ``(s,)`` int64, nodes of the smaller side, in ascending order.
        strongest: their greatest weight.
        node: the node that all links share, -1 for a bridge.
    """

    links: NDArray[np.int64]
    side: NDArray[np.int64]
    strongest: float
    node: int


def weak_spot(
    count: int, left: NDArray[np.int64], right: NDArray[np.int64], weight: NDArray[np.floating], below: float
) -> WeakSpot | None:
    """The bridge, or the cut vertex with its links to one side, of the least weight; of equal ones the most even.

    Sides have two nodes or more: a single weak pair is a doubtful pair, not a doubtful set.

    Args:
        count: number of nodes n of a connected graph.
        left: ``(p,)`` one end of each link.
        right: ``(p,)`` the other.
        weight: ``(p,)`` of each link.
        below: links that hold are at least this strong.

    Returns:
        The spot, or None where all sides are held by a link of at least ``below``.
    """
    walk, found = joints(count, left.tolist(), right.tolist(), least=2)
    if not found:
        return None
    place = np.empty(count, dtype=np.int64)
    place[walk] = np.arange(count)
    # Links of each node by where the other end stands in the walk: those to one side are neighbours in this list.
    ends = np.r_[place[left], place[right]], np.r_[place[right], place[left]]
    number = coo_array((np.tile(np.arange(left.size), 2) + 1, ends), shape=(count, count)).tocsr()
    number.sort_indices()
    best: tuple[float, int, int] | None = None
    spot: WeakSpot | None = None
    for joint in found:
        links = np.array([joint.link])
        if joint.node >= 0:
            row = slice(number.indptr[place[joint.node]], number.indptr[place[joint.node] + 1])
            start, stop = np.searchsorted(number.indices[row], [joint.begin, joint.end])
            links = number.data[row][start:stop] - 1
        strongest = float(weight[links].max())
        inside = joint.end - joint.begin
        rank = (strongest, -min(inside, count - inside), joint.begin)
        if strongest >= below or (best is not None and rank >= best):
            continue
        beyond = np.array(walk[joint.begin : joint.end], dtype=np.int64)
        if 2 * inside > count:
            beyond = np.setdiff1d(np.arange(count), beyond)
        best, spot = rank, WeakSpot(np.sort(links), np.sort(beyond), strongest, joint.node)
    return spot


def set_links(
    labels: NDArray[np.int64], left: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows and links of each set of two rows or more.

    Args:
        labels: ``(n,)`` set of each row.
        left: ``(p,)`` one row of each link inside a set.

    Yields:
        The set's rows in ascending order, positions of its links.
    """
    rows, links = np.argsort(labels, kind="stable"), np.argsort(labels[left], kind="stable")
    names, size = np.unique(labels, return_counts=True)
    names, of_row, of_link = names[size > 1], labels[rows], labels[left][links]
    bounds = [np.searchsorted(of, names, side=side) for of in (of_row, of_link) for side in ("left", "right")]
    for a, b, c, d in zip(*(bound.tolist() for bound in bounds), strict=True):
        yield rows[a:b], links[c:d]
