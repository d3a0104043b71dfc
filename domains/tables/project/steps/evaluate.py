"""How good the sets are, against a known truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.errors import UserError
from domains.tables.data.read import read_source
from domains.tables.evaluate import score_sets
from domains.tables.project.folder import Project
from domains.tables.project.freshness import require
from domains.tables.project.steps.explain import find_row
from domains.tables.project.steps.resolve import current_labels
from domains.tables.project.stored import load_index

__all__ = ["Evaluation", "evaluate"]


@dataclass(frozen=True)
class Evaluation:
    """Scores against a truth.

    Attributes:
        rows: number of rows with a known entity; only those are scored.
        of: number of rows of the union.
        scores: by name, see `domains.tables.evaluate.score_sets`.
    """

    rows: int
    of: int
    scores: dict[str, float]


def evaluate(project: Project, truth: str | Path) -> Evaluation:
    """Score the sets as they are now, decisions included.

    Args:
        project: after `cluster`.
        truth: any table with the columns ``source``, ``row`` (from 0) and ``entity``; it need not have all rows.

    Raises:
        UserError: a column or row that is not there, a row twice, or an earlier step that has to be run first.
    """
    require(project, "resolve")
    index = load_index(project)
    frame = read_source(truth).frame
    for column in ("source", "row", "entity"):
        if column not in frame.columns:
            raise UserError(
                f"{truth} needs the columns source, row (from 0) and entity, got {', '.join(map(str, frame.columns))}"
            )
        missing = np.flatnonzero(frame[column].isna().to_numpy())
        if len(missing):
            raise UserError(f"{truth}: row {missing[0] + 1} has no value in {column!r}")
    words = (frame["source"] + ":" + frame["row"]).tolist()
    place = {f"{s}:{r}": p for p, (s, r) in enumerate(zip(index.source.tolist(), index.row.tolist(), strict=True))}
    rows = np.array([place[word] if word in place else find_row(index, word) for word in words], dtype=np.int64)
    twice = np.flatnonzero(np.bincount(rows, minlength=1) > 1)
    if len(twice):
        raise UserError(f"{truth} has {index.source[twice[0]]}:{index.row[twice[0]]} twice; keep one")
    if not len(rows):
        raise UserError(f"{truth} has no rows, so there is nothing to compare with")
    labels, _, _ = current_labels(project, index)
    return Evaluation(len(rows), len(index), score_sets(frame["entity"].to_numpy(object).astype(str), labels[rows]))
