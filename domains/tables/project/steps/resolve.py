"""Sixth step: one golden row for each set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from core.errors import LimitError, UserError
from domains.tables.conflicts.in_context.resolver import InContext
from domains.tables.conflicts.problem import problem_of
from domains.tables.conflicts.resolution import Resolution
from domains.tables.conflicts.resolve import resolve as resolve_sets
from domains.tables.conflicts.rule import Rule
from domains.tables.data.table import Table
from domains.tables.language_models.cost import Cost, Request, cost_of
from domains.tables.project.decided import Decided
from domains.tables.project.decisions import Decision
from domains.tables.project.entity_ids import IdLedger, carry_ids
from domains.tables.project.folder import Project
from domains.tables.project.freshness import made_from_now, require
from domains.tables.project.present_sets import present_labels
from domains.tables.project.results import StepRecord, write_result
from domains.tables.project.row_refs import RowIndex
from domains.tables.project.settings import ResolveSettings
from domains.tables.project.stored import (
    load_graph,
    load_index,
    load_ledger,
    load_sets,
    load_table,
    save_entities,
    save_ledger,
)

__all__ = [
    "ReadyToResolve",
    "Settled",
    "current_labels",
    "ready_to_resolve",
    "resolve",
    "resolve_now",
    "rules_now",
    "settled_values",
]


@dataclass(frozen=True)
class Settled:
    """Values that people chose, by set and column, and the decisions that found no set.

    Attributes:
        values: ``{(set, column): value}``.
        decision: id of the decision of each.
        dormant: ids of decisions whose rows are not for the most part in one set any more.
    """

    values: dict[tuple[int, str], str]
    decision: dict[tuple[int, str], str]
    dormant: tuple[str, ...]


def settled_values(decisions: Sequence[Decision], index: RowIndex, labels: NDArray[np.int64]) -> Settled:
    """Where chosen values belong now: to the set with more than half of the rows that they were chosen for.

    Of several for one set and column the last one counts.

    Args:
        decisions: those that count, oldest first.
        index: of the n rows.
        labels: ``(n,)`` present sets.
    """
    values: dict[tuple[int, str], str] = {}
    origin: dict[tuple[int, str], str] = {}
    dormant = []
    for decision in decisions:
        if decision.kind != "value":
            continue
        rows = [p for p in map(index.position, decision.rows) if p is not None]
        sets, count = np.unique(labels[rows], return_counts=True) if rows else (np.empty(0), np.empty(0))
        if not len(sets) or 2 * count.max() <= len(rows):
            dormant.append(decision.id)
            continue
        place = int(sets[count.argmax()]), str(decision.column)
        values[place], origin[place] = str(decision.value), decision.id
    return Settled(values, origin, tuple(dormant))


def rules_now(settings: ResolveSettings, decisions: Sequence[Decision]) -> dict[str, str]:
    """The rule of each column that has one of its own: decided ones before those of the settings.

    Args:
        settings: of ``project.yaml``.
        decisions: those that count, oldest first.
    """
    return {**settings.rules, **{str(d.column): str(d.rule) for d in decisions if d.kind == "rule"}}


def resolve_now(
    table: Table,
    labels: NDArray[np.int64],
    settled: Settled,
    rules: Mapping[str, str],
    default: str,
    llm: Callable[[], Rule],
    whole: Table | None = None,
) -> Resolution:
    """One value for each set and column, under rules and what people chose.

    Args:
        table: n rows.
        labels: ``(n,)`` sets.
        settled: values that people chose, by the same labels.
        rules: by column; of columns that the table does not have they are refused.
        default: of the other columns.
        llm: what "llm" means among the rules; called where a column has it.
        whole: the table of which the rows are a part; None is the table itself.

    Raises:
        UserError: an unknown rule or column.
    """
    asked = llm() if "llm" in (default, *rules.values()) else None
    meant = {column: asked if asked and rule == "llm" else rule for column, rule in rules.items()}
    known = {place: value for place, value in settled.values.items() if place[1] in table.columns}
    rest = asked if asked and default == "llm" else default
    return resolve_sets(table, labels, meant, default=rest, known=known, whole=whole)


def current_labels(project: Project, index: RowIndex) -> tuple[NDArray[np.int64], Decided, int]:
    """Sets of the last clustering with all decisions since then.

    Args:
        project: after `cluster`.
        index: of the rows.

    Returns:
        ``(n,)`` the smallest row of each row's set, what the decisions say together, and the number of lines read.
    """
    from domains.tables.project.decisions import active

    record = project.finished("cluster")
    lines = project.decisions.read()[0]
    before, now = active(lines[: record.decisions]), active(lines)
    labels, decided = present_labels(
        load_graph(project),
        load_sets(project),
        index,
        before,
        now,
        float(record.facts["threshold"]),
        project.settings.cluster,
        project.settings.seed,
    )
    return labels, decided, len(lines)


@dataclass(frozen=True, eq=False)
class ReadyToResolve:
    """All that one run of `resolve` works on.

    Attributes:
        table: n rows.
        index: of the rows.
        ledger: the entity of each row, as its ids will be.
        decided: what the decisions say together.
        lines: lines of decisions that were read.
        settled: values that people chose.
        rules: by column.
        settings: of ``project.yaml``.
        llm: makes the rule "llm".
    """

    table: Table
    index: RowIndex
    ledger: IdLedger
    decided: Decided
    lines: int
    settled: Settled
    rules: Mapping[str, str]
    settings: ResolveSettings
    llm: Callable[[], InContext]

    @property
    def asked(self) -> list[str]:
        """Columns that a language model resolves."""
        return [column for column in self.table.columns if self.rules.get(column, self.settings.default) == "llm"]

    def requests(self) -> list[Request]:
        """Exactly what a language model would be given; nothing is sent."""
        if not self.asked:
            return []
        known = {place: value for place, value in self.settled.values.items() if place[1] in self.table.columns}
        return self.llm().requests(problem_of(self.table, self.ledger.number, known), self.asked)

    def cost(self) -> Cost:
        """What asking would cost; nothing is sent."""
        return cost_of(self.llm().model, self.requests()) if self.asked else Cost(0, 0, 0, 0)


def ready_to_resolve(project: Project) -> ReadyToResolve:
    """Gather what resolving works on.

    Args:
        project: after `cluster`.

    Raises:
        UserError: an earlier step has to be run first, or there is a rule for a column that is not there.
    """
    require(project, "resolve")
    table, index, settings = load_table(project), load_index(project), project.settings.resolve
    labels, decided, lines = current_labels(project, index)
    ledger = carry_ids(load_ledger(project, index), labels)
    decisions = project.active_decisions()
    rules = rules_now(settings, decisions)
    unknown = [column for column in rules if column not in table.columns]
    if unknown:
        raise UserError(
            f"there is a rule for {unknown[0]!r}, which is no column of the union ({', '.join(table.columns)}); "
            f"change resolve.rules in {project.settings_path} or take the decision back"
        )
    settled = settled_values(decisions, index, ledger.number)
    llm = partial(settings.llm.rule, project.path / "answers", seed=project.settings.seed)
    return ReadyToResolve(table, index, ledger, decided, lines, settled, rules, settings, llm)


def resolve(project: Project, *, yes: bool = False) -> StepRecord:
    """Resolve conflicts, and give each set its id.

    Args:
        project: after `cluster`.
        yes: let a language model on another machine see what `preview` lists.

    Returns:
        The record; ``facts`` has the number of entities and conflicts, how many were left open, and the rules.

    Raises:
        UserError: an earlier step has to be run first, or a rule is unknown.
        LimitError: something would leave this machine and ``yes`` was not said.
        OperationError: a language model cannot be reached.
    """
    start = perf_counter()
    now = ready_to_resolve(project)
    settings, ledger, settled, decided = now.settings, now.ledger, now.settled, now.decided
    if settings.llm.remote and not yes:
        cost = now.cost()
        if cost.requests:
            raise LimitError(
                f"{cost.requests:,} prompts of about {cost.tokens:,} tokens would be sent to {settings.llm.server}; "
                "see them with --preview FILE, hide columns with resolve.llm.redact, and go on with --yes"
            )
    found = resolve_now(now.table, ledger.number, settled, now.rules, settings.default, now.llm)
    made_from = made_from_now(project, "resolve")
    with write_result(project.step_path("resolve"), "resolve", made_from, now.lines, start) as (folder, facts):
        found.golden.to_parquet(folder / "golden.parquet")
        found.conflicts.to_parquet(folder / "conflicts.parquet")
        found.candidates().to_parquet(folder / "candidates.parquet")
        found.provenance().to_parquet(folder / "provenance.parquet")
        save_entities(folder, ledger)
        facts["rows"] = len(now.table)
        facts["entities"] = len(found.golden)
        facts["conflicts"] = len(found.conflicts)
        facts["open"] = int(found.conflicts["open"].sum()) if len(found.conflicts) else 0
        facts["rules"] = dict(found.rules)
        facts["settled"] = len(settled.values)
        facts["overruled"] = list(decided.overruled)
        facts["dormant"] = sorted({*decided.dormant, *settled.dormant})
    # The ledger is written last: a kill before it gives the same ids again, since it says what they were before.
    save_ledger(project, now.index, ledger)
    record = project.finished("resolve")
    project.log("resolve", entities=facts["entities"], conflicts=facts["conflicts"], seconds=record.seconds)
    return record
