"""The raw Planetoid files: ``ind.NAME.x, y, tx, ty, allx, ally, graph, test.index``."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, lil_matrix, vstack

from core.errors import UserError
from domains.graphs.data.assemble import graph_from_arrays
from domains.graphs.data.graph import GraphData
from domains.graphs.data.unpickling import restricted_load

__all__ = ["planetoid_name", "read_planetoid"]

_PARTS = ("x", "y", "tx", "ty", "allx", "ally", "graph")


def planetoid_name(folder: Path) -> str | None:
    """NAME if the folder holds a file ``ind.NAME.graph``, else None.

    Raises:
        UserError: it holds several.
    """
    names = sorted(p.name.split(".")[1] for p in folder.glob("ind.*.graph"))
    if len(names) > 1:
        raise UserError(f"{folder} holds several Planetoid sets ({', '.join(names)}); keep one per folder")
    return names[0] if names else None


def read_planetoid(folder: str | Path, **facts: Any) -> GraphData:
    """Read the raw files with the public split of Yang et al. 2016 (arXiv 1603.08861).

    Row k of ``tx`` belongs to node ``test.index[k]``, which is not sorted. Ids that are missing inside the test range
    (15 in Citeseer) become nodes without features, edges or label (-1), outside every part of the split. Training nodes
    are the rows of ``x``, validation the next 500.

    Args:
        folder: holds the eight files of one set.
        **facts: kept beside the data.

    Raises:
        UserError: a file is missing, damaged, holds objects, or does not fit the others; the message names it.
    """
    folder = Path(folder)
    name = planetoid_name(folder)
    if name is None:
        raise UserError(f"{folder} holds no file ind.NAME.graph")
    parts = {part: _load(folder / f"ind.{name}.{part}") for part in _PARTS}
    order = _test_index(folder / f"ind.{name}.test.index")
    allx, tx = csr_matrix(parts["allx"]), csr_matrix(parts["tx"])
    if len(order) != tx.shape[0]:
        raise UserError(
            f"{folder / f'ind.{name}.test.index'} has {len(order)} ids, but ind.{name}.tx has {tx.shape[0]} rows"
        )
    first, last = int(order.min()), int(order.max())
    if first != allx.shape[0]:
        raise UserError(f"{folder}: test ids begin at {first}, but ind.{name}.allx has {allx.shape[0]} rows")
    width = last - first + 1
    rows: Any = lil_matrix((width, tx.shape[1]), dtype=np.float32)
    rows[order - first] = tx
    y = np.full(last + 1, -1, dtype=np.int64)
    y[:first] = _classes(parts["ally"])
    y[order] = _classes(parts["ty"])
    train = int(np.asarray(parts["y"]).shape[0])
    if train + 500 > first:
        raise UserError(f"{folder}: {first} nodes before the test range leave no room for 500 validation nodes")
    split: dict[str, Any] = {
        "train_index": torch.arange(train),
        "val_index": torch.arange(train, train + 500),
        "test_index": torch.from_numpy(np.sort(order)),
    }
    graph: dict[int, list[int]] = parts["graph"]
    counts = np.fromiter((len(v) for v in graph.values()), dtype=np.int64, count=len(graph))
    source = np.repeat(np.fromiter(graph.keys(), dtype=np.int64, count=len(graph)), counts)
    target = np.fromiter((n for v in graph.values() for n in v), dtype=np.int64, count=int(counts.sum()))
    return graph_from_arrays(
        str(folder / f"ind.{name}.graph"),
        csr_matrix(vstack([allx, rows])),
        np.stack([source, target], 1),
        y,
        name=name,
        facts={"normalise": "rows", **facts},
        **split,
    )


def _load(path: Path) -> Any:
    try:
        return restricted_load(path.read_bytes(), path)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; a Planetoid set needs all eight files") from error


def _test_index(path: Path) -> NDArray[np.int64]:
    try:
        return np.loadtxt(path, dtype=np.int64, ndmin=1)
    except OSError as error:
        raise UserError(f"cannot read {path}; a Planetoid set needs all eight files") from error
    except ValueError as error:
        raise UserError(f"{path} must hold one node number per line: {error}") from error


def _classes(one_hot: Any) -> NDArray[np.int64]:
    """Column of the 1; a row of zeros has no class."""
    matrix = np.asarray(one_hot)
    return np.where(matrix.sum(1) > 0, matrix.argmax(1), -1).astype(np.int64)
