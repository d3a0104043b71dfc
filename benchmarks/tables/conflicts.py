"""Which value is right: every rule on the conflicts of real flights and on made ones, with and without labels."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.tables.conflict_recipe import make_conflicts
from core.data import fetch
from core.reporting import ResultRecord, environment, write_records
from core.reporting.records import Role
from domains.tables.conflicts.by_reliability import SourceReliability
from domains.tables.conflicts.by_vote import Longest, Majority
from domains.tables.conflicts.comparable import comparable
from domains.tables.conflicts.in_context import InContext
from domains.tables.conflicts.resolve import resolve
from domains.tables.conflicts.rule import Rule
from domains.tables.conflicts.truth import Accu, SlimFast, TruthFinder
from domains.tables.data.claims import Claims
from domains.tables.data.datasets import read_dataset
from domains.tables.data.read import read_source
from domains.tables.data.table import Table
from domains.tables.language_models.base import LanguageModel
from domains.tables.language_models.local import LocalModel, packaged_model
from domains.tables.language_models.ngrams import NGramScorer

__all__ = ["conflict_records"]

_LABELS = 30
_DRAWS = {"quick": 10}
_SEEDS = {"quick": 3}
_ASKED = 40
"""Conflicts that the packaged model is asked about, spread evenly; it takes seconds for each."""


@dataclass(frozen=True, eq=False)
class _Case:
    """A table whose conflicts have known answers."""

    table: Table
    labels: NDArray[np.int64]
    truth: Mapping[tuple[int, str], str]


def _flights() -> _Case:
    found = read_dataset("flights")
    if not isinstance(found, Claims) or found.truth is None:
        raise TypeError("the set flights must be claims with truth")
    truth = found.truth.groupby(found.labels).first()
    answers = {(int(e), str(a)): str(truth.at[e, a]) for a in truth.columns for e in truth.index}
    return _Case(found.table, found.labels, answers)


def _stadiums(seed: int, *, colluding: bool) -> _Case:
    gold = read_source(str(fetch("tables/alite_stadiums") / "gold.csv")).frame
    made = make_conflicts(gold.drop(columns="index", errors="ignore"), colluding=colluding, seed=seed)
    pairs = enumerate(zip(made.attribute, made.truth, strict=True))
    return _Case(made.table, made.labels, {(thing, str(a)): str(t) for thing, (a, t) in pairs})


def _right(case: _Case, conflicts: pd.DataFrame) -> NDArray[np.bool_]:
    """``(c,)`` whether the chosen value of each conflict is true."""
    keys = zip(conflicts["entity"].tolist(), conflicts["attribute"].tolist(), strict=True)
    truth = comparable([case.truth[key] for key in keys])
    chosen = comparable(conflicts["chosen"].fillna("").tolist())
    return np.array(chosen, dtype=object) == np.array(truth, dtype=object)


def _score(case: _Case, rule: Rule) -> float:
    return float(_right(case, resolve(case.table, case.labels, rule).conflicts).mean())


def _random(case: _Case, seed: int) -> float:
    """A random candidate of each conflict."""
    rng = np.random.default_rng(seed)
    candidates = resolve(case.table, case.labels).candidates()
    drawn = candidates.iloc[rng.permutation(len(candidates))].drop_duplicates(["entity", "attribute"])
    return float(_right(case, drawn.assign(chosen=drawn["value"])).mean())


def _with_labels(case: _Case, rule: Rule, seed: int) -> float:
    """Accuracy on all conflicts but those of which the answer was told."""
    conflicts = resolve(case.table, case.labels).conflicts
    drawn = conflicts.sample(min(_LABELS, len(conflicts) // 2), random_state=seed)
    keys = list(zip(drawn["entity"].tolist(), drawn["attribute"].tolist(), strict=True))
    found = resolve(case.table, case.labels, rule, known={key: case.truth[key] for key in keys}).conflicts
    return float(_right(case, found.drop(index=drawn.index)).mean())


def _asked(case: _Case, rule: Rule) -> float:
    """Accuracy on some of the conflicts: the others are made missing, which changes no prompt."""
    conflicts = resolve(case.table, case.labels).conflicts
    kept = conflicts.iloc[np.unique(np.linspace(0, len(conflicts) - 1, _ASKED).astype(int))]
    wanted = set(zip(kept["entity"].tolist(), kept["attribute"].tolist(), strict=True))
    every = zip(conflicts["entity"].tolist(), conflicts["attribute"].tolist(), strict=True)
    frame = case.table.frame.copy()
    for entity, attribute in every:
        if (entity, attribute) not in wanted:
            frame.loc[case.labels == entity, attribute] = pd.NA
    table = Table(frame, case.table.source, case.table.row, case.table.name)
    return float(_right(case, resolve(table, case.labels, rule).conflicts).mean())


def _rules() -> dict[str, tuple[Rule, Role]]:
    plain = Accu(false_values=10, least_shared=0)
    return {
        "majority": (Majority(), "baseline"),
        "longest": (Longest(), "baseline"),
        "TruthFinder": (SourceReliability(TruthFinder()), "baseline"),
        "Accu, 10 false values, no copies": (SourceReliability(plain), "baseline"),
        "Accu without shared votes": (SourceReliability(Accu(least_shared=0)), "ablation"),
        "Accu by attribute": (SourceReliability(Accu(by_attribute=True)), "ablation"),
        "Accu": (SourceReliability(Accu()), "method"),
        "SlimFast by EM": (SourceReliability(SlimFast()), "method"),
    }


def conflict_records(profile: str, seeds: int | None = None) -> list[ResultRecord]:
    """Records of all rules on all cases.

    Args:
        profile: "quick" leaves the packaged language model out and draws labels less often.
        seeds: of made conflicts; None is 3, or 10 outside of the profile "quick".
    """
    several = range(seeds or _SEEDS.get(profile, 10))
    flights = _flights()
    records = _case_records("flights", [flights], profile)
    for name, colluding in (("stadiums, made conflicts", False), ("stadiums, colluding sources", True)):
        records += _case_records(name, [_stadiums(seed, colluding=colluding) for seed in several], profile)
    return records


def _case_records(dataset: str, cases: list[_Case], profile: str) -> list[ResultRecord]:
    """One case for each seed; with one case only, what is random is repeated on it."""
    draws = range(_DRAWS.get(profile, 100))
    repeated = [(case, seed) for seed, case in enumerate(cases)] if len(cases) > 1 else [(cases[0], s) for s in draws]
    records = [_record(dataset, "random", "baseline", [lambda c=c, s=s: _random(c, s) for c, s in repeated], profile)]
    for name, (rule, role) in _rules().items():
        records.append(_record(dataset, name, role, [lambda c=c, r=rule: _score(c, r) for c in cases], profile))
    for name, method in (("SlimFast, 30 labels", SlimFast()), ("Accu, 30 labels", Accu())):
        told = SourceReliability(method)
        runs = [lambda c=c, s=s, r=told: _with_labels(c, r, s) for c, s in repeated]
        records.append(_record(dataset, name, "method", runs, profile, split="the other conflicts"))
    models: dict[str, LanguageModel] = {"n-grams of the prompt": NGramScorer()}
    if profile != "quick":
        models["SmolLM2-135M"] = LocalModel(packaged_model())
    for name, model in models.items():
        small = isinstance(model, LocalModel)
        measure = _asked if small else _score
        for weight in (0.0, 1.0):
            asked = InContext(model, vote_weight=weight, shared=small)
            label = f"ICLCR, {name}, {'votes count' if weight else 'alone'}"
            runs = [lambda c=c, r=asked, m=measure: m(c, r) for c in cases[: 3 if small else None]]
            split = f"{_ASKED} conflicts" if small else "all conflicts"
            records.append(_record(dataset, label, "method", runs, profile, split=split))
    return records


def _record(
    dataset: str, system: str, role: Role, runs: list[Callable[[], float]], profile: str, split: str = "all conflicts"
) -> ResultRecord:
    values, seconds = [], []
    for run in runs:
        started = time.perf_counter()
        values.append(100 * run())
        seconds.append(time.perf_counter() - started)
    return ResultRecord.over(
        values,
        system=system,
        domain="tables",
        dataset=dataset,
        split=split,
        method="conflicts",
        metric="accuracy %",
        role=role,
        higher_is_better=True,
        seconds=round(fmean(seconds), 3),
        profile=profile,
        **environment(),
    )


def main() -> None:
    """``python -m benchmarks.tables.conflicts --profile quick --out benchmarks/results``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="quick", choices=("quick", "cpu"))
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args()
    records = conflict_records(chosen.profile, chosen.seeds)
    write_records(records, chosen.out / "tables" / f"{chosen.profile}-conflicts.json")
    for one in records:
        print(f"{one.dataset:28} {one.system:34} {one.mean:6.1f} ({one.std or 0:.1f}) {one.seconds} s")


if __name__ == "__main__":
    main()
