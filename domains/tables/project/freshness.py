"""Which steps have to be run again, and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from core.errors import UserError
from domains.tables.data.database import DatabaseAddress
from domains.tables.project.decisions import Decision
from domains.tables.project.folder import STEPS, Project
from domains.tables.project.results import fingerprint, hash_file

__all__ = ["StepState", "decided_threshold", "input_file", "input_state", "made_from_now", "require", "states"]

_NEEDS: dict[str, tuple[str, ...]] = {
    "init": (), "align": ("init",), "block": ("align",), "match": ("align", "block"), "cluster": ("align", "match"),
    "resolve": ("align", "cluster"),
}  # fmt: skip
"""The steps of whose results each step is made."""
_LEARNS_FROM_DECISIONS = ("match", "cluster", "resolve")


@dataclass(frozen=True)
class StepState:
    """Whether the result of a step can be used.

    Attributes:
        step: its name.
        state: "missing" (not run yet), "stale" (something that it was made from changed) or "good".
        reasons: why it is stale, a few words each.
        newer_decisions: lines of decisions that are younger than the result; it is good all the same, and the next run
            takes them in.
    """

    step: str
    state: Literal["missing", "stale", "good"]
    reasons: tuple[str, ...] = ()
    newer_decisions: int = 0


def made_from_now(project: Project, step: str) -> dict[str, str]:
    """Fingerprints of all that a run of a step would be made from now.

    Args:
        project: the project.
        step: one of `STEPS`.

    Raises:
        UserError: a file that it needs is not there.
    """
    settings = project.settings
    found: dict[str, str] = {}
    for needed in _NEEDS[step]:
        record = project.record(needed)
        found[needed] = record.id if record else "missing"
    if step == "init":
        found["sources in project.yaml"] = fingerprint([dataclasses.asdict(source) for source in settings.sources])
        record = project.record("init")
        known = record.facts["inputs"] if record else {}
        for source in settings.sources:
            found[f"the input {source.name}"] = _input_hash(source.path, known.get(source.name))
    elif step == "align":
        mapping = project.mapping_path
        found["mapping.yaml"] = hash_file(mapping)[:16] if mapping.exists() else "none"
    elif step == "resolve":
        found["resolve in project.yaml"] = fingerprint(dataclasses.asdict(settings.resolve))
    elif step in ("block", "cluster"):
        if step == "cluster":
            found["the threshold that was decided"] = str(decided_threshold(project.active_decisions()))
        found[f"{step} in project.yaml"] = fingerprint(dataclasses.asdict(getattr(settings, step)))
    if step in ("block", "match", "cluster", "resolve"):
        found["seed in project.yaml"] = str(settings.seed)
    return found


def _input_hash(path: str, known: dict[str, Any] | None) -> str:
    """SHA-256 of an input file, taken from the record where size and time of change are still the same.

    An input that is gone counts as unchanged: the project has its rows, and may have been moved without it.
    """
    now = input_state(path)
    if known and (now is None or (now["size"], now["changed"]) == (known["size"], known["changed"])):
        return str(known["sha256"])
    return hash_file(input_file(path)) if now else "missing"


def input_file(path: str) -> Path:
    """The file of an input, also of an address of a database or of a sheet.

    >>> str(input_file("sqlite:///a.db?table=t")), str(input_file("book.xlsx?sheet=Two"))
    ('a.db', 'book.xlsx')
    """
    if "://" in path:
        return DatabaseAddress.parse(path).path
    plain = Path(path)
    return plain if plain.is_file() else Path(path.partition("?sheet=")[0])


def decided_threshold(decisions: Sequence[Decision]) -> float | None:
    """The threshold that was decided last, or None.

    Args:
        decisions: those that count, oldest first.
    """
    return next((d.threshold for d in reversed(decisions) if d.kind == "threshold"), None)


def input_state(path: str) -> dict[str, Any] | None:
    """Size and time of change of an input file; None where it is gone."""
    place = input_file(path)
    if not place.is_file():
        return None
    status = place.stat()
    return {"size": status.st_size, "changed": status.st_mtime_ns}


def states(project: Project) -> list[StepState]:
    """The state of each step, in the order of the flow.

    Args:
        project: the project.
    """
    lines = len(project.decisions.read()[0])
    bad: dict[str, str] = {}
    result = []
    for step in STEPS:
        record = project.record(step)
        if record is None:
            bad[step] = "missing"
            result.append(StepState(step, "missing"))
            continue
        now = made_from_now(project, step)
        reasons = [_reason(what, now.get(what), _NEEDS[step]) for what in _changed(dict(record.made_from), now)]
        reasons += [f"{needed} is {bad[needed]}" for needed in _NEEDS[step] if needed in bad]
        # Inputs that changed since they were read make nothing wrong that was made from what was read.
        if reasons and step != "init":
            bad[step] = "stale"
        newer = lines - record.decisions if step in _LEARNS_FROM_DECISIONS else 0
        result.append(StepState(step, "stale" if reasons else "good", tuple(dict.fromkeys(reasons)), newer))
    return result


def require(project: Project, step: str) -> None:
    """Refuse to run a step on results that are missing or stale: row numbers of two runs must never be mixed.

    Raises:
        UserError: names the first step to run, and why.
    """
    known = {state.step: state for state in states(project)}
    for needed in STEPS[: STEPS.index(step)]:
        if needed not in _all_needs(step):
            continue
        state = known[needed]
        if state.state == "missing" or (state.state == "stale" and needed != "init"):
            why = "was not run yet" if state.state == "missing" else f"is stale: {'; '.join(state.reasons)}"
            raise UserError(f"{step} needs {needed}, which {why}; run: counterpoint tables {needed} {project.path}")


def _all_needs(step: str) -> set[str]:
    found = set(_NEEDS[step])
    for needed in _NEEDS[step]:
        found |= _all_needs(needed)
    return found


def _changed(then: dict[str, str], now: dict[str, str]) -> list[str]:
    return [what for what in {**then, **now} if then.get(what) != now.get(what)]


def _reason(what: str, now: str | None, steps: tuple[str, ...]) -> str:
    if what in steps:
        return f"{what} was run again" if now != "missing" else f"{what} is missing"
    return f"{what} is not there" if now == "missing" else f"{what} changed"
