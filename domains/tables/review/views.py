"""What each page shows, as plain data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import UserError
from domains.tables.project.pair_evidence import AttributeEvidence, attribute_evidence, similarity_vector, unlikeness
from domains.tables.project.review_queue import WORTH
from domains.tables.review.differences import Piece, differences
from domains.tables.review.session import ReviewSession
from domains.tables.review.set_graph import circle, edges_among, neighbours, weakest_cut

__all__ = ["common", "history", "listed_sets", "overview", "pair", "rows", "set_page", "suspicious"]

COLOURS = 8
"""Colours of sources; a ninth source has the first one again, and its name beside it like all."""
DRAWN = 30
"""Most rows of a set whose graph is drawn."""
AT_ONCE = 100
"""Most rows of a set that are in the page itself; of larger ones the visible part is fetched."""


def common(session: ReviewSession) -> dict[str, Any]:
    """What every page has: name, progress, warnings."""
    questions, open_ = session.questions
    answered = len(session.decided.answered)
    warnings = [*session.ignored]
    if session.decided.dormant:
        warnings.append(f"decisions about rows that are not there any more: {len(session.decided.dormant)}")
    if session.decided.overruled:
        warnings.append(f"decisions that later ones overrule, at least in part: {len(session.decided.overruled)}")
    return {
        "project": session.settings.name,
        "generation": session.generation,
        "answered": answered,
        "open": open_,
        "next": [questions[0].left, questions[0].right] if questions else None,
        "decisions": len(session.active),
        "warnings": warnings,
    }


def overview(session: ReviewSession) -> dict[str, Any]:
    """Counts before and after, the sources, the method, what another threshold would give."""
    project = session.project
    read = project.finished("init").facts["sources"]
    curve = project.read_json("cluster", "curve.json")
    sizes = np.bincount(session.labels)
    sizes = sizes[sizes > 0]
    return {
        "rows": len(session.labels),
        "sets": len(sizes),
        "merged": int((sizes > 1).sum()),
        "largest": int(sizes.max(initial=0)),
        "sources": [one | {"colour": _colour(session, one["name"])} for one in read],
        "columns": len(session.table.columns),
        "pairs": len(session.graph),
        "threshold": session.threshold,
        "method": session.settings.cluster.method,
        "curve": curve,
        "suspicious": suspicious(session),
        "questions": [
            {"left": q.left, "right": q.right, "probability": q.probability, "gain": q.gain,
             "text": [_title(session, q.left), _title(session, q.right)]}
            for q in session.questions[0][:20]
        ],
        "worth": WORTH,
    }  # fmt: skip


def suspicious(session: ReviewSession) -> list[dict[str, Any]]:
    """Suspicious sets of the last clustering that are still as they were then."""
    listed = session.project.read_json("cluster", "suspicious.json")
    return [one for one in listed if len(session.rows_of(one["set"])) == one["rows"]][:200]


def pair(session: ReviewSession, a: int, b: int) -> dict[str, Any]:
    """Two rows side by side.

    Raises:
        UserError: no such rows, or twice the same.
    """
    if a == b:
        raise UserError(f"a pair is of two different rows, got {a} twice")
    sets = [int(session.labels[session.rows_of(row)[0]]) for row in (a, b)]
    odds = session.odds.of(a, b)
    evidence = attribute_evidence(session.table, a, b, odds)
    key = (min(a, b), max(a, b))
    return {
        "a": a,
        "b": b,
        "sides": [_side(session, a), _side(session, b)],
        "sets": sets,
        "sizes": [len(session.rows_of(row)) for row in (a, b)],
        "together": sets[0] == sets[1],
        "probability": session.probability(a, b),
        "attributes": [_attribute(one) for one in evidence],
        "strongest": max([1.0, *(abs(one) for one in odds.values())]),
        "before": odds[""],
        "columns": sum(one.left is not None or one.right is not None for one in evidence),
        "support": sum(one.similarity is not None for one in evidence),
        "answer": session.decided.answered.get(key),
        "similar": _similar(session, a, b),
        "position": next((i for i, q in enumerate(session.questions[0]) if (q.left, q.right) == key), None),
    }


def _attribute(one: AttributeEvidence) -> dict[str, Any]:
    if one.left is not None and one.right is not None:
        left, right = differences(one.left, one.right)
    else:
        left, right = ([Piece(value, False)] if value is not None else [] for value in (one.left, one.right))
    return {
        "name": one.name,
        "left": left,
        "right": right,
        "similarity": one.similarity,
        "words": one.words,
        "odds": one.odds,
    }


def _similar(session: ReviewSession, a: int, b: int, most: int = 3) -> list[dict[str, Any]]:
    """Decided pairs whose attributes agree most like those of this pair: the smallest mean difference of similarity."""
    own = similarity_vector(session.table, a, b)
    found = []
    for (left, right), answer in list(session.decided.answered.items())[:200]:
        if (left, right) == (min(a, b), max(a, b)):
            continue
        found.append((unlikeness(own, similarity_vector(session.table, left, right)), left, right, answer))
    return [
        {"left": left, "right": right, "answer": answer, "text": [_title(session, left), _title(session, right)]}
        for _, left, right, answer in sorted(found)[:most]
    ]


def set_page(session: ReviewSession, row: int) -> dict[str, Any]:
    """One set: members, conflicts, graph, the weakest cut, neighbours.

    Raises:
        UserError: no such row.
    """
    members = session.rows_of(row)
    name = int(session.labels[members[0]])
    inner = edges_among(session.adjacency, members)
    cut = weakest_cut(session.adjacency, members)
    found = session.resolution_of(name)
    differing = found.conflicts[found.conflicts["entity"] == name]["attribute"].tolist() if len(found.conflicts) else []
    golden = found.golden.loc[name]
    listed = members[:AT_ONCE]
    places = dict(zip(members.tolist(), circle(len(members), 150, 190), strict=True)) if len(members) <= DRAWN else {}
    return {
        "name": name,
        "members": [_member(session, int(one)) for one in listed],
        "count": len(members),
        "rows": members.tolist(),
        "columns": _filled(session, members),
        "differing": differing,
        "knew_one_set": [column for column in differing if session.knew_one_set(name, column)],
        "golden": {column: _text(golden[column]) for column in session.table.columns},
        "edges": inner[:200],
        "edge_count": len(inner),
        "possible": len(members) * (len(members) - 1) // 2,
        "places": places,
        "cut": cut,
        "neighbours": [
            {"set": one, "title": _title(session, one.name), "count": len(session.rows_of(one.name)),
             "rows": session.rows_of(one.name).tolist(), "locked": session.is_locked(one.name)}
            for one in neighbours(session.adjacency, session.labels, members)
        ],
        "locked": session.is_locked(name),
        "lock": next((d.id for d in reversed(session.active) if d.kind == "lock" and _covers(session, d, members)), ""),
        "reasons": [one for one in suspicious(session) if one["set"] == name],
    }  # fmt: skip


def _covers(session: ReviewSession, decision: Any, members: NDArray[np.int64]) -> bool:
    return {session.index.position(ref) for ref in decision.rows} == set(members.tolist())


def listed_sets(session: ReviewSession) -> dict[str, Any]:
    """Sets of two rows or more: suspicious ones with the reason, then the largest."""
    largest = sorted(session.members.items(), key=lambda item: (-len(item[1]), item[0]))[:200]
    return {
        "suspicious": [one | {"title": _title(session, one["set"])} for one in suspicious(session)],
        "largest": [
            {"set": name, "rows": len(members), "title": _title(session, name), "locked": session.is_locked(name)}
            for name, members in largest
        ],
        "count": len(session.members),
    }


def rows(session: ReviewSession, start: int, count: int, within: int | None, text: str) -> dict[str, Any]:
    """A part of the rows of a set, or of all rows that hold a text.

    Raises:
        UserError: no such set.
    """
    chosen = session.rows_of(within) if within is not None else np.arange(len(session.labels))
    if text:
        part = session.table.frame.iloc[chosen]
        holds = np.zeros(len(chosen), dtype=np.bool_)
        for column in part.columns:
            holds |= part[column].str.contains(text, case=False, regex=False).fillna(False).to_numpy(dtype=bool)
        chosen = chosen[holds]
    shown = chosen[max(start, 0) : max(start, 0) + min(max(count, 0), 200)]
    return {
        "total": len(chosen),
        "start": max(start, 0),
        "columns": session.table.columns,
        "rows": [_member(session, int(one)) for one in shown],
    }


def history(session: ReviewSession) -> list[dict[str, Any]]:
    """All decisions, the last first, with whether they count."""
    counting = {decision.id for decision in session.active}
    found = []
    for decision in reversed(session.lines):
        positions = [p for p in map(session.index.position, decision.rows) if p is not None]
        note = "counts" if decision.id in counting else "taken back"
        if decision.kind == "undo":
            note = "takes another one back"
        elif decision.id in session.decided.overruled:
            note = "partly overruled by a later one"
        elif decision.id in session.decided.dormant or decision.id in session.settled.dormant:
            note = "its rows are gone or apart"
        found.append(
            {
                "id": decision.id, "time": decision.time, "user": decision.user, "kind": decision.kind,
                "what": decision.answer or decision.rule or decision.value or decision.threshold or decision.of or "",
                "column": decision.column or "", "row": positions[0] if positions else None,
                "rows": len(decision.rows), "note": note, "counts": decision.id in counting,
            }
        )  # fmt: skip
    return found


def _filled(session: ReviewSession, members: NDArray[np.int64]) -> list[str]:
    """Columns in which any row has a value."""
    part = session.table.frame.iloc[members]
    return [column for column in session.table.columns if part[column].notna().any()]


def _member(session: ReviewSession, row: int) -> dict[str, Any]:
    frame = session.table.frame
    side = _side(session, row)
    return side | {"cells": {column: _text(frame[column].iat[row]) for column in session.table.columns}}


def _side(session: ReviewSession, row: int) -> dict[str, Any]:
    source = str(session.table.source[row])
    return {
        "row": row,
        "source": source,
        "number": int(session.table.row[row]),
        "colour": _colour(session, source),
        "set": int(session.labels[row]),
    }


def _colour(session: ReviewSession, source: str) -> int:
    return session.sources.get(source, 0) % COLOURS


def _title(session: ReviewSession, row: int) -> str:
    """The first values of a row, to know it by."""
    values = [_text(value) for value in session.table.frame.iloc[row]]
    shown = " · ".join([value for value in values if value][:3]) or "(empty row)"
    return shown if len(shown) <= 90 else shown[:89] + "…"


def _text(value: Any) -> str:
    return "" if value is pd.NA or value is None else str(value)
