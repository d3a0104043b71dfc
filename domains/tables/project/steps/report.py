"""One page about a project that needs no other file and no network."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, StrictUndefined

from core.atomic import atomic_write
from core.errors import UserError
from domains.tables.data.output import check_file
from domains.tables.outcome import entity_names
from domains.tables.project.decisions import active
from domains.tables.project.folder import Project
from domains.tables.project.freshness import require, states
from domains.tables.project.stored import load_index, load_table

__all__ = ["report"]

SHOWN = 20
"""Most lines of each list of examples; the counts say how many there are."""
_PACKAGES = ("counterpoint", "numpy", "pandas", "pyarrow", "rapidfuzz", "scipy", "scikit-learn")


def report(project: Project, out: str | Path) -> None:
    """Write a page with the inputs, the mapping, the pairs, the sets, the conflicts, the decisions and the state.

    Args:
        project: after `cluster`; conflicts are shown where `resolve` was run.
        out: the file, ``.html``.

    Raises:
        UserError: an earlier step has to be run first, or another ending.
        OperationError: the file cannot be written.
    """
    if Path(out).suffix.lower() not in (".html", ".htm"):
        raise UserError(f"--out must end in .html, got {out}")
    check_file(out, project.kept)
    require(project, "resolve")
    template = (files("domains.tables.project") / "report.html.j2").read_text("utf-8")
    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    shown = page.from_string(template).render(**_content(project))
    with atomic_write(out) as file:
        file.write(shown)
    project.log("report", out=str(out))


def _content(project: Project) -> dict[str, Any]:
    lines, ignored = project.decisions.read()
    cluster, match = project.finished("cluster"), project.finished("match")
    suspicious = project.read_json("cluster", "suspicious.json")
    resolved = project.record("resolve")
    return {
        "name": project.settings.name,
        "states": states(project),
        "sources": project.finished("init").facts["sources"],
        "inputs": project.finished("init").facts["inputs"],
        "targets": project.finished("align").facts["targets"],
        "block": project.finished("block").facts,
        "match": match.facts,
        "histogram": _bars(match.facts.get("histogram", [])),
        "cluster": cluster.facts,
        "curve": project.read_json("cluster", "curve.json"),
        "suspicious": suspicious[:SHOWN],
        "suspicious_count": len(suspicious),
        "resolve": resolved.facts if resolved else None,
        "conflicts": _conflicts(project) if resolved else {},
        "examples": _examples(project) if resolved else [],
        "decisions": Counter(decision.kind for decision in active(lines)),
        "lines": len(lines),
        "ignored": ignored,
        "seconds": {step: record.seconds for step in ("init", "align", "block", "match", "cluster", "resolve")
                    if (record := project.record(step))},
        "time": (resolved or cluster).time,
        "versions": {package: version(package) for package in _PACKAGES},
    }  # fmt: skip


def _bars(counts: list[int]) -> list[dict[str, Any]]:
    """Bars of a histogram of 20 bins, in a box of 400 by 120."""
    most = max([1, *counts])
    return [
        {"x": 20 * place, "y": round(110 - 110 * count / most, 1), "height": round(110 * count / most, 1),
         "label": f"{place / 20:.2f} to {(place + 1) / 20:.2f}: {count:,} pairs"}
        for place, count in enumerate(counts)
    ]  # fmt: skip


def _conflicts(project: Project) -> dict[str, dict[str, int]]:
    found = project.read_frame("resolve", "conflicts.parquet")
    if not len(found):
        return {}
    groups = found.groupby("attribute", observed=True, sort=False)
    return {
        str(name): {
            "all": len(part), "open": int(part["open"].sum()), "settled": int((part["rule"] == "known").sum())
        }
        for name, part in groups
    }  # fmt: skip


def _examples(project: Project) -> list[dict[str, Any]]:
    """The largest entities with their rows."""
    table, index = load_table(project), load_index(project)
    entity = project.read_frame("resolve", "entities.parquet")["entity"]
    if len(entity) != len(table):
        return []
    golden = project.read_frame("resolve", "golden.parquet")
    size = entity.value_counts(sort=False).sort_index()
    largest = size[size > 1].sort_values(ascending=False, kind="stable").index[:5]
    found = []
    for number in largest:
        rows = entity.index[entity == number][:SHOWN]
        columns = [column for column in table.columns if table.frame[column].iloc[rows].notna().any()]
        cells = [
            (f"{index.source[row]}:{index.row[row]}", [_text(table.frame[column].iat[row]) for column in columns])
            for row in rows
        ]
        merged = [_text(golden.at[number, column]) for column in columns]
        names = entity_names(pd.Series([number]).to_numpy())
        found.append({"id": names[0], "count": int(size[number]), "columns": columns, "rows": cells, "merged": merged})
    return found


def _text(value: Any) -> str:
    return "" if pd.isna(value) else str(value)
