"""Where the rows of a set disagree: the list of all conflicts, and one of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from core.errors import UserError, unknown_name
from domains.tables.conflicts.comparable import comparable
from domains.tables.conflicts.named import RULE_NAMES
from domains.tables.review.session import ReviewSession

__all__ = ["conflict", "conflicts"]

LISTED = 500
"""Most conflicts in the list; the count says how many there are."""


def conflicts(session: ReviewSession, column: str = "") -> dict[str, Any]:
    """Conflicts, open ones and small margins first.

    Args:
        session: the project.
        column: only those of one column; empty for all.
    """
    found = session.resolution.conflicts
    if not len(found):
        return {"total": 0, "open": 0, "list": [], "columns": {}, "column": column}
    counts = {str(name): int(count) for name, count in found["attribute"].value_counts(sort=False).items() if count}
    if column:
        found = found[found["attribute"] == column]
    settled = found["rule"] == "known"
    # of votes the winner's share says how sure it is
    order = np.lexsort((found["entity"], found["margin"].fillna(np.inf), ~found["open"], settled))
    shown = found.iloc[order[:LISTED]]
    columns = [shown[name].tolist() for name in ("entity", "attribute", "candidates", "open", "chosen", "why", "rule")]
    listed = [
        {"set": entity, "column": str(name), "candidates": count, "open": left_open,
         "chosen": "" if pd.isna(chosen) else str(chosen), "why": str(why), "rule": str(rule)}
        for entity, name, count, left_open, chosen, why, rule in zip(*columns, strict=True)
    ]  # fmt: skip
    return {
        "total": len(found),
        "open": int(found["open"].sum()),
        "list": listed,
        "columns": counts,
        "column": column,
    }


def conflict(session: ReviewSession, row: int, column: str) -> dict[str, Any]:
    """One conflict: its values with votes, sources and scores, what was chosen and why.

    Args:
        session: the project.
        row: any row of the set.
        column: of the union.

    Raises:
        UserError: no such row or column.
    """
    if column not in session.table.columns:
        raise unknown_name("column", column, session.table.columns)
    members = session.rows_of(row)
    name = int(session.labels[members[0]])
    found = session.resolution_of(name)
    values = session.table.frame[column].iloc[members]
    told = members[values.notna().to_numpy()]
    if not len(told):
        raise UserError(f"no row of this set has a value in {column!r}")
    texts = session.table.frame[column].iloc[told].tolist()
    listed = found.candidates()
    listed = listed[(listed["entity"] == name) & (listed["attribute"] == column)]
    score = dict(zip(comparable(listed["value"].tolist()), listed["score"].tolist(), strict=True))
    entry = found.conflicts[(found.conflicts["entity"] == name) & (found.conflicts["attribute"] == column)]
    golden = found.golden[column].loc[name]
    chosen = None if pd.isna(golden) else str(golden)
    groups: dict[str, list[tuple[int, str]]] = {}
    for position, text, key in zip(told.tolist(), texts, comparable(texts), strict=True):
        groups.setdefault(key, []).append((position, text))
    candidates: list[dict[str, Any]] = []
    for key, rows in groups.items():
        spelled = [text for _, text in rows]
        value = chosen if chosen in spelled else max(sorted(set(spelled)), key=spelled.count)
        points = score.get(key)
        candidates.append(
            {
                "value": value, "rows": len(rows), "share": len(rows) / len(told),
                "sources": sorted({str(session.table.source[p]) for p, _ in rows}),
                "spellings": sorted(set(spelled) - {value}), "chosen": value == chosen,
                "score": None if points is None or pd.isna(points) else float(points),
            }
        )  # fmt: skip
    candidates.sort(key=lambda one: (-one["rows"], one["value"]))
    return {
        "name": name,
        "members": members.tolist(),
        "column": column,
        "candidates": candidates,
        "chosen": chosen,
        "why": str(entry["why"].iloc[0]) if len(entry) else "all rows that have a value agree",
        "open": bool(entry["open"].iloc[0]) if len(entry) else False,
        "settled": session.settled.decision.get((name, column)),
        "rule": found.rules[column],
        "knew_one_set": session.knew_one_set(name, column),
        "rules": [rule for rule in RULE_NAMES if rule not in ("newest", "source_priority")],
        "scored": any(one["score"] is not None for one in candidates),
        "reliability": _reliability(session, column),
        "next": _next(session, name, column),
    }


def _reliability(session: ReviewSession, column: str) -> dict[str, tuple[int, int]]:
    """Of each source: how often its rows have the chosen value, and in how many conflicts of a column they have one.

    Sources are counted in small tables only; in large ones the other sets are not resolved for a page.
    """
    if session.large:
        return {}
    found = session.resolution
    told = found.conflicts[(found.conflicts["attribute"] == column) & ~found.conflicts["open"]]
    among = np.isin(session.labels, told["entity"].to_numpy(np.int64))
    filled = among & session.table.frame[column].notna().to_numpy()
    origin = found.provenance()
    agrees = np.zeros(len(session.labels), dtype=np.bool_)
    agrees[origin[origin["attribute"] == column]["position"].to_numpy()] = True
    return {
        source: (int((agrees & mine).sum()), int(mine.sum()))
        for source in session.table.sources
        if (mine := filled & (session.table.source == source)).any()
    }


def _next(session: ReviewSession, name: int, column: str) -> tuple[int, str] | None:
    """The conflict after this one in the list of its column, which is not settled.

    In a large table, of which no list is made for a page, that of the next set.
    """
    if session.large:
        later = _later_conflict(session, name, column)
        return None if later is None else (later, column)
    listed = [one for one in conflicts(session, column)["list"] if one["rule"] != "known"]
    places = [i for i, one in enumerate(listed) if one["set"] == name]
    after = [one for one in listed[places[0] + 1 if places else 0 :] if one["set"] != name]
    return (after[0]["set"], after[0]["column"]) if after else None


def _later_conflict(session: ReviewSession, name: int, column: str) -> int | None:
    """The first set after one whose values in a column differ and were not settled."""
    number = session.value_numbers(column)
    rows = np.flatnonzero((number >= 0) & (session.labels > name))
    rows = rows[np.argsort(session.labels[rows], kind="stable")]
    label, value = session.labels[rows], number[rows]
    differs = (label[1:] == label[:-1]) & (value[1:] != value[:-1])
    later = label[1:][differs].tolist()
    return next((one for one in later if (one, column) not in session.settled.values), None)
