"""Louvain: communities of high modularity."""

from __future__ import annotations

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from domains.tables.sets.problem import Problem

__all__ = ["louvain"]


def louvain(problem: Problem) -> NDArray[np.int64]:
    """Louvain communities (Blondel et al. 2008, arXiv 0803.0476), inside each component.

    Modularity compares with the weights of the whole graph; in a graph of many small components it would then merge
    all that is linked at all. Here each component is a graph of its own.

    Args:
        problem: the graph.

    Returns:
        ``(m,)`` int64, set of each group.
    """
    labels = problem.strong().components()
    split = problem.count
    for groups, weight in problem.parts():
        graph = nx.from_scipy_sparse_array(weight)
        for members in nx.community.louvain_communities(graph, weight="weight", seed=problem.seed):
            labels[groups[list(members)]] = split
            split += 1
    return labels
