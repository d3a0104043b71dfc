"""Second step: bring the columns of all inputs together."""

from __future__ import annotations

from time import perf_counter

import numpy as np

from core.atomic import atomic_write
from core.errors import OperationError
from domains.tables.align.columns import align as match_columns
from domains.tables.align.mapping import ColumnMapping
from domains.tables.align.union import outer_union
from domains.tables.project.folder import Project
from domains.tables.project.freshness import made_from_now, require
from domains.tables.project.results import StepRecord, write_result
from domains.tables.project.row_refs import RowIndex, row_digests
from domains.tables.project.steps.init import load_sources
from domains.tables.project.stored import save_rows

__all__ = ["align"]


def align(project: Project, *, again: bool = False) -> StepRecord:
    """Match columns, or take the matching of ``mapping.yaml``, and stack the rows.

    Args:
        project: the project.
        again: propose a new mapping; pairs that the old one forbids stay forbidden, other changes by hand are lost.

    Returns:
        The record; ``facts`` has the number of rows, and the targets with their columns and scores.

    Raises:
        UserError: the inputs were not read, or the mapping does not fit them (with the line in the file).
    """
    require(project, "align")
    start = perf_counter()
    sources = load_sources(project)
    path = project.mapping_path
    old = None
    if path.exists():
        try:
            text = path.read_text("utf-8")
        except OSError as error:
            raise OperationError(f"cannot read {path}: {error.strerror or error}") from error
        old = ColumnMapping.from_yaml(text, name=path, sources=() if again else sources)
    if old is None or again:
        columns = {source.name: set(map(str, source.frame.columns)) for source in sources}
        forbidden = [
            pair
            for pair in (old.forbidden if old else ())
            if all(ref.column in columns.get(ref.source, ()) for ref in pair)
        ]
        mapping = match_columns(sources, forbid=forbidden)
        with atomic_write(path) as file:
            file.write(mapping.to_yaml())
    else:
        mapping = old
    table = outer_union(sources, mapping, name=project.settings.name)
    digests = [row_digests(source.frame) for source in sources]
    index = RowIndex.of(table, np.concatenate(digests) if digests else np.empty(0, dtype=object))
    lines = len(project.decisions.read()[0])
    with write_result(project.step_path("align"), "align", made_from_now(project, "align"), lines, start) as (
        folder,
        facts,
    ):
        save_rows(folder, table, index)
        facts["rows"] = len(table)
        facts["targets"] = [
            {
                "name": target.name,
                "columns": [{"column": str(member.ref), "score": member.score} for member in target.members],
            }
            for target in mapping.targets
        ]
        facts["left_out"] = [str(ref) for ref in mapping.left_out]
    record = project.finished("align")
    project.log("align", rows=len(table), columns=len(mapping.targets), seconds=record.seconds)
    return record
