"""From cells to records: accuracies in per cent, geometry and costs as they are."""

from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean

from benchmarks.vision.claims import KNN
from core.evaluation import Verdict
from core.reporting import Cell, CellResult, Published, ResultRecord, System, collect

__all__ = ["CPU", "method_key", "part_records"]

_PER_CENT = ("accuracy", KNN, "classifier accuracy", "proxy accuracy", "false-negative share")
_ERRORS = ("MAE", "RMSE", "regressor MAE")
_PLAIN = (
    "Pearson",
    "ordinality",
    "effective rank",
    "rank of projections",
    "alignment",
    "uniformity",
    "gate activation",
)
CPU = "CPU s"
"""Processor seconds of training and scoring on one thread: unlike the time on the clock, the same beside other work."""


def method_key(system: System) -> str:
    """The page that a row belongs to: the method, or for a loss in SimCLR's frame the loss."""
    loss = str(system.settings.get("loss", ""))
    if system.method == "simclr" and loss not in ("", "NTXentLoss", "PairwiseAggregation"):
        return loss.lower().removesuffix("loss")
    return system.method


def part_records(
    results: Mapping[Cell, CellResult],
    profile: str,
    *,
    published: Mapping[tuple[str, str], Published],
    verdicts: Mapping[tuple[str, str], Verdict],
) -> list[ResultRecord]:
    """Records of one part.

    Args:
        results: of its cells.
        profile: of the study.
        published: by system and data set.
        verdicts: by system and data set, for the leading metric.
    """
    names = {name for result in results.values() for name in result.scores}
    rest = [name for name in sorted(names) if name.startswith("accuracy ")]
    found = collect(
        results,
        domain="vision",
        profile=profile,
        metrics=(*_PER_CENT, *rest),
        scale=100.0,
        unit="%",
        split=_split,
        published=published,
        verdicts=verdicts,
    )
    found += collect(
        results,
        domain="vision",
        profile=profile,
        metrics=_ERRORS,
        split=_split,
        published=published,
        verdicts=verdicts,
        higher_is_better=False,
    )
    found += collect(results, domain="vision", profile=profile, metrics=_PLAIN, split=_split)
    keys = {cell.system.name: method_key(cell.system) for cell in results}
    seconds: dict[tuple[str, str], list[float]] = {}
    for cell, result in results.items():
        seconds.setdefault((cell.system.name, cell.dataset), []).append(result.scores.get(CPU, result.seconds))
    return [
        replace(
            record,
            method=keys[record.system],
            seconds=round(fmean(seconds[record.system, record.dataset]), 1),
        )
        for record in found
    ]


_PROTOCOLS = {
    "digits over cifar10_13k": "linear probe; accuracy is the mean of both features",
    "digits over cifar10_13k, digit dropped from a view": "linear probe for the digit before the head",
    "pacs64": "linear probe, half of each domain; accuracy is the mean of the domains",
    "cifar10_13k, half": "linear probe on features before and after the head; accuracy is before, clean",
    "rotation angle": "ridge regression on frozen features, degrees",
    "diabetes": "ridge regression on frozen features",
}


def _split(dataset: str) -> str:
    """How the rows of a table were scored."""
    return _PROTOCOLS.get(dataset.removesuffix(", imbalanced"), "frozen features, logistic regression")
