"""From what a file holds to a checked `GraphData` or `GraphSet`."""

import logging
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse
from torch import Tensor

from core.errors import UserError
from domains.graphs.data.edges import clean_edges, degree
from domains.graphs.data.graph import GraphData, GraphSet

__all__ = ["features_of_set", "graph_from_arrays", "set_from_arrays"]

_log = logging.getLogger(__name__)
_DENSE_BYTES = 256 * 2**20
_MOST_DEGREES = 400


def graph_from_arrays(
    source: str,
    x: Any,
    edges: NDArray[Any],
    y: NDArray[Any] | None = None,
    *,
    name: str,
    log_repeats: bool = True,
    **rest: Any,
) -> GraphData:
    """Build one graph: undirected, without loops or repeats, features dense unless that would take over 256 MB.

    Args:
        source: file or folder, for messages.
        x: (|V|, d) array or scipy sparse matrix.
        edges: (e, 2) integer pairs, each edge in one or both directions.
        y: (|V|,) class of each node, -1 for none.
        name: of the graph.
        log_repeats: report edges that stand more than once.
        **rest: further fields of `GraphData`.

    Raises:
        UserError: no nodes, no features, edges to nodes that are not there, values that are not finite, labels that are
            not one class number per node or all the same, parts of a split that overlap.
    """
    nodes, width = int(x.shape[0]), int(x.shape[1])
    if nodes == 0:
        raise UserError(f"{source} holds no node")
    if width == 0:
        raise UserError(f"{source} holds no feature column; give at least one (for example the degree)")
    sparse: Any = x if issparse(x) else None
    values = np.asarray(x) if sparse is None else sparse.data
    if not np.isfinite(values).all():
        row = int(np.argwhere(~np.isfinite(np.asarray(x.sum(1)).reshape(-1)))[0, 0])
        raise UserError(f"{source}: node {row} has a feature that is NaN or infinite; fill or drop it")
    edge_index = torch.from_numpy(np.array(np.asarray(edges).reshape(-1, 2).T, dtype=np.int64, order="C"))
    outside = (edge_index < 0) | (edge_index >= nodes)
    if outside.any():
        edge = int(outside.any(0).nonzero()[0])
        pair = edge_index[:, edge].tolist()
        raise UserError(f"{source}: edge {edge} joins {pair[0]} and {pair[1]}, but nodes go from 0 to {nodes - 1}")
    clean, loops, repeats = clean_edges(edge_index, nodes)
    if loops:
        _log.info("%s: %d self-loops left out (encoders add one per node)", source, loops)
    # each edge in both directions is the usual form of an undirected graph, and nothing to report
    if repeats and repeats * 2 != edge_index.shape[1] - loops and log_repeats:
        _log.info("%s: %d repeated edges left out; the graph is read as undirected", source, repeats)
    labels = None if y is None else _labels(source, np.asarray(y), nodes)
    _check_split(source, nodes, {part: rest.get(f"{part}_index") for part in ("train", "val", "test")})
    return GraphData(_features(x, nodes * width * 4), clean, labels, name=name, **rest)


def _labels(source: str, y: NDArray[Any], nodes: int) -> Tensor:
    if y.shape != (nodes,):
        raise UserError(f"{source}: {y.size} labels for {nodes} nodes; give one class number per node, -1 for none")
    broken = ~np.isfinite(y) | (y != np.round(y))
    if broken.any():
        node = int(broken.argmax())
        raise UserError(
            f"{source}: labels must be whole numbers, node {node} has {y[node]}; number the classes 0, 1, ..."
        )
    if (y < -1).any():
        node = int((y < -1).argmax())
        raise UserError(f"{source}: label {y[node]} of node {node}; classes are 0, 1, ..., and -1 means none")
    known = np.unique(y[y >= 0])
    if len(known) == 1:
        raise UserError(f"{source}: all nodes have the label {known[0]}; a classification needs two classes")
    return torch.from_numpy(np.array(y, dtype=np.int64))


def _check_split(source: str, nodes: int, parts: dict[str, Tensor | None]) -> None:
    """What is learned from must not be what is tested on."""
    owner = torch.full((nodes,), -1)
    names = list(parts)
    for number, (name, index) in enumerate(parts.items()):
        if index is None:
            continue
        outside = (index < 0) | (index >= nodes)
        if outside.any():
            raise UserError(f"{source}: the {name} part names node {int(index[outside][0])}, there are {nodes} nodes")
        taken = index[owner[index] >= 0]
        if len(taken):
            other = names[int(owner[taken[0]])]
            raise UserError(f"{source}: node {int(taken[0])} is in the {other} and in the {name} part; give it to one")
        owner[index] = number


