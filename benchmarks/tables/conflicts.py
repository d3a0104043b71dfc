"""Which value is right: every rule on the conflicts of real flights and on made ones, with and without labels."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from benchmarks.tables.bars import CONFLICTS, bar_records
from benchmarks.tables.conflict_cases import (
    Case,
    accuracy,
    accuracy_with_labels,
    flights,
    random_accuracy,
    some_conflicts,
    stadiums,
)
from benchmarks.tables.records import Scored, part_records, stopped, timed
from core.errors import UserError
from core.reporting import Cell, ResultRecord, System, run_cells
from core.reporting.records import Role
from domains.tables.conflicts.by_reliability import SourceReliability
from domains.tables.conflicts.by_vote import Longest, Majority
from domains.tables.conflicts.in_context import InContext
from domains.tables.conflicts.rule import Rule
from domains.tables.conflicts.truth import Accu, SlimFast, TruthFinder
from domains.tables.language_models.cached import CachedModel
from domains.tables.language_models.local import LocalModel, packaged_model
from domains.tables.language_models.ngrams import NGramScorer

__all__ = ["ACCURACY", "CONFLICTS_FOUND", "RULES", "conflict_records", "plan"]

ACCURACY = "accuracy"
CONFLICTS_FOUND = "conflicts"
ASKED = 40
"""Conflicts that the packaged language model is asked about; it takes seconds for each."""
_SEEDS = 10
_FLIGHTS = "flights"
_MADE = {"stadiums, made conflicts": False, "stadiums, colluding sources": True}
_RANDOM = "random candidate"
_TOLD: Mapping[str, Rule] = {
    "SlimFast, 30 labels": SourceReliability(SlimFast()),
    "Accu, 30 labels": SourceReliability(Accu()),
}
RULES: Mapping[str, tuple[Rule, Role]] = {
    "majority": (Majority(), "baseline"),
    "longest": (Longest(), "baseline"),
    "TruthFinder": (SourceReliability(TruthFinder()), "baseline"),
    "TruthFinder, damping .1": (SourceReliability(TruthFinder(damping=0.1)), "baseline"),
    "Accu, 10 false values, no copies": (SourceReliability(Accu(false_values=10, least_shared=0)), "baseline"),
    "Accu without shared votes": (SourceReliability(Accu(least_shared=0)), "ablation"),
    "Accu by attribute": (SourceReliability(Accu(by_attribute=True)), "ablation"),
    "Accu": (SourceReliability(Accu()), "method"),
    "SlimFast by EM": (SourceReliability(SlimFast()), "method"),
    "ICLCR, n-grams of the prompt, alone": (InContext(NGramScorer(), vote_weight=0.0), "method"),
    "ICLCR, n-grams of the prompt, votes count": (InContext(NGramScorer()), "method"),
}
"""Rules that need no labels, and their roles."""
_MODEL = {"ICLCR, SmolLM2-135M, alone": 0.0, "ICLCR, SmolLM2-135M, votes count": 1.0}
_SOME = f", {ASKED} conflicts"
"""End of the names of the sets that the packaged model is asked about."""


def plan(seeds: int | None) -> list[Cell]:
    """Cells: what draws on the flights, and every row on made conflicts, has several seeds; the model has one.

    Args:
        seeds: None is 10.
    """
    count = _SEEDS if seeds is None else seeds
    asked: dict[str, Role] = {_RANDOM: "baseline", "majority": "baseline", **dict.fromkeys(_MODEL, "method")}
    roles: dict[str, Role] = {
        _RANDOM: "baseline",
        **{name: role for name, (_, role) in RULES.items()},
        **dict.fromkeys(_TOLD, "method"),
    }
    cells = [
        Cell(System(name, "conflicts", role), dataset, seed)
        for seed in range(count)
        for dataset in (_FLIGHTS, *_MADE)
        for name, role in roles.items()
        if seed == 0 or dataset in _MADE or name in (_RANDOM, *_TOLD)
    ]
    return cells + [
        Cell(System(name, "conflicts", role), dataset + _SOME, seed)
        for dataset in (_FLIGHTS, *_MADE)
        for name, role in asked.items()
        for seed in range(count if name == _RANDOM else 1)
    ]


@lru_cache(maxsize=32)
def _case(dataset: str, seed: int) -> Case:
    if dataset.endswith(_SOME):
        return some_conflicts(_case(dataset.removesuffix(_SOME), 0), ASKED)
    return flights() if dataset == _FLIGHTS else stadiums(seed, colluding=_MADE[dataset])


@lru_cache(maxsize=1)
def _packaged() -> LocalModel:
    return LocalModel(packaged_model())


def conflict_records(profile: str, seeds: int | None, out: Path) -> list[ResultRecord]:
    """Records of all rules on all cases, and whether the bars are reached.

    Args:
        profile: of the study.
        seeds: None is 10.
        out: folder of results; answers of the language model are kept below it.
    """
    folder = out / "tables" / "cells" / profile / "conflicts"
    results = run_cells(plan(seeds), timed(lambda cell: _run(cell, folder / "answers")), folder)
    rows = part_records(results, profile, metrics=(ACCURACY,), counts=(CONFLICTS_FOUND,))
    return [*rows, *bar_records(CONFLICTS, results, profile)]


def _run(cell: Cell, answers: Path) -> Scored:
    name = cell.system.name
    case = _case(cell.dataset, cell.seed if cell.dataset in _MADE else 0)
    if name == _RANDOM:
        share, count = random_accuracy(case, cell.seed)
    elif name in _TOLD:
        share, count = accuracy_with_labels(case, _TOLD[name], cell.seed)
    elif name in RULES:
        share, count = accuracy(case, RULES[name][0])
    else:
        try:
            model = _packaged()
        except UserError:
            return stopped([ACCURACY], "its package is not installed")
        rule = InContext(CachedModel(model, answers), vote_weight=_MODEL[name], shared=True)
        share, count = accuracy(case, rule)
    return {ACCURACY: share, CONFLICTS_FOUND: count}, {}
