"""The embedded files, which are synthetic, end to end: sets, the golden table, conflicts; no download."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.tables.conflict_cases import Case, accuracy, random_accuracy
from benchmarks.tables.conflicts import ACCURACY, CONFLICTS_FOUND, RULES
from benchmarks.tables.golden_scores import golden_scores
from benchmarks.tables.matching import OTSU, OURS, run_plain
from benchmarks.tables.ours import found_sets
from benchmarks.tables.records import Scored, part_records, set_scores, timed
from core.reporting import Cell, ResultRecord, System, run_cells
from core.reporting.records import Role
from domains.tables.align.columns import align
from domains.tables.align.union import outer_union
from domains.tables.conflicts.resolve import resolve
from domains.tables.data.embedded.load import load_embedded, load_gold
from domains.tables.data.table import Table

__all__ = ["Libraries", "library_records", "plain", "read_libraries"]

_NAME = "libraries (synthetic)"
_MEANING = {
    "name": ("Name", "Attraction", "title", "Institution"),
    "postcode": ("Postcode", "ZIP", "postcode"),
    "town": ("Town", "City", "city", "Where"),
    "phone": ("Phone", "Telephone", "phone", "Tel."),
    "website": ("Homepage", "website"),
}
"""Columns of the gold table that every source writes in one column, and what the sources call them."""
_SETS: Mapping[str, Role] = {
    "every row alone": "baseline",
    "exact key": "baseline",
    "TF-IDF, threshold .5": "baseline",
    OTSU: "baseline",
    "rapidfuzz token_set, threshold .8": "baseline",
    OURS: "method",
}
_GOLDEN: Mapping[str, Role] = {
    "every row alone": "baseline",
    OTSU: "baseline",
    OURS: "method",
    "true sets": "ablation",
}
_FULL = 0.5
"""Share of the rows that have a value in each column which the plain rivals compare: sparse ones harm them."""
_RANDOM = "random candidate"


@dataclass(frozen=True, eq=False)
class Libraries:
    """The rows of all files in the columns of the gold table, and what is true.

    Attributes:
        union: the rows, columns as the tool aligned them.
        plain: the rows in the gold table's columns, spelled alike.
        labels: ``(n,)`` thing of each row.
        gold: the true values, spelled alike; row e is thing e.
    """

    union: Table
    plain: Table
    labels: NDArray[np.int64]
    gold: pd.DataFrame


def plain(column: str, values: pd.Series) -> pd.Series:
    """Values without differences of spelling that the generator makes on purpose: not what the study is about.

    Args:
        column: of the gold table.
        values: text.

    >>> plain("phone", pd.Series(["+44 179 760 313", "0179-760313"], dtype="string")).tolist()
    ['179760313', '179760313']
    """
    text = values.str.strip().str.lower()
    if column == "phone":
        return text.str.replace(r"^\+44", "", regex=True).str.replace(r"\D", "", regex=True).str.lstrip("0")
    if column == "website":
        return text.str.replace(r"^https?://", "", regex=True).str.rstrip("/").str.removeprefix("www.")
    return text.str.lstrip("0") if column == "postcode" else text


@lru_cache(maxsize=1)
def read_libraries() -> Libraries:
    """Read and align the embedded files."""
    sources, truth = load_embedded()
    mapping = align(sources)
    union = outer_union(sources, mapping)
    columns = {}
    for name, meanings in _MEANING.items():
        # the target that holds most of the columns of this meaning
        target = max(mapping.targets, key=lambda t: sum(member.ref.column in meanings for member in t.members))
        columns[name] = plain(name, union.frame[target.name])
    where = {(source, row): entity for source, row, entity in truth.itertuples(index=False)}
    labels = np.array([where[key] for key in zip(union.source.tolist(), union.row.tolist(), strict=True)])
    gold = load_gold().set_index("entity")
    gold = pd.DataFrame({name: plain(name, gold[name]) for name in _MEANING})
    table = Table(pd.DataFrame(columns), union.source, union.row, _NAME)
    return Libraries(union, table, labels.astype(np.int64), gold)


def library_records(profile: str, seeds: int | None, out: Path) -> list[ResultRecord]:
    """Records of sets, golden tables and conflicts.

    Args:
        profile: of the study.
        seeds: of what draws; None is 3.
        out: folder of results.
    """
    count = range(3 if seeds is None else seeds)
    folder = out / "tables" / "cells" / profile / "libraries"
    rules: dict[str, Role] = {_RANDOM: "baseline", **{name: role for name, (_, role) in RULES.items()}}
    drawing = (OURS, _RANDOM)

    def cells(rows: Mapping[str, Role], what: str) -> list[Cell]:
        return [
            Cell(System(name, "libraries", role), f"{_NAME}, {what}", seed)
            for seed in count
            for name, role in rows.items()
            if seed == 0 or name in drawing
        ]

    sets = run_cells(cells(_SETS, "sets"), timed(_sets), folder)
    golden = run_cells(cells(_GOLDEN, "golden table"), timed(_golden), folder)
    conflicts = run_cells(cells(rules, "conflicts of the true sets"), timed(_conflicts), folder)
    cell_metrics = ("cell F1", "cell precision", "cell recall", "rows found")
    return [
        *part_records(sets, profile),
        *part_records(golden, profile, metrics=cell_metrics, counts=("rows",)),
        *part_records(conflicts, profile, metrics=(ACCURACY,), counts=(CONFLICTS_FOUND,)),
    ]


def _found(name: str, seed: int) -> NDArray[np.int64]:
    data = read_libraries()
    if name == OURS:
        return found_sets(data.union, seed)
    if name == "true sets":
        return data.labels
    if name == "every row alone":
        return np.arange(len(data.labels))
    if name == "exact key":
        return run_plain(name, data.plain, data.labels, ("name", "town"))[0]
    full = [column for column in data.union.columns if data.union.frame[column].notna().mean() > _FULL]
    return run_plain(name, Table.of(data.union.frame[full]), data.labels, ())[0]


def _sets(cell: Cell) -> Scored:
    return set_scores(read_libraries().labels, _found(cell.system.name, cell.seed)), {}


def _golden(cell: Cell) -> Scored:
    data = read_libraries()
    resolved = resolve(data.plain, _found(cell.system.name, cell.seed))
    return golden_scores(resolved.golden, data.gold), {"rule": "majority"}


def _conflicts(cell: Cell) -> Scored:
    data = read_libraries()
    truth = {(int(e), str(c)): str(data.gold.at[e, c]) for c in data.gold for e in data.gold.index}
    case = Case(data.plain, data.labels, truth)
    if cell.system.name == _RANDOM:
        share, count = random_accuracy(case, cell.seed)
    else:
        share, count = accuracy(case, RULES[cell.system.name][0])
    return {ACCURACY: share, CONFLICTS_FOUND: count}, {}
