"""Data that need no download: graphs built from the real data sets that scikit-learn ships."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.neighbors import kneighbors_graph
from sklearn.preprocessing import StandardScaler

from domains.graphs.app import EMBEDDED
from domains.graphs.data.assemble import graph_from_arrays
from domains.graphs.data.edges import clean_edges
from domains.graphs.data.graph import GraphData, GraphSet

__all__ = ["EMBEDDED", "embedded"]

_LICENCE = "BSD-3-Clause (scikit-learn); data: UCI, CC BY 4.0"
# name: loader, neighbours, labelled nodes for training and validation; the counts are those of LDS and IDGL
# (Franceschi et al. 2019, arXiv 1903.11960; Chen et al. 2020, arXiv 2006.13009) [memory]
_KNN: dict[str, tuple[Callable[..., Any], int, int, int]] = {
    "digits-knn": (load_digits, 15, 50, 100),
    "wine-knn": (load_wine, 15, 10, 20),
    "cancer-knn": (load_breast_cancer, 15, 10, 20),
}


def embedded(name: str) -> GraphData | GraphSet:
    """Build an embedded data set; the same arrays at every call.

    The ``-knn`` sets: features standardised by column, 15 nearest neighbours by Euclidean distance, edges undirected.
    The features also make the edges, so a graph adds structure but no information: a hard test for what a method gains
    over a probe on raw features. Training nodes: the first ones of a stratified shuffle with seed 0, 50 / 10 / 10 of
    them; validation 100 / 20 / 20; the rest tests.

    ``digits-graphs``: the first 600 digits; a node for each pixel of ink (value 4 of 16 or more), edges between the
    eight neighbours, features ink, row and column scaled to [0, 1].

    Args:
        name: a key of `EMBEDDED`.
    """
    if name == "digits-graphs":
        return _digit_graphs()
    load, neighbours, train, val = _KNN[name]
    x, y = load(return_X_y=True)
    x = StandardScaler().fit_transform(x).astype(np.float32)
    near = kneighbors_graph(x, neighbours).tocoo()
    graph = graph_from_arrays(
        name,
        x,
        np.stack([near.row, near.col], 1),
        y,
        name=name,
        log_repeats=False,  # mutual neighbours
        facts={"licence": _LICENCE, "source": f"sklearn.datasets.{load.__name__}"},
    )
    order = _stratified_order(torch.from_numpy(y.astype(np.int64)))
    parts = (order[:train], order[train : train + val], order[train + val :])
    return graph.with_split(*(part.sort().values for part in parts))


def _stratified_order(y: torch.Tensor) -> torch.Tensor:
    """A random order in which every prefix holds the classes about evenly by their share."""
    shuffled = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
    position = torch.empty(len(y))
    for label in y.unique().tolist():
        members = shuffled[y[shuffled] == label]
        position[members] = (torch.arange(len(members)) + 0.5) / len(members)
    return torch.argsort(position, stable=True)


def _digit_graphs() -> GraphSet:
    digits = load_digits()
    ink = torch.from_numpy(digits.images[:600]).float()  # (600, 8, 8), values 0..16
    on = ink >= 4
    graph, row, column = on.nonzero(as_tuple=True)
    number = torch.full((600, 10, 10), -1)  # a rim of -1 spares the border cases
    number[graph, row + 1, column + 1] = torch.arange(len(graph))
    pairs = []
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            if (down, right) != (0, 0):
                other = number[graph, row + 1 + down, column + 1 + right]
                there = other >= 0
                pairs.append(torch.stack([torch.arange(len(graph))[there], other[there]]))
    edge_index, _, _ = clean_edges(torch.cat(pairs, 1), len(graph))
    pointer = torch.zeros(601, dtype=torch.int64)
    torch.cumsum(graph.bincount(minlength=600), 0, out=pointer[1:])
    x = torch.stack([ink[on] / 16, row / 7, column / 7], 1)
    return GraphSet(
        x,
        edge_index,
        pointer,
        torch.from_numpy(digits.target[:600].astype(np.int64)),
        name="digits-graphs",
        facts={"licence": _LICENCE, "source": "sklearn.datasets.load_digits"},
    )
