"""Label propagation: each row takes over the label that weighs most among its neighbours."""

from __future__ import annotations

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from domains.tables.sets.problem import Problem

__all__ = ["label_propagation"]


def label_propagation(problem: Problem) -> NDArray[np.int64]:
    """Asynchronous label propagation with weights (Raghavan et al. 2007, arXiv 0709.2938), until nothing changes.

    Args:
        problem: the graph; its seed draws the order of rows and settles ties.

    Returns:
        ``(m,)`` int64, set of each group.
    """
    labels = problem.strong().components()
    split = problem.count
    for groups, weight in problem.parts():
        graph = nx.from_scipy_sparse_array(weight)
        for members in nx.community.asyn_lpa_communities(graph, weight="weight", seed=problem.seed):
            labels[groups[list(members)]] = split
            split += 1
    return labels
