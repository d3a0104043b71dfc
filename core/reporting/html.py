"""A self-contained HTML page from result records or from run folders."""

import csv
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from core.atomic import atomic_write
from core.errors import UserError
from core.reporting.plots import PALETTE, figure_svg, plain_text, score_plot
from core.reporting.records import ResultRecord
from core.reporting.store import outside_cells, read_records
from core.reporting.table import Table, tables

__all__ = ["write_report"]


@dataclass(frozen=True)
class _Plot:
    svg: str
    alt: str


@dataclass(frozen=True)
class _Section:
    table: Table
    plots: tuple[_Plot, ...]


def write_report(folder: str | Path, out: str | Path) -> int:
    """Write one page about everything in a folder.

    A folder with run folders (``result.json``) gives a table of runs and their loss curves; a folder with result
    records gives the tables and seed plots of the benchmarks. The page needs no network and no other file.

    Args:
        folder: runs or records, at any depth.
        out: the HTML file, replaced if it exists.

    Returns:
        Number of runs or records shown.

    Raises:
        UserError: nothing to show; or a damaged file, named.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder")
    runs = [p.parent for p in outside_cells(folder, "result.json")]
    if runs:
        sections, count = [_runs_section(runs, folder)], len(runs)
        lead, footer = f"{count} finished runs below {folder.name or folder}.", ""
    else:
        records = read_records(folder)
        if not records:
            raise UserError(f"{folder} holds no result records: its .json files are empty lists")
        sections, count = _record_sections(records), len(records)
        lead, footer = f"{count} result records.", _footer(records)
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    template = environment.from_string((files("core.reporting") / "report.html.j2").read_text(encoding="utf-8"))
    page = template.render(title="Counterpoint report", lead=lead, sections=sections, footer=footer)
    with atomic_write(out) as file:
        file.write(page)
    return count


def _record_sections(records: list[ResultRecord]) -> list[_Section]:
    groups: dict[tuple[str, str, str], list[ResultRecord]] = {}
    for record in records:
        groups.setdefault((record.profile, record.dataset, record.split), []).append(record)
    sections = []
    for table, group in zip(tables(records), groups.values(), strict=True):
        first = group[0].metric
        leading = [r for r in group if r.metric == first]
        alt = f"{first} of {len(leading)} systems on {leading[0].dataset}, each seed a dot"
        sections.append(_Section(table, (_Plot(figure_svg(score_plot(leading)), alt),)))
    return sections


def _footer(records: list[ResultRecord]) -> str:
    one = records[0]
    return (
        f"Commit {one.commit or 'unknown'}, {one.date}, {one.machine.get('cpu', 'unknown processor')}, "
        f"{one.machine.get('cores', '?')} cores; " + ", ".join(f"{k} {v}" for k, v in one.versions.items())
    )


def _runs_section(runs: list[Path], root: Path) -> _Section:
    results = [_result(run / "result.json") for run in runs]
    metrics = list(dict.fromkeys(name for r in results for name in r["scores"]))
    rows = tuple(
        (
            str(run.relative_to(root)),
            str(result["method"]),
            str(result["data"] or "default"),
            *(f"{result['scores'][m]:.4f}" if m in result["scores"] else "" for m in metrics),
            f"{result['seconds']:.1f}",
        )
        for run, result in zip(runs, results, strict=True)
    )
    columns = ("run", "method", "data", *metrics, "seconds")
    table = Table("Runs", columns, rows, frozenset())
    curves = {str(run.relative_to(root)): _loss_curve(run / "metrics.csv") for run in runs}
    plots = [
        _Plot(figure_svg(_curve_figure(name, xs, ys)), f"training loss of {name}")
        for name, (xs, ys) in curves.items()
        if xs
    ]
    return _Section(table, tuple(plots[:24]))


def _result(path: Path) -> dict[str, Any]:
    try:
        result: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is damaged: {error}") from error
    needed = ("method", "data", "scores", "seconds")
    lacking = [name for name in needed if not isinstance(result, dict) or name not in result]
    if lacking:
        raise UserError(f"{path} is not the result of a run: it lacks {', '.join(lacking)}")
    return dict(result)


def _loss_curve(path: Path) -> tuple[list[float], list[float]]:
    if not path.exists():
        return [], []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["name"] == "loss"]
        return [float(row["step"]) for row in rows], [float(row["value"]) for row in rows]
    except (KeyError, TypeError, ValueError) as error:  # a column, a value or a number is missing
        raise UserError(f"{path} is damaged: {error}; delete it, and the report leaves its curve out") from error


@plain_text
def _curve_figure(name: str, xs: list[float], ys: list[float]) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 2.6), layout="constrained")
    axes = figure.subplots()
    axes.plot(xs, ys, color=PALETTE[0], lw=1.3)
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.set_title(name, loc="left", fontsize=10)
    axes.grid(color="#dddddd", lw=0.6)
    return figure
