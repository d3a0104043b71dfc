"""Four tables about players, teams and stadiums to one, beside the gold table and full disjunction alone."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pandas as pd

from benchmarks.tables.golden_scores import golden_scores
from benchmarks.tables.ours import found_sets
from benchmarks.tables.records import Scored, part_records, timed
from core.reporting import Cell, ResultRecord, System, run_cells
from core.reporting.records import Role
from domains.tables.align.columns import align
from domains.tables.align.full_disjunction import full_disjunction
from domains.tables.align.mapping import ColumnRef
from domains.tables.align.quality import Disguise, alignment_quality, disguised_quality
from domains.tables.align.union import outer_union
from domains.tables.conflicts.resolve import resolve
from domains.tables.data.datasets import read_dataset
from domains.tables.data.integration_set import IntegrationSet
from domains.tables.data.table import Table

__all__ = ["stadium_records"]

_DATASET = "alite_stadiums"
_ALIGNED = "alite_stadiums, alignment of columns"
_SYSTEMS: dict[str, Role] = {
    "outer union": "baseline",
    "outer join (published)": "baseline",
    "full disjunction": "baseline",
    "ours on the outer union": "ablation",
    "ours on the full disjunction, all columns compared": "ablation",
    "ours on the full disjunction, columns of a player compared": "method",
}
_PLAYER = ("Player", "Position", "Team")
"""What tells players apart; the other columns tell of the stadium of a team, which its players share."""
_DISGUISES: tuple[Disguise, ...] = ("kept", "edited", "numbered")


@lru_cache(maxsize=1)
def _tables() -> IntegrationSet:
    found = read_dataset(_DATASET)
    if not isinstance(found, IntegrationSet):
        raise TypeError("the stadiums must be a set of tables")
    return found


def stadium_records(profile: str, seeds: int | None, out: Path) -> list[ResultRecord]:
    """Records of the golden tables, and of the alignment of the columns under names that were kept or disguised.

    Args:
        profile: of the study.
        seeds: of matcher and disguises; None is 3.
        out: folder of results.
    """
    count = range(3 if seeds is None else seeds)
    cells = [
        Cell(System(name, "stadiums", role), _DATASET, seed)
        for seed in count
        for name, role in _SYSTEMS.items()
        if seed == 0 or name.startswith("ours")
    ]
    aligned = [
        Cell(System(f"ours, names {names}", "align"), _ALIGNED, seed)
        for seed in count
        for names in _DISGUISES
        if seed == 0 or names != "kept"
    ]
    folder = out / "tables" / "cells" / profile / "stadiums"
    golden = run_cells(cells, timed(_golden), folder)
    columns = run_cells(aligned, timed(_alignment), folder)
    cell_metrics = ("cell F1", "cell precision", "cell recall", "rows found")
    return [
        *part_records(golden, profile, metrics=cell_metrics, counts=("rows",), split=lambda _: "beside the gold table"),
        *part_records(columns, profile, metrics=("F1", "precision", "recall"), counts=()),
    ]


def _golden(cell: Cell) -> Scored:
    given = _tables()
    name = cell.system.name
    gold = given.references["gold"].drop(columns="index")
    if name.startswith("outer join"):
        return golden_scores(_as_gold(given.references["outerjoin_result"], gold), gold), {}
    union = outer_union(given.sources, align(given.sources))
    if name == "outer union":
        return golden_scores(union.frame, gold), {}
    if name == "ours on the outer union":
        table = union
    else:
        joined = full_disjunction(union).frame
        if name == "full disjunction":
            return golden_scores(joined, gold), {}
        table = Table.of(joined, source="full disjunction", name="full disjunction")
    compared = _PLAYER if "columns of a player" in name else tuple(table.columns)
    labels = found_sets(Table(table.frame[list(compared)], table.source, table.row, table.name), cell.seed)
    return golden_scores(resolve(table, labels).golden, gold), {"rule": "majority", "compared": list(compared)}


def _as_gold(published: pd.DataFrame, gold: pd.DataFrame) -> pd.DataFrame:
    """A published result under the names of the gold table, by the letters of the names; stadium is Facility."""
    names = {column.lower(): column for column in gold.columns} | {"stadium": "Facility"}
    return published.drop(columns="index").rename(columns=names)


def _alignment(cell: Cell) -> Scored:
    names: Disguise = next(one for one in _DISGUISES if cell.system.name.endswith(one))
    sources = _tables().sources
    if names == "kept":
        truth = {ColumnRef(one.name, str(c)): str(c) for one in sources for c in one.frame.columns}
        found = alignment_quality(align(sources), truth)
    else:
        found = disguised_quality(sources, names, seed=cell.seed)
    return {"F1": found.f1, "precision": found.precision, "recall": found.recall}, {}
