"""One door for all graphs: a catalogue name, an embedded name, or a path in any of the known formats."""

from pathlib import Path

from core.data import fetch, lookup
from core.errors import UserError, unknown_name
from domains.graphs.data.embedded import EMBEDDED, embedded
from domains.graphs.data.graph import GraphData, GraphSet
from domains.graphs.data.npz import read_npz
from domains.graphs.data.planetoid import planetoid_name, read_planetoid
from domains.graphs.data.tu import read_compact, read_tu, tu_name
from domains.graphs.data.user import find_user_tables, read_user_tables

__all__ = ["read_graph", "read_path"]


def read_graph(name_or_path: str | Path) -> GraphData | GraphSet:
    """Read a graph or a set of graphs.

    Args:
        name_or_path: an embedded name (``digits-knn``), a catalogue name (``cora``, ``graphs/cora``), or a path, see
            `read_path`. A path that exists wins over a catalogue name only if it holds a slash or a suffix.

    Raises:
        UserError: no such name or path, or bad content; the message names the file and the way out.
    """
    text = str(name_or_path)
    if text in EMBEDDED:
        return embedded(text)
    plain = text.removeprefix("graphs/")
    if "/" not in plain and "\\" not in plain and not Path(plain).suffix:
        found = lookup("graphs", plain)
        if found is not None:
            return _from_catalogue(found.name)
    if Path(text).exists():
        return read_path(Path(text))
    raise unknown_name("graph (there is no such path either)", text, [*EMBEDDED, *_catalogue_names()])


def _catalogue_names() -> list[str]:
    from core.data import catalogue

    return [entry.name for entry in catalogue() if entry.domain == "graphs"]


def _from_catalogue(name: str) -> GraphData | GraphSet:
    entry = lookup("graphs", name)
    folder = fetch(f"graphs/{name}")
    facts = {"licence": entry.licence, "source": entry.source, **entry.facts} if entry else {}
    data = read_npz(folder / f"{name}.npz", **facts)
    return data


def read_path(path: Path) -> GraphData | GraphSet:
    """Read a file or folder by what it holds.

    - folder with ``ind.NAME.*``: Planetoid; with ``NAME_graph_indicator.txt``: TU Dortmund; with one ``.npz``: that
      file; with an edge table (``edges.csv`` or ``.parquet``) and a node table (``nodes.csv`` or ``.parquet``): your
      own graph;
    - ``.npz``: prepared, gnn-benchmark or object arrays; ``.txt``: the compact text format.

    Raises:
        UserError: nothing of that is there.
    """
    if path.is_dir():
        if planetoid_name(path) is not None:
            return read_planetoid(path)
        if tu_name(path) is not None:
            return read_tu(path)
        tables = find_user_tables(path)
        if tables is not None:
            return read_user_tables(*tables)
        archives = sorted(path.glob("*.npz"))
        if len(archives) == 1:
            return read_npz(archives[0])
        raise UserError(
            f"{path} holds no graph that can be read: expected edges.csv and nodes.csv (or .parquet), one .npz file, "
            "Planetoid files ind.NAME.* or TU files NAME_graph_indicator.txt"
        )
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return read_npz(path)
    if suffix == ".txt":
        return read_compact(path)
    if suffix in (".csv", ".parquet"):
        raise UserError(
            f"{path} is one table; put the edge table as edges{suffix} and the node table as nodes{suffix} into one "
            "folder and give the folder"
        )
    raise UserError(f"{path}: files ending in {suffix or 'nothing'} are not read; give .npz, .txt or a folder")
