"""Your own graph: an edge table and a node table, a networkx graph, or a PyG ``Data``."""

import logging
from pathlib import Path
from typing import Any, cast

import networkx as nx
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from core.errors import UserError
from domains.graphs.data.assemble import graph_from_arrays
from domains.graphs.data.graph import GraphData

__all__ = ["find_user_tables", "from_networkx", "from_pyg", "from_tables", "read_user_tables", "to_pyg"]

_log = logging.getLogger(__name__)
_SUFFIXES = (".csv", ".parquet")
_ENDS = (("source", "target"), ("src", "dst"), ("from", "to"), ("u", "v"))
_SPLIT_NAMES = ("train", "val", "test")


def find_user_tables(folder: Path) -> tuple[Path, Path] | None:
    """The edge and node table of a folder (``edges`` and ``nodes`` with .csv or .parquet), or None if it has neither.

    Raises:
        UserError: one of the two is there and the other is not, or one is there twice.
    """
    found = {}
    for stem in ("edges", "nodes"):
        paths = [folder / f"{stem}{suffix}" for suffix in _SUFFIXES if (folder / f"{stem}{suffix}").exists()]
        if len(paths) > 1:
            raise UserError(f"{folder} holds {paths[0].name} and {paths[1].name}; keep one of them")
        found[stem] = paths[0] if paths else None
    edges, nodes = found["edges"], found["nodes"]
    if edges is None and nodes is None:
        return None
    if edges is None or nodes is None:
        missing = "nodes" if nodes is None else "edges"
        raise UserError(f"{folder} lacks {missing}.csv (or .parquet); a graph needs an edge table and a node table")
    return edges, nodes


def read_user_tables(
    edges: str | Path,
    nodes: str | Path,
    *,
    id_column: str = "id",
    label_column: str | None = None,
    split_column: str | None = None,
) -> GraphData:
    """Read an edge table and a node table, each CSV or Parquet.

    Args:
        edges: one edge per row, its ends in the columns source and target (or src/dst, from/to, u/v, or the only two).
        nodes: one node per row: an id, optionally a label and a split (train, val, test), all other columns features.
        id_column: the id.
        label_column: the label; None takes ``label`` if there is such a column.
        split_column: the split; None takes ``split`` if there is such a column.

    Raises:
        UserError: see `from_tables`; or a file that is missing, empty, of another encoding or ragged.
    """
    edges, nodes = Path(edges), Path(nodes)
    return from_tables(
        _read_table(edges),
        _read_table(nodes),
        id_column=id_column,
        label_column=label_column,
        split_column=split_column,
        names=(str(edges), str(nodes)),
        name=nodes.parent.name or "graph",
    )


def from_tables(
    edges: pd.DataFrame,
    nodes: pd.DataFrame,
    *,
    id_column: str = "id",
    label_column: str | None = None,
    split_column: str | None = None,
    names: tuple[str, str] = ("the edge table", "the node table"),
    name: str = "graph",
) -> GraphData:
    """Build a graph from two DataFrames. Edges are read as undirected; columns other than the two ends are refused.

    Args:
        edges: one edge per row.
        nodes: one node per row.
        id_column: as in `read_user_tables`.
        label_column: as in `read_user_tables`.
        split_column: as in `read_user_tables`.
        names: what messages call the two tables.
        name: of the graph.

    Raises:
        UserError: a missing column, duplicate or missing ids, edges to unknown nodes, features that are not numbers or
            not finite, one class only, unknown split words, no node; the message names table, row and column.
    """
    edge_name, node_name = names
    if nodes.empty:
        raise UserError(f"{node_name} has no rows; a graph needs at least one node")
    _need_column(nodes, id_column, node_name, "the id of each node")
    label_column = _optional_column(nodes, label_column, "label", node_name)
    split_column = _optional_column(nodes, split_column, "split", node_name)
    ids = _ids(nodes[id_column], node_name, id_column)
    first, second = _end_columns(edges, edge_name, ids)
    position = pd.Series(np.arange(len(ids)), index=ids)
    ends = [_positions(edges[column], position, edge_name, column, node_name) for column in (first, second)]
    used = [c for c in (id_column, label_column, split_column) if c is not None]
    x = _features(nodes.drop(columns=used), node_name)
    y, class_names = (None, None) if label_column is None else _labels(nodes[label_column], node_name, label_column)
    split: dict[str, Any] = {} if split_column is None else _split(nodes[split_column], node_name, split_column)
    return graph_from_arrays(
        edge_name,
        x,
        np.stack(ends, 1),
        y,
        name=name,
        node_ids=tuple(nodes[id_column].tolist()),
        class_names=class_names,
        **split,
    )


