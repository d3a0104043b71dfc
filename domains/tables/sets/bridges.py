"""Links and nodes that alone hold a graph together, found in linear time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Joint", "joints"]


@dataclass(frozen=True)
class Joint:
    """A place where a connected graph falls in two.

    Attributes:
        link: number of the link whose loss does it (a bridge), or -1.
        node: the node whose loss does it (a cut vertex), or -1 for a bridge.
        begin: the nodes of one side, without ``node``, stand in the walk from here ...
        end: ... to before here.
    """

    link: int
    node: int
    begin: int
    end: int


def joints(count: int, left: Sequence[int], right: Sequence[int], *, least: int = 1) -> tuple[list[int], list[Joint]]:
    """Bridges and cut vertices of a connected graph (Hopcroft and Tarjan 1973), each with what lies beyond it.

    One depth-first walk, without recursion, in time and memory linear in nodes and links. A cut vertex has an entry
    for each part below it that is not behind a bridge.

    Args:
        count: number of nodes n, at least 1.
        left: one end of each link; no link twice, no loops.
        right: the other.
        least: fewest nodes on either side; others are left out.

    Returns:
        All nodes in the order of the walk, and the joints.

    >>> joints(4, [0, 0, 1, 2], [1, 2, 2, 3])
    ([0, 1, 2, 3], [Joint(link=3, node=-1, begin=3, end=4)])
    """
    around: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    for link, (a, b) in enumerate(zip(left, right, strict=True)):
        around[a].append((b, link))
        around[b].append((a, link))
    entered, low, done = [-1] * count, [0] * count, [0] * count
    entered[0] = 0
    walk = [0]
    stack = [(0, -1)]
    result: list[Joint] = []
    while stack:
        node, above = stack[-1]
        if done[node] < len(around[node]):
            other, link = around[node][done[node]]
            done[node] += 1
            if link == above:
                continue
            if entered[other] >= 0:
                low[node] = min(low[node], entered[other])
                continue
            entered[other] = low[other] = len(walk)
            walk.append(other)
            stack.append((other, link))
            continue
        stack.pop()
        if not stack:
            break
        parent = stack[-1][0]
        low[parent] = min(low[parent], low[node])
        # What is below a node is what was walked since it was entered.
        begin, end = entered[node], len(walk)
        if low[node] > entered[parent]:
            if least <= end - begin <= count - least:
                result.append(Joint(above, -1, begin, end))
        elif low[node] == entered[parent] and least <= end - begin <= count - 1 - least:
            result.append(Joint(-1, parent, begin, end))
    return walk, result
