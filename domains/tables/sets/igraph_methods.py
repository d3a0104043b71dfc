"""Leiden and Infomap, from the optional package igraph."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import UserError
from domains.tables.sets.problem import Problem

__all__ = ["infomap", "leiden"]


def leiden(problem: Problem) -> NDArray[np.int64]:
    """Leiden communities by modularity (Traag et al. 2019, arXiv 1810.08473), until nothing changes, inside components.

    Args:
        problem: the graph.

    Returns:
        ``(m,)`` int64, set of each group.

    Raises:
        UserError: igraph is not installed.
    """
    return _communities(
        problem,
        "leiden",
        lambda graph: graph.community_leiden(objective_function="modularity", weights="weight", n_iterations=-1),
    )


def infomap(problem: Problem) -> NDArray[np.int64]:
    """Infomap (Rosvall and Bergstrom 2008, arXiv 0707.0609): the shortest two-level code of a random walk.

    Best of 10 trials, inside components. Rows without links are sets of their own.

    Args:
        problem: the graph.

    Returns:
        ``(m,)`` int64, set of each group.

    Raises:
        UserError: igraph is not installed.
    """
    return _communities(problem, "infomap", lambda graph: graph.community_infomap(edge_weights="weight", trials=10))


def _communities(problem: Problem, method: str, find: Any) -> NDArray[np.int64]:
    try:
        igraph = import_module("igraph")
    except ImportError as error:
        raise UserError(
            f"{method} needs the package igraph, which is optional because its licence is the GPL; "
            "pip install 'counterpoint[igraph]', or choose louvain"
        ) from error
    labels = problem.strong().components()
    split = problem.count
    with _seeded(igraph, problem.seed):
        for groups, matrix in problem.parts():
            half = matrix.tocoo()
            upper = half.coords[0] < half.coords[1]
            edges = np.stack([half.coords[0][upper], half.coords[1][upper]], axis=1)
            graph = igraph.Graph(n=groups.size, edges=edges.tolist(), edge_attrs={"weight": half.data[upper].tolist()})
            part = np.array(find(graph).membership, dtype=np.int64)
            labels[groups] = split + part
            split += int(part.max()) + 1
    return labels


@contextmanager
def _seeded(igraph: Any, seed: int) -> Iterator[None]:
    """The package draws from a generator of its own for all callers; afterwards it is Python's again, as by default."""
    igraph.set_random_number_generator(random.Random(seed))
    try:
        yield
    finally:
        igraph.set_random_number_generator(random)