def _read_table(path: Path) -> pd.DataFrame:
    try:
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path, encoding="utf-8-sig")  # with or without a byte order mark
    except FileNotFoundError as error:
        raise UserError(f"there is no file {path}") from error
    except pd.errors.EmptyDataError as error:
        raise UserError(f"{path} is empty; its first line must name the columns") from error
    except pd.errors.ParserError as error:
        raise UserError(
            f"{path}: rows have different numbers of cells ({error}); quote cells that hold commas"
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {error}") from error


def _need_column(table: pd.DataFrame, column: str, name: str, what: str) -> None:
    if column not in table.columns:
        raise UserError(
            f"{name} has no column {column!r} for {what}; its columns are {', '.join(map(str, table.columns))}"
        )


def _optional_column(table: pd.DataFrame, asked: str | None, usual: str, name: str) -> str | None:
    if asked is not None:
        _need_column(table, asked, name, f"the {usual}")
        return asked
    return usual if usual in table.columns else None


def _key(values: pd.Series) -> pd.Series:
    """Ids as text, so that 7 in one table is 7 in the other even where one column was read as numbers with gaps."""
    if pd.api.types.is_float_dtype(values) and values.dropna().mod(1).eq(0).all():
        values = values.astype("Int64")
    return values.astype("string").str.strip()


def _ids(values: pd.Series, name: str, column: str) -> Any:
    keys = _key(values)
    if keys.isna().any():
        raise UserError(f"{name}: row {_row(keys.isna())} has no {column}; every node needs one")
    repeated = keys.duplicated()
    if repeated.any():
        which = keys[repeated].iloc[0]
        raise UserError(
            f"{name}: the {column} {which!r} stands twice, again in row {_row(repeated)}; ids must be unique"
        )
    return pd.Index(keys)


def _row(mask: pd.Series) -> int:
    """Line number in a file whose first line is the header."""
    return int(np.argmax(mask.to_numpy())) + 2


def _end_columns(edges: pd.DataFrame, name: str, ids: Any) -> tuple[str, str]:
    columns = [str(c) for c in edges.columns]
    for pair in _ENDS:
        if set(pair) <= set(columns):
            extra = [c for c in columns if c not in pair]
            if extra:
                raise UserError(
                    f"{name}: the columns {', '.join(extra)} would be ignored (edge weights and attributes are not "
                    f"supported); delete them and keep {pair[0]} and {pair[1]}"
                )
            return pair
    if len(columns) == 2 and not (columns[0].strip() in ids and columns[1].strip() in ids):
        return columns[0], columns[1]
    if len(columns) == 2:  # the first line names two nodes: it is an edge
        raise UserError(f"{name} begins with {','.join(columns)}: it has no header; put the line source,target on top")
    raise UserError(f"{name} must have the columns source and target, it has {', '.join(columns) or 'none'}")


def _positions(values: pd.Series, position: "pd.Series[int]", name: str, column: str, node_name: str) -> NDArray[Any]:
    keys = _key(values)
    if keys.isna().any():
        raise UserError(f"{name}: row {_row(keys.isna())} has no {column}")
    found = position.index.get_indexer(pd.Index(keys))
    if (found < 0).any():
        unknown = pd.Series(found < 0)
        which = keys.iloc[int(np.argmax(unknown.to_numpy()))]
        raise UserError(
            f"{name}: row {_row(unknown)}: {column} {which!r} is no id of {node_name} "
            f"({int(unknown.sum())} such ends); add the node or delete the edge"
        )
    return cast("NDArray[Any]", found.astype(np.int64))


def _features(table: pd.DataFrame, name: str) -> NDArray[Any]:
    if table.shape[1] == 0:
        raise UserError(f"{name} has no feature column beside id, label and split; add at least one number per node")
    for column in table.columns:
        values = table[column]
        if pd.api.types.is_bool_dtype(values):
            continue
        if not pd.api.types.is_numeric_dtype(values):
            wrong = pd.to_numeric(values, errors="coerce").isna() & values.notna()
            where = f"row {_row(wrong)} says {values[wrong].iloc[0]!r}" if wrong.any() else f"type {values.dtype}"
            raise UserError(
                f"{name}: the feature column {column!r} is not a number ({where}); encode it as numbers, for example "
                "one column of 0 and 1 per value, or delete it"
            )
        bad = ~np.isfinite(values.to_numpy(dtype=np.float64, na_value=np.nan))
        if bad.any():
            raise UserError(
                f"{name}: row {_row(pd.Series(bad))} has no finite number in {column!r}; fill it in or delete the row"
            )
    return cast("NDArray[Any]", table.to_numpy(dtype=np.float32))


def _labels(values: pd.Series, name: str, column: str) -> tuple[NDArray[Any], tuple[str, ...]]:
    codes, uniques = pd.factorize(values, sort=True)
    if len(uniques) < 2:
        only = f"only {uniques[0]!r}" if len(uniques) else "nothing"
        raise UserError(f"{name}: the label column {column!r} holds {only}; a classification needs two classes")
    if (codes < 0).any():
        _log.info(
            "%s: %d nodes have no label; they take part in training and in no score", name, int((codes < 0).sum())
        )
    return np.asarray(codes, dtype=np.int64), tuple(str(u) for u in uniques)


def _split(values: pd.Series, name: str, column: str) -> dict[str, torch.Tensor]:
    words = values.astype("string").str.strip().str.lower()
    wrong = words.notna() & ~words.isin(_SPLIT_NAMES)
    if wrong.any():
        raise UserError(
            f"{name}: row {_row(wrong)} says {values[wrong].iloc[0]!r} in {column!r}; "
            "allowed are train, val, test or empty"
        )
    parts = {f"{part}_index": torch.from_numpy(np.flatnonzero((words == part).fillna(False))) for part in _SPLIT_NAMES}
    empty = [part.removesuffix("_index") for part, index in parts.items() if not len(index)]
    if empty:
        raise UserError(f"{name}: no row of {column!r} says {' or '.join(empty)}; every part needs nodes")
    return parts


def from_networkx(graph: "nx.Graph[Any]", *, features: list[str], label: str | None = None) -> GraphData:
    """A networkx graph whose nodes carry numbers.

    Args:
        graph: directed graphs are read as undirected; multi-edges count once.
        features: names of the node attributes to use, each a number or a list of numbers.
        label: name of the node attribute that is the class.

    Raises:
        UserError: no node, a node whose attribute is missing or no finite number (named), one class only.
    """
    if graph.number_of_nodes() == 0:
        raise UserError("the networkx graph has no node")
    flat = pd.DataFrame({"node number": range(graph.number_of_nodes())})
    for f in features:
        values = _attribute(graph, f)
        flat = pd.concat([flat, pd.DataFrame(values, columns=[f"{f}.{i}" for i in range(values.shape[1])])], axis=1)
    if label is not None:
        flat[label] = [attributes.get(label) for _, attributes in graph.nodes(data=True)]
        if flat[label].isna().all():
            raise UserError(f"no node of the networkx graph has the attribute {label!r}, which shall be the label")
    number = {node: i for i, node in enumerate(graph.nodes)}
    ends = [(number[u], number[v]) for u, v in graph.edges()]
    table = pd.DataFrame(ends, columns=["source", "target"], dtype="int64")
    built = from_tables(
        table, flat, id_column="node number", label_column=label, names=("the networkx graph", "the networkx graph")
    )
    return GraphData(**{**vars(built), "node_ids": tuple(graph.nodes)})


def _attribute(graph: "nx.Graph[Any]", name: str) -> NDArray[np.float64]:
    """One attribute of all nodes, a row per node."""
    rows: list[NDArray[np.float64]] = []
    for node, attributes in graph.nodes(data=True):
        where = f"node {node!r} of the networkx graph"
        if name not in attributes:
            raise UserError(f"{where} lacks the attribute {name!r}")
        try:
            row = np.atleast_1d(np.asarray(attributes[name], dtype=np.float64)).reshape(-1)
        except (TypeError, ValueError) as error:
            raise UserError(
                f"{where}: the attribute {name!r} is not a number or a list of numbers: {attributes[name]!r}"
            ) from error
        if not np.isfinite(row).all():
            raise UserError(f"{where}: the attribute {name!r} is {attributes[name]!r}, which is not finite")
        if rows and row.shape != rows[0].shape:
            raise UserError(f"{where} has {len(row)} numbers in {name!r}, the nodes before it have {len(rows[0])}")
        rows.append(row)
    return np.stack(rows)


def from_pyg(data: Any) -> GraphData:
    """A ``torch_geometric.data.Data`` with ``x`` and ``edge_index``; ``y`` and the three masks are taken where present.

    Raises:
        UserError: it has no features or no edges tensor, or as `domains.graphs.data.assemble.graph_from_arrays`.
    """
    if data.x is None or data.edge_index is None:
        raise UserError("the PyG Data must have x and edge_index; add features (for example degrees) first")
    if data.x.dim() != 2:
        raise UserError(f"the PyG Data: x must have the shape (nodes, features), got {tuple(data.x.shape)}")
    for part in _SPLIT_NAMES:
        mask = getattr(data, f"{part}_mask", None)
        if mask is not None and len(data.x) and len(mask) != len(data.x):
            raise UserError(f"the PyG Data: {part}_mask must have one value for each of the {len(data.x)} nodes")
    split: dict[str, Any] = {
        f"{part}_index": mask.nonzero().squeeze(1)
        for part in _SPLIT_NAMES
        if (mask := getattr(data, f"{part}_mask", None)) is not None and mask.dim() == 1
    }
    y = data.y
    labels = None if y is None else y.reshape(-1).numpy()
    return graph_from_arrays(
        "the PyG Data", data.x.numpy(), data.edge_index.T.numpy(), labels, name="pyg graph", **split
    )


def to_pyg(graph: GraphData) -> Any:
    """A ``torch_geometric.data.Data`` with the same nodes, edges, labels and split masks."""
    from torch_geometric.data import Data

    masks = {}
    for part in _SPLIT_NAMES:
        index = getattr(graph, f"{part}_index")
        if index is not None:
            mask = torch.zeros(graph.num_nodes, dtype=torch.bool)
            mask[index] = True
            masks[f"{part}_mask"] = mask
    x = graph.x if graph.x.layout == torch.strided else graph.x.to_dense()
    return Data(x=x, edge_index=graph.edge_index, y=graph.y, **masks)
