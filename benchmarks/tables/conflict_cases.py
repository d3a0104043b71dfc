"""Tables whose conflicts have known answers, and how a rule is scored on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.tables.conflict_recipe import make_conflicts
from domains.tables.conflicts.comparable import comparable
from domains.tables.conflicts.resolve import resolve
from domains.tables.conflicts.rule import Rule
from domains.tables.data.claims import Claims
from domains.tables.data.datasets import read_dataset
from domains.tables.data.integration_set import IntegrationSet
from domains.tables.data.table import Table

__all__ = ["LABELS", "Case", "accuracy", "accuracy_with_labels", "flights", "random_accuracy",
           "some_conflicts", "stadiums"]  # fmt: skip

LABELS = 30
"""Conflicts whose answers are told, where labels are."""


@dataclass(frozen=True, eq=False)
class Case:
    """Rows, the thing of each, and the true values.

    Attributes:
        table: the rows.
        labels: ``(n,)`` int64, thing of each row.
        truth: true value by thing and attribute, of every conflict.
    """

    table: Table
    labels: NDArray[np.int64]
    truth: Mapping[tuple[int, str], str]


def flights() -> Case:
    """The real conflicts: departures and arrivals of 100 flights as 38 sources have them."""
    found = read_dataset("flights")
    if not isinstance(found, Claims) or found.truth is None:
        raise TypeError("the set flights must be claims with truth")
    truth = found.truth.groupby(found.labels).first()
    answers = {(int(e), str(a)): str(truth.at[e, a]) for a in truth.columns for e in truth.index}
    return Case(found.table, found.labels, answers)


def stadiums(seed: int, *, colluding: bool) -> Case:
    """Made conflicts about the rows of the gold table of players and stadiums.

    Args:
        seed: of the recipe.
        colluding: whether sources copy from each other.
    """
    found = read_dataset("alite_stadiums")
    if not isinstance(found, IntegrationSet):
        raise TypeError("the stadiums must be a set of tables")
    gold = found.references["gold"].drop(columns="index")
    made = make_conflicts(gold, colluding=colluding, seed=seed)
    pairs = enumerate(zip(made.attribute, made.truth, strict=True))
    return Case(made.table, made.labels, {(thing, str(a)): str(t) for thing, (a, t) in pairs})


def _keys(conflicts: pd.DataFrame) -> list[tuple[int, str]]:
    return list(zip(conflicts["entity"].tolist(), conflicts["attribute"].tolist(), strict=True))


def _right(case: Case, conflicts: pd.DataFrame) -> NDArray[np.bool_]:
    """``(c,)`` whether the chosen value of each conflict is true."""
    truth = comparable([case.truth[key] for key in _keys(conflicts)])
    chosen = comparable(conflicts["chosen"].fillna("").tolist())
    right: NDArray[np.bool_] = np.array(chosen, dtype=object) == np.array(truth, dtype=object)
    return right


def accuracy(case: Case, rule: Rule) -> tuple[float, int]:
    """Share of the conflicts that are resolved to the true value, and their number.

    Values are compared as the tool compares them; a conflict left open is wrong.

    Args:
        case: see `Case`.
        rule: for all columns.
    """
    conflicts = resolve(case.table, case.labels, rule).conflicts
    return float(_right(case, conflicts).mean()), len(conflicts)


def random_accuracy(case: Case, seed: int) -> tuple[float, int]:
    """The same for a random candidate of each conflict.

    Args:
        case: see `Case`.
        seed: of the choice.
    """
    rng = np.random.default_rng(seed)
    candidates = resolve(case.table, case.labels).candidates()
    drawn = candidates.iloc[rng.permutation(len(candidates))].drop_duplicates(["entity", "attribute"])
    return float(_right(case, drawn.assign(chosen=drawn["value"])).mean()), len(drawn)


def accuracy_with_labels(case: Case, rule: Rule, seed: int) -> tuple[float, int]:
    """The same on all conflicts but those of which the answer was told: `LABELS`, at most half.

    Args:
        case: see `Case`.
        rule: that learns from known values.
        seed: of the conflicts told.
    """
    conflicts = resolve(case.table, case.labels).conflicts
    drawn = conflicts.sample(min(LABELS, len(conflicts) // 2), random_state=seed)
    known = {key: case.truth[key] for key in _keys(drawn)}
    found = resolve(case.table, case.labels, rule, known=known).conflicts
    told = set(known)
    kept = found[[key not in told for key in _keys(found)]]
    return float(_right(case, kept).mean()), len(kept)


def some_conflicts(case: Case, count: int) -> Case:
    """The case with some of its conflicts, evenly spread: the others are made missing, which changes no prompt.

    Args:
        case: see `Case`.
        count: how many, at most.
    """
    conflicts = resolve(case.table, case.labels).conflicts
    wanted = set(_keys(conflicts.iloc[np.unique(np.linspace(0, len(conflicts) - 1, count).astype(int))]))
    frame = case.table.frame.copy()
    for entity, attribute in _keys(conflicts):
        if (entity, attribute) not in wanted:
            frame.loc[case.labels == entity, attribute] = pd.NA
    return Case(Table(frame, case.table.source, case.table.row, case.table.name), case.labels, case.truth)