def _features(x: Any, dense_bytes: int) -> Tensor:
    if isinstance(x, np.ndarray):
        return torch.from_numpy(np.array(x, dtype=np.float32, order="C"))  # a copy: pandas hands out read-only views
    if dense_bytes <= _DENSE_BYTES:
        return torch.from_numpy(x.toarray().astype(np.float32))
    matrix: Any = csr_matrix(x)  # type: ignore[call-overload, unused-ignore]
    matrix.sort_indices()
    return torch.sparse_csr_tensor(
        torch.from_numpy(matrix.indptr.astype(np.int64)),
        torch.from_numpy(matrix.indices.astype(np.int64)),
        torch.from_numpy(matrix.data.astype(np.float32)),
        size=matrix.shape,
        check_invariants=True,
    )


def set_from_arrays(
    source: str,
    node_ptr: NDArray[Any],
    edges: NDArray[Any],
    graph_label: NDArray[Any] | None,
    node_label: NDArray[Any] | None,
    *,
    name: str,
    attributes: NDArray[Any] | None = None,
    **rest: Any,
) -> GraphSet:
    """Build a set of graphs with the features that GraphMAE's protocol gives it (`features_of_set`).

    Args:
        source: file or folder, for messages.
        node_ptr: (g + 1,) first node of each graph.
        edges: (e, 2) pairs of global node numbers.
        graph_label: (g,) any integer codes; they are numbered 0, 1, ... in ascending order.
        node_label: (|V|,) integer codes.
        name: of the set.
        attributes: (|V|, d) continuous features; used only if the nodes have no labels.
        **rest: further fields of `GraphSet`.

    Raises:
        UserError: no graph, edges between graphs, labels with one class, features that are not finite.
    """
    if len(node_ptr) < 2:
        raise UserError(f"{source} holds no graph")
    nodes = int(node_ptr[-1])
    edge_index = torch.from_numpy(np.ascontiguousarray(np.asarray(edges, dtype=np.int64).reshape(-1, 2).T))
    outside = edge_index[(edge_index < 0) | (edge_index >= nodes)]
    if len(outside):
        raise UserError(f"{source}: an edge names node {int(outside[0])}, but nodes go from 0 to {nodes - 1}")
    pointer = torch.from_numpy(np.asarray(node_ptr, dtype=np.int64))
    graph_of = torch.bucketize(edge_index, pointer, right=True)
    across = graph_of[0] != graph_of[1]
    if across.any():
        pair = edge_index[:, int(across.nonzero()[0])].tolist()
        raise UserError(f"{source}: the edge {pair[0]}-{pair[1]} joins two different graphs")
    clean, _, _ = clean_edges(edge_index, nodes)
    y = None
    if graph_label is not None:
        codes, numbered = np.unique(graph_label, return_inverse=True)
        if len(codes) < 2:
            raise UserError(f"{source}: all graphs have the label {codes[0]}; a classification needs two classes")
        y = torch.from_numpy(numbered.astype(np.int64))
        rest.setdefault("class_names", tuple(str(c) for c in codes))
    x = features_of_set(clean, nodes, node_label, attributes)
    if not torch.isfinite(x).all():
        node = int((~torch.isfinite(x)).any(1).nonzero()[0])
        raise UserError(f"{source}: node {node} has a feature that is NaN or infinite; fill or drop it")
    return GraphSet(x, clean, pointer, y, name=name, **rest)


def features_of_set(
    edge_index: Tensor, num_nodes: int, node_label: NDArray[Any] | None, attributes: NDArray[Any] | None
) -> Tensor:
    """One-hot node labels if there are at least two; else the attributes; else one-hot degrees.

    The degree is taken before self-loops and capped at 400, and the width is that of the whole set, so that all its
    graphs share it: min(largest degree, 400) + 1. Node labels win over continuous attributes, as in the protocol of
    GraphMAE (PROTEINS has both).
    """
    if node_label is not None and len(np.unique(node_label)) > 1:
        codes, numbered = np.unique(node_label, return_inverse=True)
        return torch.nn.functional.one_hot(torch.from_numpy(numbered.astype(np.int64)), len(codes)).float()
    if attributes is not None:
        return torch.from_numpy(np.ascontiguousarray(attributes, dtype=np.float32))
    capped = degree(edge_index, num_nodes).clamp(max=_MOST_DEGREES)
    return torch.nn.functional.one_hot(capped, int(capped.max()) + 1).float()
