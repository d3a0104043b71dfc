"""Converters from public raw files to the prepared ``.npz`` form; named in the catalogue."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix

from core.atomic import atomic_write
from core.errors import UserError
from domains.graphs.data.graph import GraphData
from domains.graphs.data.npz import read_npz
from domains.graphs.data.planetoid import read_planetoid
from domains.graphs.data.tu import parse_compact

__all__ = ["convert_benchmark", "convert_compact", "convert_planetoid", "write_arrays"]


def convert_planetoid(folder: Path, target: Path) -> None:
    """Planetoid files to one ``.npz`` with the public split; features raw."""
    graph = read_planetoid(folder)
    parts = {"train_index": graph.train_index, "val_index": graph.val_index, "test_index": graph.test_index}
    arrays = {name: part.numpy().astype(np.int32) for name, part in parts.items() if part is not None}
    write_arrays(target, {**_graph_arrays(graph), **arrays})


def convert_benchmark(folder: Path, target: Path) -> None:
    """A gnn-benchmark ``.npz`` (the Amazon graphs) to the prepared form; both directions become one edge."""
    archives = [p for p in sorted(folder.glob("*.npz")) if p != target]
    if len(archives) != 1:
        raise UserError(f"{folder} must hold the one downloaded .npz, found {[p.name for p in archives]}")
    graph = read_npz(archives[0])
    if not isinstance(graph, GraphData):
        raise UserError(f"{archives[0]} holds a set of graphs, not one graph")
    write_arrays(target, _graph_arrays(graph))


def _graph_arrays(graph: GraphData) -> dict[str, Any]:
    dense = graph.x if graph.x.layout == torch.strided else graph.x.to_dense()
    x = csr_matrix(dense.numpy())
    edges = graph.edge_index[:, graph.edge_index[0] < graph.edge_index[1]].T.numpy()
    arrays = {
        "x_indptr": x.indptr.astype(np.int32),
        "x_indices": x.indices.astype(np.int16),
        "x_data": x.data.astype(np.float32),
        "x_shape": np.array(x.shape, dtype=np.int64),
        "edges": edges[np.lexsort((edges[:, 1], edges[:, 0]))].astype(np.int32),
    }
    if graph.y is not None:
        arrays["y"] = graph.y.numpy().astype(np.int16)
    return arrays


def convert_compact(folder: Path, target: Path) -> None:
    """A compact text file to the prepared form of a set of graphs."""
    texts = sorted(folder.glob("*.txt"))
    if len(texts) != 1:
        raise UserError(f"{folder} must hold the one downloaded .txt, found {[p.name for p in texts]}")
    pointer, label, tag, edges, _ = parse_compact(texts[0])
    codes, numbered = np.unique(label, return_inverse=True)
    write_arrays(
        target,
        {
            "node_ptr": pointer.astype(np.int32),
            "graph_label": numbered.astype(np.int16),
            "graph_label_original": codes.astype(np.int16),
            "node_label": tag.astype(np.int16),
            "edges": edges[edges[:, 0] < edges[:, 1]].astype(np.int32),
        },
    )


def write_arrays(target: Path, arrays: dict[str, Any]) -> None:
    """Write a compressed ``.npz``, whole or not at all."""
    with atomic_write(target, "wb") as file:
        np.savez_compressed(file, **arrays)
