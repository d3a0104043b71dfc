"""Bars that the study was set before it was run, and whether they are reached: each a difference with a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.tables.records import BCUBED, PAIRWISE
from core.evaluation import Verdict
from core.reporting import Cell, CellResult, Published, ResultRecord, environment

__all__ = ["CONFLICTS", "COST", "MATCHING", "REVIEW", "Bar", "bar_records"]

_SOURCE = "bar set before the study"


@dataclass(frozen=True)
class Bar:
    """A score that a row should reach.

    Attributes:
        text: the claim.
        system: label of the row.
        dataset: where.
        metric: name of the score, in [0, 1].
        least: the bar, in [0, 1].
    """

    text: str
    system: str
    dataset: str
    metric: str
    least: float


_OURS = "ours, no labels"
_CHICAGO, _CORA = "chicago_early_childhood", "cora"
MATCHING = (
    Bar("at least .94, without labels", _OURS, _CHICAGO, PAIRWISE, 0.94),
    Bar("at least .965, without labels", _OURS, _CHICAGO, BCUBED, 0.965),
    Bar("at least .87, without labels", _OURS, _CORA, PAIRWISE, 0.87),
    Bar("at least .90, without labels", _OURS, _CORA, BCUBED, 0.90),
    *(
        Bar(f"at least {least}, TF-IDF at an oracle's threshold", _OURS, f"febrl_dataset{n}_cut", PAIRWISE, least)
        for n, least in ((1, 0.96), (2, 0.87), (3, 0.89))
    ),
)
COST = (Bar("at least .97 on a million rows, without labels", _OURS, "1,000,000 persons (synthetic)", PAIRWISE, 0.97),)
REVIEW = (Bar("at least .96 with 30 answers", "ours, 30 answers", _CHICAGO, PAIRWISE, 0.96),)
CONFLICTS = (
    Bar("above .77 without labels", "Accu", "flights", "accuracy", 0.77),
    Bar("at least .87 with 30 labels", "SlimFast, 30 labels", "flights", "accuracy", 0.87),
)
"""Of the values chosen for the conflicts of the flights."""


def bar_records(bars: Sequence[Bar], results: Mapping[Cell, CellResult], profile: str) -> list[ResultRecord]:
    """One record for each bar whose rows were run: by how much it is passed, over the seeds of the row.

    The verdict is "seen" where the mean reaches the bar.

    Args:
        bars: of a part.
        results: of its cells.
        profile: of the study.
    """
    where = environment()
    records = []
    for bar in bars:
        found = _values(results, bar.system, bar.dataset, bar.metric)
        if not found:
            continue
        passed = [100 * (value - bar.least) for value in found.values()]
        reached: Verdict = "seen" if sum(passed) >= -1e-9 else "not seen"
        records.append(
            ResultRecord.over(
                passed,
                system=f"{bar.system}: {bar.text}",
                domain="tables",
                dataset=f"{bar.dataset}: bars",
                split="points above the bar",
                method="bars",
                metric="difference",
                seeds=list(found),
                higher_is_better=True,
                published=Published(None, _SOURCE, True),
                verdict=reached,
                profile=profile,
                settings={"metric": bar.metric, "unit": "points", "bar": 100 * bar.least},
                **where,
            )
        )
    return records


def _values(results: Mapping[Cell, CellResult], system: str, dataset: str, metric: str) -> dict[int, float]:
    """Scores by seed."""
    return {
        cell.seed: result.scores[metric]
        for cell, result in results.items()
        if (cell.system.name, cell.dataset) == (system, dataset) and metric in result.scores
    }
