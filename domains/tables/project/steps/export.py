"""Last step: the golden table and all that explains it, as files."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from core.atomic import atomic_write, make_folder
from core.errors import UserError
from domains.tables.data.export import write_table
from domains.tables.project.entity_ids import IdLedger
from domains.tables.project.folder import Project
from domains.tables.project.freshness import require, states
from domains.tables.project.steps.resolve import resolve
from domains.tables.project.stored import load_index

__all__ = ["Export", "FileKind", "export"]

_log = logging.getLogger(__name__)

FileKind = Literal["csv", "parquet", "jsonl", "xlsx", "duckdb"]


@dataclass(frozen=True)
class Export:
    """What was written.

    Attributes:
        folder: where to.
        rows: number of rows of each table.
        guarded: cells that got an apostrophe so that no spreadsheet runs them.
    """

    folder: Path
    rows: dict[str, int]
    guarded: int


def export(project: Project, out: str | Path, *, kind: FileKind = "csv", guard_formulas: bool = True) -> Export:
    """Write the golden table, where each input row went, where each value came from, the conflicts, the decisions.

    - golden: ``entity`` (id) and the columns of the union;
    - rows: ``source``, ``row`` (from 0), ``entity``;
    - provenance: ``entity``, ``attribute``, ``rule``, ``source``, ``row``: the input rows that support each value;
    - conflicts: ``entity``, ``attribute``, ``chosen``, ``rule``, ``why``, ...;
    - ``decisions.jsonl``: a copy.

    Conflicts are resolved again first where sets or decisions are newer than the last time.

    Args:
        project: after `cluster`.
        out: folder for the files; those of the same names are replaced.
        kind: form of the tables; "duckdb" writes all of them into one file ``result.duckdb``.
        guard_formulas: see `domains.tables.data.export.write_table`.

    Raises:
        UserError: an earlier step has to be run first.
        OperationError: the folder cannot be written.
    """
    require(project, "resolve")
    state = next(state for state in states(project) if state.step == "resolve")
    if state.state != "good" or state.newer_decisions:
        why = "; ".join(state.reasons) or (
            "it was not run yet" if state.state == "missing" else f"{state.newer_decisions} decisions are newer"
        )
        _log.info("resolve is run first: %s", why)
        resolve(project)
    out = Path(out)
    if out.is_file():
        raise UserError(f"{out} is a file; --out names a folder, into which several files are written")
    make_folder(out)
    written = {name: _write(frame, name, out, kind, guard_formulas) for name, frame in _tables(project).items()}
    log = project.decisions.path
    with atomic_write(out / "decisions.jsonl", "wb") as file:
        file.write(log.read_bytes() if log.exists() else b"")
    rows = {name: count for name, (count, _) in written.items()}
    project.log("export", folder=str(out), kind=kind, rows=rows)
    return Export(out, rows, sum(guarded for _, guarded in written.values()))


def _tables(project: Project) -> dict[str, pd.DataFrame]:
    """The tables by name; entities are shown by their ids."""
    index = load_index(project)
    entity = project.read_frame("resolve", "entities.parquet")["entity"].to_numpy()
    golden = project.read_frame("resolve", "golden.parquet")
    if "entity" in golden.columns:
        raise UserError(
            f"a column of the union is called 'entity', as the ids are; rename the target in {project.mapping_path}"
        )
    golden.insert(0, "entity", IdLedger(golden.index.to_numpy()).names())
    rows = pd.DataFrame({"source": index.source, "row": index.row, "entity": IdLedger(entity).names()})
    provenance = project.read_frame("resolve", "provenance.parquet").drop(columns="position")
    provenance["attribute"] = provenance["attribute"].astype("string")
    conflicts = project.read_frame("resolve", "conflicts.parquet")
    for frame in (provenance, conflicts):
        if len(frame.columns):
            frame["entity"] = IdLedger(frame["entity"].to_numpy()).names()
    found = {"golden": golden.reset_index(drop=True), "rows": rows, "provenance": provenance, "conflicts": conflicts}
    return {name: frame for name, frame in found.items() if len(frame.columns)}


def _write(frame: pd.DataFrame, name: str, out: Path, kind: FileKind, guard: bool) -> tuple[int, int]:
    target = (
        f"duckdb:///{(out / 'result.duckdb').resolve()}?table={name}" if kind == "duckdb" else out / f"{name}.{kind}"
    )
    written = write_table(frame, target, guard_formulas=guard)
    return written.rows, written.guarded
