"""The loop that all benchmarks share: cells that are stored as they end, so that a stopped study goes on."""

import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from core.atomic import atomic_write
from core.errors import OperationError
from core.reporting.environment import environment
from core.reporting.measure import measure
from core.reporting.records import Published, ResultRecord, Role, Verdict
from core.training.job import commit

__all__ = ["Cell", "CellResult", "System", "collect", "run_cells"]


@dataclass(frozen=True, eq=False)
class System:
    """One row of a table.

    Attributes:
        name: label of the row.
        method: registered name of the method.
        role: method, baseline, untrained or ablation.
        settings: what differs from the preset.
    """

    name: str
    method: str
    role: Role = "method"
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Cell:
    """One run: a system on a data set with a seed."""

    system: System
    dataset: str
    seed: int

    def key(self) -> str:
        """Name of the stored result; it changes with anything that decides the outcome."""
        content = json.dumps([asdict(self.system), self.dataset, self.seed], sort_keys=True, default=str)
        readable = f"{self.dataset}-{self.system.name}-{self.seed}".lower()
        plain = "".join(c if c.isalnum() or c in "-." else "_" for c in readable)
        return f"{plain}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class CellResult:
    """Scores of a cell by metric, the resolved settings, seconds, peak extra memory, and the commit that ran it."""

    scores: dict[str, float]
    settings: dict[str, Any]
    seconds: float
    peak_mb: float | None
    commit: str


def run_cells(
    cells: Sequence[Cell],
    function: Callable[[Cell], tuple[dict[str, float], dict[str, Any]]],
    folder: Path,
    *,
    measured: bool = True,
) -> dict[Cell, CellResult]:
    """Run every cell that has no stored result yet.

    Args:
        cells: what to run, in this order.
        function: runs one cell; returns its scores and its resolved settings.
        folder: stored results, one JSON file per cell.
        measured: whether to measure peak memory; off where the function measures its own parts.

    Returns:
        Results of all cells.

    Raises:
        OperationError: a stored result cannot be read; the message names the file.
    """
    results: dict[int, CellResult] = {}
    sha = commit()  # of the code that this process loaded, whatever is edited while it runs
    terminal = sys.stderr.isatty()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=Console(stderr=True), disable=not terminal) as bar:
        task = bar.add_task("starting", total=len(cells))
        for number, cell in enumerate(cells):
            label = f"{cell.dataset}: {cell.system.name}, seed {cell.seed}"
            bar.update(task, description=label)
            path = folder / f"{cell.key()}.json"
            found = _read(path)
            if found is None:
                started = time.monotonic()
                with measure() if measured else nullcontext() as cost:
                    scores, settings = function(cell)
                seconds = round(time.monotonic() - started, 3)
                found = CellResult(scores, settings, seconds, cost.peak_mb if cost else None, sha)
                with atomic_write(path) as file:
                    json.dump(asdict(found), file, indent=1)
                if not terminal:
                    print(f"[{number + 1}/{len(cells)}] {label}: {found.seconds:.1f} s", file=sys.stderr)
            results[number] = found
            bar.advance(task)
    return {cell: results[number] for number, cell in enumerate(cells)}


def _read(path: Path) -> CellResult | None:
    if not path.exists():
        return None
    try:
        return CellResult(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise OperationError(f"{path} is damaged ({error}); delete it, and the cell will run again") from error


def collect(
    results: Mapping[Cell, CellResult],
    *,
    domain: str,
    profile: str,
    metrics: Sequence[str],
    scale: float = 1.0,
    unit: str = "",
    split: Callable[[str], str] = lambda dataset: "",
    published: Mapping[tuple[str, str], Published] | None = None,
    verdicts: Mapping[tuple[str, str], Verdict] | None = None,
    higher_is_better: bool = True,
) -> list[ResultRecord]:
    """One record per system, data set and metric, over its seeds.

    Args:
        results: what `run_cells` returned.
        domain: of the records.
        profile: quick, cpu or paper.
        metrics: which scores become records, where a cell has them.
        scale: factor on the scores, 100 for per cent.
        unit: appended to the metric's name.
        split: protocol of a data set.
        published: by (system, data set), for the first metric.
        verdicts: by (system, data set), for the first metric.
        higher_is_better: of all these metrics.
    """
    where = environment()
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in results:
        groups.setdefault((cell.dataset, cell.system.name), []).append(cell)
    records = []
    for (dataset, name), cells in groups.items():
        for metric in metrics:
            scored = [c for c in cells if metric in results[c].scores]
            if not scored:
                continue
            values = [results[c].scores[metric] * scale for c in scored]
            first = metric == metrics[0]
            peaks = [p for c in scored if (p := results[c].peak_mb) is not None]
            records.append(
                ResultRecord.over(
                    values,
                    system=name,
                    domain=domain,
                    dataset=dataset,
                    split=split(dataset),
                    method=cells[0].system.method,
                    metric=f"{metric} {unit}".strip(),
                    seeds=[c.seed for c in scored],
                    higher_is_better=higher_is_better,
                    role=cells[0].system.role,
                    published=(published or {}).get((name, dataset)) if first else None,
                    verdict=(verdicts or {}).get((name, dataset)) if first else None,
                    seconds=round(fmean(results[c].seconds for c in scored), 2),
                    peak_mb=round(fmean(peaks), 1) if peaks else None,
                    profile=profile,
                    settings=results[scored[0]].settings,
                    **{**where, "commit": results[scored[0]].commit},
                )
            )
    return records
