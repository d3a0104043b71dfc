"""What the review page works on: the project in memory, and every decision on disk before it counts."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cache, cached_property, partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.errors import UserError
from domains.tables.conflicts.comparable import comparable
from domains.tables.conflicts.named import learns_about_sources, prepared
from domains.tables.conflicts.resolution import Resolution
from domains.tables.data.table import Table
from domains.tables.matching.likelihood_matcher import LikelihoodMatcher
from domains.tables.matching.odds import PairOdds
from domains.tables.project.asked_before import AskedBefore
from domains.tables.project.decided import Decided
from domains.tables.project.decisions import Decision, active, new_decision
from domains.tables.project.folder import Project
from domains.tables.project.freshness import decided_threshold, require
from domains.tables.project.present_sets import present_labels
from domains.tables.project.results import fingerprint
from domains.tables.project.review_queue import Question, queue
from domains.tables.project.steps.cluster import cluster
from domains.tables.project.steps.resolve import Settled, resolve_now, rules_now, settled_values
from domains.tables.project.stored import load_graph, load_index, load_sets, load_table

__all__ = ["ReviewSession", "StaleError"]

WHOLE = 20_000
"""Most rows of a table whose conflicts are all resolved again after each decision."""


class StaleError(UserError):
    """The page shows what is not there any more; the message says what to do."""


class ReviewSession:
    """A project that is being reviewed.

    All methods may be called from several threads; `lock` is held by whoever changes something.

    Args:
        project: after `match`; sets are found first where they are missing or stale.
        user: who decides; empty for whoever runs the program.

    Raises:
        UserError: an earlier step has to be run first.
    """

    def __init__(self, project: Project, user: str = "") -> None:
        self.project = project
        self.user = user
        self.lock = threading.RLock()
        self.load()

    def load(self) -> None:
        """Read the project anew, and find its sets where they are missing or stale."""
        with self.lock:
            project = self.project
            require(project, "cluster")
            try:
                require(project, "resolve")
            except UserError:
                cluster(project)
            self.table, self.index, self.graph = load_table(project), load_index(project), load_graph(project)
            self.base = load_sets(project)
            record = project.finished("cluster")
            self.threshold = float(record.facts["threshold"])
            self._known = record.decisions
            self.settings = project.settings
            self.generation = self._generation()
            self.adjacency: csr_array = self.graph.adjacency()
            for name in ("odds", "asked", "sources"):
                self.__dict__.pop(name, None)
            # No decision changes what these find, and pages of a large table must not find it again each time.
            self._value_numbers = cache(partial(_value_numbers, self.table))
            self._prepared = cache(partial(prepared, table=self.table))
            self.lines, self.ignored = project.decisions.read()
            self._update()

    def _generation(self) -> str:
        """Changes when a step was run again below the open page."""
        records = [self.project.record(step) for step in ("align", "match", "cluster")]
        known = [[one.id, one.decisions, one.facts.get("threshold")] if one else None for one in records]
        return fingerprint(known)

    def check(self, generation: str | None = None) -> None:
        """Refuse to go on with what is out of date.

        Args:
            generation: that of the page; None for that of the session.

        Raises:
            StaleError: a step was run again since, or its result is gone.
        """
        if self._generation() != self.generation:
            raise StaleError("the project was worked on by another program since; load it again to go on")
        if generation is not None and generation != self.generation:
            raise StaleError("this page is older than the sets; load it again")

    def _update(self) -> None:
        """Take all decisions in."""
        self.active = active(self.lines)
        self.labels, self.decided = self._present(self.lines)
        for name in ("members", "questions", "resolution", "settled", "rules"):
            self.__dict__.pop(name, None)

    def _present(self, lines: Sequence[Decision]) -> tuple[NDArray[np.int64], Decided]:
        before, now = active(lines[: self._known]), active(lines)
        return present_labels(
            self.graph, self.base, self.index, before, now, self.threshold, self.settings.cluster, self.settings.seed
        )

    @cached_property
    def members(self) -> dict[int, NDArray[np.int64]]:
        """Rows of each set of two or more, by its smallest row."""
        order = np.argsort(self.labels, kind="stable")
        names, start, size = np.unique(self.labels[order], return_index=True, return_counts=True)
        several = size > 1
        spans = zip(names[several].tolist(), start[several].tolist(), size[several].tolist(), strict=True)
        return {name: order[at : at + length] for name, at, length in spans}

    @cached_property
    def odds(self) -> PairOdds:
        """What the matcher reads from the attributes of single pairs."""
        return LikelihoodMatcher.load(self.project.file("match", "matcher.json")).explain(self.table)

    @cached_property
    def asked(self) -> AskedBefore:
        """What a language model said in the last run of resolve; the page asks none."""
        return AskedBefore.of(self.project)

    def _asked_before(self) -> AskedBefore:
        return self.asked

    @cached_property
    def sources(self) -> dict[str, int]:
        """Number of each source, in the order of their first rows."""
        return {name: number for number, name in enumerate(self.table.sources)}

    @cached_property
    def questions(self) -> tuple[list[Question], int]:
        """Open pairs by expected gain, and how many are worth a look."""
        return queue(self.graph, self.labels, self.decided)

    @cached_property
    def settled(self) -> Settled:
        """Values that people chose."""
        return settled_values(self.active, self.index, self.labels)

    @cached_property
    def rules(self) -> dict[str, str]:
        """Rule of each column that has one of its own and is in the union."""
        decided = rules_now(self.settings.resolve, self.active)
        return {column: rule for column, rule in decided.items() if column in self.table.columns}

    @cached_property
    def resolution(self) -> Resolution:
        """Golden rows and conflicts of all sets as they are now."""
        return resolve_now(
            self.table, self.labels, self.settled, self.rules, self.settings.resolve.default, self._asked_before
        )

    def value_numbers(self, column: str) -> NDArray[np.int64]:
        """``(n,)`` a number of the value of each row, the same where values compare as equal, -1 where there is none.

        Args:
            column: of the union.
        """
        return self._value_numbers(column)

    @property
    def large(self) -> bool:
        """Whether pages resolve the set that they show, and not all of them."""
        return len(self.labels) > WHOLE

    def resolution_of(self, name: int) -> Resolution:
        """Golden row and conflicts of one set, at least; of small tables all of them.

        In a large table only the set itself is resolved. It has the values that resolving the whole gives, but under a
        rule that learns about sources, which then knows this set alone: see `knew_one_set`.

        Args:
            name: the smallest row of the set.
        """
        if not self.large:
            return self.resolution
        rows = self.rows_of(name)
        values = {place: value for place, value in self.settled.values.items() if place[0] == name}
        settled = Settled(values, self.settled.decision, ())
        labels = np.full(len(rows), name, dtype=np.int64)
        rules = {column: self._prepared(rule) for column, rule in self.rules.items()}
        part, default = self.table.select(rows), self._prepared(self.settings.resolve.default)
        return resolve_now(part, labels, settled, rules, default, self._asked_before, self.table)

    def knew_one_set(self, name: int, column: str) -> bool:
        """Whether `resolution_of` may have another value than resolving the whole, which learns from all sets.

        Args:
            name: the smallest row of the set.
            column: of the union.
        """
        rule = self.rules.get(column, self.settings.resolve.default)
        return self.large and learns_about_sources(rule) and (name, column) not in self.settled.values

    @property
    def count(self) -> int:
        """Number of sets."""
        return len(np.unique(self.labels))

    def rows_of(self, name: int) -> NDArray[np.int64]:
        """Rows of a set.

        Args:
            name: any of its rows.

        Raises:
            UserError: there is no such row.
        """
        if not 0 <= name < len(self.labels):
            raise UserError(f"there is no row {name}; rows are numbered 0 to {len(self.labels) - 1}")
        label = int(self.labels[name])
        return self.members.get(label, np.array([label], dtype=np.int64))

    def is_locked(self, name: int) -> bool:
        """Whether the set of a row is locked."""
        return any(name in rows for rows in self.decided.locked)

    def probability(self, a: int, b: int) -> float | None:
        """Probability that two rows are the same thing; None where the pair was not compared."""
        found = float(self.adjacency[a, b])
        return found if found > 0 else None

    def decide(self, kind: str, groups: Sequence[Sequence[int]] = (), **fields: object) -> Decision:
        """Write a decision, then take it in.

        Args:
            kind: see `domains.tables.project.decisions.Decision`.
            groups: positions of rows.
            **fields: what else the kind needs.

        Raises:
            UserError: it makes no sense for the sets as they are; StaleError where it did for an older state.
            OperationError: it cannot be written; then it does not count.
        """
        with self.lock:
            self.check()
            self._check_rows(groups)
            try:
                decision = new_decision(kind, [self.index.refs(g) for g in groups], user=self.user, **fields)  # type: ignore[arg-type]
            except ValueError as error:
                raise UserError(str(error)) from error
            self._check_decision(kind, groups, fields)
            # Found before it is written: what cannot be taken in must not get into the log.
            self._present([*self.project.decisions.read()[0], decision])
            self.project.decisions.append(decision)
            self.refresh()
            return decision

    def refresh(self) -> None:
        """Read the decisions again, also those that another program added; a new threshold finds all sets anew."""
        with self.lock:
            self.lines, self.ignored = self.project.decisions.read()
            wanted = decided_threshold(active(self.lines))
            known = decided_threshold(active(self.lines[: self._known]))
            if wanted != known:
                self.load()
            else:
                self._update()

    def undo(self, of: str | None = None) -> tuple[Decision, Decision] | None:
        """Take a decision back.

        Args:
            of: its id; None for the last one that counts.

        Returns:
            The undo and what it took back; None if there is nothing to take back.

        Raises:
            UserError: no such decision, or one that is taken back already.
        """
        with self.lock:
            self.check()
            self.lines, self.ignored = self.project.decisions.read()
            counting = active(self.lines)
            if of is None:
                if not counting:
                    return None
                target = counting[-1]
            else:
                found = next((decision for decision in counting if decision.id == of), None)
                if found is None:
                    raise UserError("this decision is taken back already, or there never was one with this id")
                target = found
            back = new_decision("undo", user=self.user, of=target.id)
            self.project.decisions.append(back)
            self.refresh()
            return back, target

    def _check_rows(self, groups: Sequence[Sequence[int]]) -> None:
        count = len(self.labels)
        for row in (row for group in groups for row in group):
            if not 0 <= row < count:
                raise UserError(f"there is no row {row}; rows are numbered 0 to {count - 1}")
        if any(not group for group in groups):
            raise UserError("a group without rows; choose at least one row and leave at least one")

    def _check_decision(self, kind: str, groups: Sequence[Sequence[int]], fields: dict[str, object]) -> None:
        if kind == "undo":
            raise UserError("an undo has its own address, /api/undo")
        rows = [row for group in groups for row in group]
        if kind in ("merge", "lock", "value") and not all(self._is_set(group) for group in groups):
            raise StaleError("this set has changed since the page was loaded; load it again")
        if kind == "split" and not self._is_set(rows):
            raise StaleError("this set has changed since the page was loaded; load it again")
        unsure = kind == "pair" and fields.get("answer") == "unsure"
        if kind in ("merge", "split", "pair", "must_link", "cannot_link") and not unsure:
            shut = next((row for row in rows if self.is_locked(row)), None)
            if shut is not None:
                raise UserError(f"the set of row {shut} is locked; unlock it first")
        if kind == "value":
            self._check_value(groups[0], str(fields.get("column")), fields.get("value"))
        if kind == "rule":
            self._check_rule(str(fields.get("column")), str(fields.get("rule")))

    def _is_set(self, rows: Sequence[int]) -> bool:
        return set(rows) == set(self.rows_of(rows[0]).tolist())

    def _check_value(self, rows: Sequence[int], column: str, value: object) -> None:
        if column not in self.table.columns:
            raise UserError(f"there is no column {column!r}")
        there = self.table.frame[column].iloc[list(rows)].dropna().tolist()
        if value not in there:
            raise UserError(f"{value!r} is none of the values of this set in {column!r}: {', '.join(map(repr, there))}")

    def _check_rule(self, column: str, rule: str) -> None:
        if column not in self.table.columns:
            raise UserError(f"there is no column {column!r}")
        # A rule may need what the data do not have, such as a column of dates: then it must not get into the log.
        rules = {**self.rules, column: rule}
        resolve_now(self.table, self.labels, self.settled, rules, self.settings.resolve.default, self._asked_before)


def _value_numbers(table: Table, column: str) -> NDArray[np.int64]:
    code, texts = pd.factorize(table.frame[column])
    number = pd.factorize(np.array(comparable([str(text) for text in texts]), dtype=object))[0]
    return np.append(number, -1)[code].astype(np.int64)
