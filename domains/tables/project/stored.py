"""Results of the steps as the objects that they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.atomic import atomic_write
from core.errors import UserError
from domains.tables.data.table import Table
from domains.tables.project.entity_ids import IdLedger
from domains.tables.project.folder import Project
from domains.tables.project.row_refs import RowIndex
from domains.tables.sets.graph import PairGraph

__all__ = [
    "load_graph",
    "load_index",
    "load_ledger",
    "load_sets",
    "load_table",
    "save_entities",
    "save_graph",
    "save_ledger",
    "save_rows",
    "save_sets",
]


def save_rows(folder: Path, table: Table, index: RowIndex) -> None:
    """Write the rows of the union, and where each came from.

    Args:
        folder: of the step.
        table: the union.
        index: of its rows.
    """
    table.frame.to_parquet(folder / "table.parquet")
    rows = {"source": index.source, "row": index.row, "digest": index.digest}
    pd.DataFrame(rows).to_parquet(folder / "rows.parquet")


def load_index(project: Project) -> RowIndex:
    """Where the rows of the union came from."""
    rows = project.read_frame("align", "rows.parquet")
    source, digest = (rows[name].to_numpy(object) for name in ("source", "digest"))
    return RowIndex(source, rows["row"].to_numpy(np.int64), digest)


def load_table(project: Project) -> Table:
    """The union of all sources."""
    frame = project.read_frame("align", "table.parquet").astype("string")
    index = load_index(project)
    return Table(frame, index.source, index.row, project.settings.name)


def save_graph(folder: Path, graph: PairGraph) -> None:
    """Write pairs with their probabilities.

    Args:
        folder: of the step.
        graph: the pairs.
    """
    pairs = {"left": graph.left, "right": graph.right, "weight": graph.weight}
    pd.DataFrame(pairs).to_parquet(folder / "pairs.parquet")
    pd.DataFrame({"row": graph.copies[:, 0], "copy": graph.copies[:, 1]}).to_parquet(folder / "copies.parquet")


def load_graph(project: Project) -> PairGraph:
    """Pairs with their probabilities."""
    pairs = project.read_frame("match", "pairs.parquet")
    copies = project.read_frame("match", "copies.parquet")[["row", "copy"]].to_numpy(np.int64)
    count = len(project.read_frame("align", "rows.parquet"))
    left, right, weight = (pairs[name].to_numpy() for name in ("left", "right", "weight"))
    return PairGraph(count, left, right, weight, copies)


def save_sets(folder: Path, labels: NDArray[np.int64]) -> None:
    """Write the set of each row.

    Args:
        folder: of the step.
        labels: ``(n,)`` set of each row.
    """
    pd.DataFrame({"set": labels}).to_parquet(folder / "sets.parquet")


def load_sets(project: Project) -> NDArray[np.int64]:
    """``(n,)`` set of each row, as the last run of cluster found it."""
    return project.read_frame("cluster", "sets.parquet")["set"].to_numpy(np.int64)


def save_entities(folder: Path, ledger: IdLedger) -> None:
    """Write the number of the entity of each row.

    Args:
        folder: of the step.
        ledger: of the rows.
    """
    pd.DataFrame({"entity": ledger.number}).to_parquet(folder / "entities.parquet")


def load_ledger(project: Project, index: RowIndex) -> IdLedger:
    """Ids that the rows had, in the order of the present rows; rows are found by what is in them.

    Args:
        project: the project.
        index: of the present rows.

    Raises:
        UserError: the file of the ids is damaged.
    """
    number = np.full(len(index), -1, dtype=np.int64)
    if not project.entities_path.exists():
        return IdLedger(number)
    try:
        old = pd.read_parquet(project.entities_path, columns=["source", "digest", "number"])
    except (OSError, ValueError) as error:
        way_out = "put a copy of it back, or delete it for new ids of all entities"
        raise UserError(f"{project.entities_path} is damaged ({str(error).splitlines()[0]}); {way_out}") from error
    last = int(old["number"].max()) if len(old) else 0
    rows = old[old["source"].notna()]
    # Equal rows of a source are told apart by their order among themselves, so that a row put in above moves nothing.
    then = pd.DataFrame({"source": rows["source"], "digest": rows["digest"]})
    now = pd.DataFrame({"source": index.source, "digest": index.digest})
    for frame in (then, now):
        frame["copy"] = frame.groupby(["source", "digest"]).cumcount()
    then["number"] = rows["number"]
    found = now.merge(then, how="left", on=["source", "digest", "copy"])["number"]
    return IdLedger(found.fillna(-1).to_numpy(np.int64), last + 1)


def save_ledger(project: Project, index: RowIndex, ledger: IdLedger) -> None:
    """Keep the ids for the next run, and the greatest number that was ever given.

    Args:
        project: the project.
        index: of the present rows.
        ledger: their ids.
    """
    rows = pd.DataFrame({"source": index.source, "digest": index.digest, "number": ledger.number})
    last = pd.DataFrame({"source": [None], "digest": [None], "number": [ledger.next - 1]})
    with atomic_write(project.entities_path, "wb") as file:
        pd.concat([rows.astype(object), last.astype(object)]).astype(
            {"source": "string", "digest": "string", "number": "int64"}
        ).to_parquet(file)
