"""Third step: which pairs of rows are worth comparing, and what that costs."""

from __future__ import annotations

import logging
import math
from time import perf_counter

import numpy as np
import pandas as pd

from core.errors import LimitError
from domains.tables.blocking.default import blocker_of
from domains.tables.blocking.pairs import Candidates
from domains.tables.blocking.recall import expected_recall
from domains.tables.data.table import Table
from domains.tables.engine import LOCAL, Engine
from domains.tables.project.folder import Project
from domains.tables.project.freshness import made_from_now, require
from domains.tables.project.results import StepRecord, write_result
from domains.tables.project.stored import load_table

__all__ = ["block", "load_candidates"]

_log = logging.getLogger(__name__)


def block(project: Project, *, yes: bool = False, engine: Engine = LOCAL) -> StepRecord:
    """Find candidate pairs.

    Args:
        project: after `align`.
        yes: go on above ``block.most_pairs`` and ``block.most_mib`` of ``project.yaml``.
        engine: where blocks of rows are looked at.

    Returns:
        The record; ``facts`` has the number of pairs, the share of all pairs that need not be compared, pairs of the
        busiest row, the bytes that matching will need for them, and the share of made duplicates that were found.

    Raises:
        UserError: an earlier step has to be run first.
        LimitError: more pairs than ``block.most_pairs``, or more memory than ``block.most_mib``.
    """
    require(project, "block")
    start = perf_counter()
    settings = project.settings.block
    table = load_table(project)
    blocker = blocker_of(settings.method, table, settings.neighbours)
    most = blocker.most_pairs(table)
    mib = most * _pair_bytes(table) / 2**20
    cost = f"at most {most:,} pairs of {len(table):,} rows, about {mib:,.0f} MiB"
    limits = (("most_pairs", most, settings.most_pairs), ("most_mib", mib, settings.most_mib or math.inf))
    for name, needed, allowed in limits:
        if needed > allowed and not yes:
            raise LimitError(
                f"stopped on limit: {cost}, more than block.{name} ({allowed:,}) of {project.settings_path}; lower "
                f"block.neighbours, take another block.method, raise block.{name}, or go on with --yes"
            )
    _log.info("block: %s", cost)
    found = blocker.candidates(table, engine)
    lines = len(project.decisions.read()[0])
    with write_result(project.step_path("block"), "block", made_from_now(project, "block"), lines, start) as (
        folder,
        facts,
    ):
        pd.DataFrame({"left": found.left, "right": found.right}).to_parquet(folder / "pairs.parquet")
        busiest = np.bincount(np.concatenate([found.left, found.right]), minlength=1)
        facts["rows"] = len(table)
        facts["pairs"] = len(found)
        facts["reduction"] = found.reduction
        facts["busiest_row"] = int(busiest.max())
        facts["alone"] = int(len(table) - np.count_nonzero(busiest))
        facts["bytes"] = len(found) * _pair_bytes(table)
        facts["method"] = type(blocker).__name__
        facts["expected_recall"] = round(expected_recall(table, blocker, seed=project.settings.seed), 4)
    record = project.finished("block")
    project.log("block", pairs=len(found), seconds=record.seconds)
    return record


def _pair_bytes(table: Table) -> int:
    """Of a pair while it is compared: two rows, a probability, the evidence of each attribute."""
    return 2 * 8 + 4 + 8 * len(table.columns)


def load_candidates(project: Project) -> Candidates:
    """The pairs of the last run.

    Args:
        project: after `block`.
    """
    pairs = project.read_frame("block", "pairs.parquet")
    count = len(project.read_frame("align", "rows.parquet"))
    return Candidates(count, pairs["left"].to_numpy(np.int64), pairs["right"].to_numpy(np.int64))
