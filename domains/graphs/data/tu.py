"""Sets of graphs as text: the TU Dortmund folder format, and the compact one-file format."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import UserError
from domains.graphs.data.assemble import set_from_arrays
from domains.graphs.data.graph import GraphSet

__all__ = ["parse_compact", "read_compact", "read_tu", "tu_name"]

Ints = NDArray[np.int64]


def tu_name(folder: Path) -> str | None:
    """NAME if the folder holds ``NAME_graph_indicator.txt``, else None."""
    found = sorted(folder.glob("*_graph_indicator.txt"))
    return found[0].name.removesuffix("_graph_indicator.txt") if found else None


def read_tu(folder: str | Path, **facts: Any) -> GraphSet:
    """Read the TU Dortmund folder format.

    ``NAME_A.txt`` (pairs) and ``NAME_graph_indicator.txt`` must be there; ``NAME_graph_labels.txt``,
    ``NAME_node_labels.txt`` and ``NAME_node_attributes.txt`` may. Numbers count from 1.

    Args:
        folder: the unpacked archive.
        **facts: kept beside the data.

    Raises:
        UserError: a file is missing or has the wrong number of lines; the message names file and line.
    """
    folder = Path(folder)
    name = tu_name(folder)
    if name is None:
        raise UserError(f"{folder} holds no file NAME_graph_indicator.txt")
    indicator = _numbers(folder / f"{name}_graph_indicator.txt")[:, 0].astype(np.int64)
    if (np.diff(indicator) < 0).any():
        row = int(np.argmax(np.diff(indicator) < 0)) + 2
        raise UserError(f"{folder / f'{name}_graph_indicator.txt'}: line {row} goes back to an earlier graph")
    labels_path = folder / f"{name}_graph_labels.txt"
    labels = _numbers(labels_path)[:, 0].astype(np.int64) if labels_path.exists() else None
    graphs = int(indicator[-1]) if labels is None else len(labels)
    if int(indicator[-1]) > graphs:
        raise UserError(f"{labels_path} has {graphs} lines, but graph {int(indicator[-1])} has nodes")
    node_ptr = np.concatenate([[0], np.cumsum(np.bincount(indicator - 1, minlength=graphs))])
    edges = _numbers(folder / f"{name}_A.txt", columns=2).astype(np.int64) - 1
    node_label = attributes = None
    if (path := folder / f"{name}_node_labels.txt").exists():
        node_label = _rows(path, len(indicator))[:, 0].astype(np.int64)
    if (path := folder / f"{name}_node_attributes.txt").exists():
        attributes = _rows(path, len(indicator))
    return set_from_arrays(
        str(folder), node_ptr, edges, labels, node_label, name=name, attributes=attributes, facts=facts
    )


def _rows(path: Path, count: int) -> NDArray[np.float64]:
    values = _numbers(path)
    if len(values) != count:
        raise UserError(f"{path} has {len(values)} lines, but there are {count} nodes")
    return values


def _numbers(path: Path, columns: int | None = None) -> NDArray[np.float64]:
    try:
        values = np.loadtxt(path, delimiter=",", ndmin=2)
    except OSError as error:
        raise UserError(f"cannot read {path}: there is no such file") from error
    except ValueError as error:
        raise UserError(f"{path}: every line must hold numbers parted by commas: {error}") from error
    if not values.size:
        raise UserError(f"{path} is empty")
    broken = ~np.isfinite(values)
    if broken.any():
        row, column = np.argwhere(broken)[0].tolist()
        raise UserError(f"{path}: line {row + 1} holds {values[row, column]}; every number must be finite")
    if columns is not None and values.shape[1] != columns:
        raise UserError(f"{path}: expected {columns} numbers a line, found {values.shape[1]}")
    return values


def read_compact(path: str | Path, **facts: Any) -> GraphSet:
    """Read the compact one-file format.

    It holds the number of graphs, then for each graph a line ``n label`` and n lines ``tag degree neighbour_1 ...
    neighbour_degree`` with neighbours counted from 0 within the graph. Numbers after them are node attributes.

    Args:
        path: the file, for example MUTAG.txt.
        **facts: kept beside the data.

    Raises:
        UserError: missing, truncated or malformed; the message names file and line.
    """
    path = Path(path)
    pointer, label, tag, edges, attributes = parse_compact(path)
    return set_from_arrays(str(path), pointer, edges, label, tag, name=path.stem, attributes=attributes, facts=facts)


def parse_compact(path: Path) -> tuple[Ints, Ints, Ints, Ints, NDArray[Any] | None]:
    """The arrays of a compact file: node pointer, graph labels, node tags, (e, 2) edges in file order, attributes.

    Raises:
        UserError: as `read_compact`.
    """
    try:
        lines = [(number, line.split()) for number, line in enumerate(path.read_text("utf-8").split("\n"), 1)]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    rows = iter([(number, words) for number, words in lines if words])
    pointer, labels, tags, edges, attributes = [0], [], [], [], []
    number = 0
    try:
        number, words = next(rows)
        for _ in range(int(words[0])):
            number, words = next(rows)
            nodes = int(words[0])
            labels.append(int(words[1]))
            for node in range(nodes):
                number, words = next(rows)
                near, extra = _node_line(path, number, words, nodes)
                tags.append(int(words[0]))
                edges += [(pointer[-1] + node, pointer[-1] + other) for other in near]
                attributes.append(extra)
            pointer.append(pointer[-1] + nodes)
    except StopIteration:
        raise UserError(f"{path} ends after line {number}, before the graphs it promises; it is truncated") from None
    except (ValueError, IndexError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: line {number} is not in the compact format (numbers only): {error}") from error
    widths = {len(a) for a in attributes}
    extras = np.array(attributes) if len(widths) == 1 and widths != {0} else None
    pairs = np.array(edges, dtype=np.int64).reshape(-1, 2)
    return np.array(pointer), np.array(labels), np.array(tags), pairs, extras


def _node_line(path: Path, number: int, words: list[str], nodes: int) -> tuple[list[int], list[float]]:
    """Neighbours and attributes of one line ``tag degree neighbours attributes``."""
    count = int(words[1])
    if len(words) < 2 + count:
        raise UserError(f"{path}: line {number} promises {count} neighbours and names {len(words) - 2}")
    near = [int(word) for word in words[2 : 2 + count]]
    if near and not 0 <= min(near) <= max(near) < nodes:
        raise UserError(f"{path}: line {number} names neighbour {max(near)} in a graph of {nodes} nodes")
    return near, [float(word) for word in words[2 + count :]]
