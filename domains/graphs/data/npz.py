"""Graphs in ``.npz`` files: our prepared form, the gnn-benchmark form, and published object arrays."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib import format as npy_format
from scipy.sparse import coo_matrix, csr_matrix, issparse

from core.errors import UserError
from domains.graphs.data.assemble import graph_from_arrays, set_from_arrays
from domains.graphs.data.graph import GraphData, GraphSet
from domains.graphs.data.unpickling import restricted_load

__all__ = ["read_npz"]


def read_npz(path: str | Path, **facts: Any) -> GraphData | GraphSet:
    """Read one graph, or a set of graphs, from an ``.npz`` file.

    Three forms are known by their keys:

    - prepared: ``x_indptr x_indices x_data x_shape`` (or ``x``), ``edges``, optionally ``y train_index val_index
      test_index``; a set has ``node_ptr edges`` and optionally ``graph_label node_label``;
    - gnn-benchmark (Shchur et al. 2018): ``adj_data adj_indices adj_indptr adj_shape attr_* labels``;
    - object arrays: ``adj_matrix node_attr node_label`` holding pickled scipy matrices, read through an unpickler that
      admits nothing else.

    Args:
        path: the file.
        **facts: kept beside the data.

    Raises:
        UserError: missing, damaged, of no known form, or inconsistent; the message names the file.
    """
    path = Path(path)
    arrays = _read_arrays(path)
    name = path.stem
    if "node_ptr" in arrays:
        _need(path, arrays, "edges")
        return set_from_arrays(
            str(path),
            arrays["node_ptr"],
            arrays["edges"],
            arrays.get("graph_label"),
            arrays.get("node_label"),
            name=name,
            facts=facts,
        )
    if "adj_matrix" in arrays or "adj_indptr" in arrays:
        return _benchmark(path, arrays, name, facts)
    _need(path, arrays, "edges")
    if "x" not in arrays:
        _need(path, arrays, "x_indptr", "x_indices", "x_data", "x_shape")
    x = arrays["x"] if "x" in arrays else _csr(path, arrays, "x_")
    split: dict[str, Any] = {
        part: torch.from_numpy(arrays[part].astype(np.int64))
        for part in ("train_index", "val_index", "test_index")
        if part in arrays
    }
    return graph_from_arrays(str(path), x, arrays["edges"], arrays.get("y"), name=name, facts=facts, **split)


def _benchmark(path: Path, arrays: dict[str, Any], name: str, facts: dict[str, Any]) -> GraphData:
    adjacency = arrays["adj_matrix"] if "adj_matrix" in arrays else _csr(path, arrays, "adj_")
    for key in ("node_attr", "attr_matrix"):
        if key in arrays:
            x = arrays[key]
            break
    else:
        x = _csr(path, arrays, "attr_")
    y = next((arrays[key] for key in ("node_label", "labels", "y") if key in arrays), None)
    if not issparse(adjacency):
        raise UserError(f"{path}: the adjacency must be a scipy sparse matrix, got {type(adjacency).__name__}")
    coo: Any = coo_matrix(adjacency)  # type: ignore[call-overload, unused-ignore]
    return graph_from_arrays(str(path), x, np.stack([coo.row, coo.col], 1), y, name=name, facts=facts)


def _csr(path: Path, arrays: dict[str, Any], prefix: str) -> Any:
    names = ["data", "indices", "indptr", "shape"]
    _need(path, arrays, *(prefix + n for n in names))
    data, indices, indptr, shape = (arrays[prefix + n] for n in names)
    try:
        return csr_matrix((data, indices.astype(np.int64), indptr.astype(np.int64)), shape=tuple(shape.tolist()))
    except (ValueError, TypeError) as error:
        raise UserError(f"{path}: {prefix}* do not form a sparse matrix: {error}") from error


def _need(path: Path, arrays: dict[str, Any], *names: str) -> None:
    missing = [n for n in names if n not in arrays]
    if missing:
        raise UserError(f"{path} lacks {', '.join(missing)}; it holds {', '.join(sorted(arrays)) or 'nothing'}")


def _read_arrays(path: Path) -> dict[str, Any]:
    """All arrays by name. numpy would hand object arrays to an unrestricted pickle, so members are read one by one."""
    arrays: dict[str, Any] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                with archive.open(member) as file:
                    version = npy_format.read_magic(file)
                    read_header = (
                        npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
                    )
                    shape, _, dtype = read_header(file)
                    if dtype.hasobject:
                        value = restricted_load(file.read(), path)
                        arrays[member.removesuffix(".npy")] = value.item() if shape == () else value
                        continue
                with archive.open(member) as file:
                    arrays[member.removesuffix(".npy")] = npy_format.read_array(file, allow_pickle=False)
    except FileNotFoundError as error:
        raise UserError(f"there is no file {path}") from error
    except UserError:
        raise
    except (OSError, zipfile.BadZipFile, ValueError, EOFError) as error:
        raise UserError(f"{path} is damaged or not an .npz file: {error}") from error
    return arrays
