"""Last step: the golden table and all that explains it, as files."""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd

from core.atomic import atomic_write
from domains.tables.data.output import check_file
from domains.tables.outcome import FileKind, WrittenTables, check_tables, outcome_tables, write_tables
from domains.tables.project.folder import Project
from domains.tables.project.freshness import require, states
from domains.tables.project.steps.resolve import resolve
from domains.tables.project.stored import load_index

__all__ = ["export"]

_log = logging.getLogger(__name__)


def export(project: Project, out: str | Path, *, kind: FileKind = "csv", guard_formulas: bool = True) -> WrittenTables:
    """Write the golden table, where each input row went, where each value came from, the conflicts, the decisions.

    The tables are those of `domains.tables.outcome.outcome_tables`; ``decisions.jsonl`` is a copy.

    Conflicts are resolved again first where sets or decisions are newer than the last time.

    Args:
        project: after `cluster`.
        out: folder for the files; those of the same names are replaced.
        kind: form of the tables; "duckdb" writes all of them into one file ``result.duckdb``.
        guard_formulas: see `domains.tables.data.export.write_table`.

    Raises:
        UserError: an earlier step has to be run first, or a file would replace an input.
        OperationError: the folder cannot be written.
    """
    require(project, "resolve")
    check_tables(out, kind, project.kept)
    check_file(Path(out) / "decisions.jsonl", project.kept)
    state = next(state for state in states(project) if state.step == "resolve")
    if state.state != "good" or state.newer_decisions:
        why = "; ".join(state.reasons) or (
            "it was not run yet" if state.state == "missing" else f"{state.newer_decisions} decisions are newer"
        )
        _log.info("resolve is run first: %s", why)
        resolve(project)
    written = write_tables(_tables(project), out, kind=kind, guard_formulas=guard_formulas)
    log = project.decisions.path
    with atomic_write(written.folder / "decisions.jsonl", "wb") as file:
        file.write(log.read_bytes() if log.exists() else b"")
    project.log("export", folder=str(out), kind=kind, rows=written.rows)
    return written


def _tables(project: Project) -> dict[str, pd.DataFrame]:
    index = load_index(project)
    entity = project.read_frame("resolve", "entities.parquet")["entity"].to_numpy()
    return outcome_tables(
        project.read_frame("resolve", "golden.parquet"),
        pd.DataFrame({"source": index.source, "row": index.row, "entity": entity}),
        project.read_frame("resolve", "provenance.parquet"),
        project.read_frame("resolve", "conflicts.parquet"),
    )
