"""Run the graphs study."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from benchmarks.graphs.plan import DATASETS, plan
from benchmarks.graphs.published import PUBLISHED
from benchmarks.graphs.speed import large_graph_records, speed_records
from core.errors import UserError, unknown_name
from core.evaluation import Verdict, paired_test
from core.reporting import Cell, CellResult, ResultRecord, collect, run_cells, write_records
from core.training import FitSettings, preset_names, read_preset, resolve_settings, train
from domains.graphs import METHODS
from domains.graphs.data.graph import GraphData, GraphSet
from domains.graphs.evaluate import EvaluationSettings
from domains.graphs.task import GraphTask

__all__ = ["run"]

_METRICS = ("accuracy", "accuracy at best val", "kNN accuracy")
_BARS = ("SGC-smoothed features", "untrained encoder")


class _CachedTask(GraphTask):
    """The task with each data set read once per process."""

    @staticmethod
    @lru_cache(maxsize=2)
    def _read(data: str) -> GraphData | GraphSet:
        return GraphTask().load(data)

    def load(self, data: str | None) -> GraphData | GraphSet:
        return self._read(data or "digits-knn")


def run(profile: str, seeds: int | None, out: Path, only: Sequence[str] = ()) -> list[ResultRecord]:
    """Run one profile and write ``<out>/graphs/<part>.json``.

    Every cell is stored when it ends and every run inside it can be resumed, so a study that was stopped goes on where
    it was. One torch thread, so that the numbers do not depend on the number of cores.

    Args:
        profile: "quick" (embedded data, three minutes), "cpu" (the real sets, hours) or "paper" (all of the paper's).
        seeds: number of seeds; None takes each part's own.
        out: folder of results.
        only: parts to run; empty means all.

    Raises:
        UserError: an unknown part.
    """
    timed = _TIMED if profile == "cpu" else {}
    parts = [*DATASETS[profile], *timed]
    for name in only:
        if name not in parts:
            raise unknown_name(f"part of the {profile} profile", name, parts)
    records: list[ResultRecord] = []
    for part in only or parts:
        if part in timed:
            measured = timed[part]()
            write_records(measured, out / "graphs" / f"{profile}-{part.replace(' ', '-')}.json")
            records += measured
            continue
        cells = plan(profile, part, seeds)
        folder = out / "graphs" / "cells" / profile

        def run_one(cell: Cell, runs: Path = folder / "runs") -> tuple[dict[str, float], dict[str, Any]]:
            return _run_cell(cell, runs)

        results = run_cells(cells, run_one, folder)
        part_records = collect(
            results,
            domain="graphs",
            profile=profile,
            metrics=_METRICS,
            scale=100.0,
            unit="%",
            split=_split,
            published=PUBLISHED,
            verdicts=_verdicts(results),
        )
        write_records(part_records, out / "graphs" / f"{profile}-{part.replace(' ', '-')}.json")
        records += part_records
    return records


def _time_epochs() -> list[ResultRecord]:
    torch.set_num_threads(1)  # CPU seconds: waiting threads would count too
    cora = _CachedTask().load("cora")
    if not isinstance(cora, GraphData):
        raise UserError("cora must be one graph")
    return speed_records(cora, "cpu")


def _time_large_graph() -> list[ResultRecord]:
    torch.set_num_threads(2)
    return large_graph_records("cpu")


_TIMED: dict[str, Callable[[], list[ResultRecord]]] = {"speed": _time_epochs, "large graph": _time_large_graph}


def _run_cell(cell: Cell, runs: Path) -> tuple[dict[str, float], dict[str, Any]]:
    name = cell.dataset.lower()
    method, evaluation = ({}, {}) if name not in preset_names("domains.graphs") else _preset(name, cell.system.method)
    settings = resolve_settings(
        METHODS.settings(cell.system.method),
        (f"preset {name}", method),
        (f"system {cell.system.name}", dict(cell.system.settings)),
    )
    result = train(
        _CachedTask(),
        METHODS,
        cell.system.method,
        data=cell.dataset,
        settings=settings,
        evaluation=resolve_settings(EvaluationSettings, (f"preset {name}", evaluation)),
        fit_settings=FitSettings(seed=cell.seed, threads=1, progress=False, checkpoint_seconds=60.0),
        folder=runs / cell.key(),
        resume=True,
    )
    return result.scores, asdict(settings)


def _preset(name: str, method: str) -> tuple[dict[str, Any], dict[str, Any]]:
    return read_preset("domains.graphs", name, method)


def _split(dataset: str) -> str:
    if dataset.endswith("-knn"):
        return "fixed split, linear probe"
    if dataset in ("cora", "citeseer", "pubmed"):
        return "public split, linear probe"
    if dataset.startswith("amazon"):
        return "random 10/10/80 per seed, linear probe"
    return "10-fold SVM, one split for all seeds"


def _verdicts(results: Mapping[Cell, CellResult]) -> dict[tuple[str, str], Verdict]:
    """The claim of every method: above SGC-smoothed features and above the untrained encoder, whichever is higher."""
    scores: dict[tuple[str, str], list[float]] = {}
    for cell, result in results.items():
        scores.setdefault((cell.system.name, cell.dataset), []).append(result.scores["accuracy"])
    methods = {(c.system.name, c.dataset) for c in results if c.system.role == "method"}
    verdicts: dict[tuple[str, str], Verdict] = {}
    for key in methods:
        rivals = [scores[bar, key[1]] for bar in _BARS if (bar, key[1]) in scores]
        if rivals and len(scores[key]) > 1:
            verdicts[key] = paired_test(scores[key], max(rivals, key=sum)).verdict
    return verdicts
