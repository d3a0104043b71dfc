"""From sets of rows to one golden row each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import unknown_name
from domains.tables.conflicts.candidates import Candidates
from domains.tables.conflicts.named import rule_of
from domains.tables.conflicts.problem import Problem, problem_of
from domains.tables.conflicts.resolution import Resolution
from domains.tables.conflicts.rule import Choice, Rule
from domains.tables.data.table import Table

__all__ = ["resolve"]

AnyRule = Rule | str | Callable[[list[str]], str | None]
_COMPUTED, _NONE = -2, -1


def resolve(
    table: Table,
    labels: NDArray[np.int64],
    rules: Mapping[str, AnyRule] | AnyRule = "majority",
    *,
    default: AnyRule = "majority",
    known: Mapping[tuple[int, str], str] | None = None,
    whole: Table | None = None,
) -> Resolution:
    """Give every set of rows one value for each attribute.

    Values are compared without case, extra spaces and Unicode form, numbers by value (`comparable`); a golden value is
    one of the texts as they stand, or what the rule declares to compute from them. Where all rows with a value agree
    there is no conflict and no rule is asked. The result does not depend on the order of the rows.

    Args:
        table: n rows.
        labels: ``(n,)`` integers, the set of each row; they become the entities of the result.
        rules: one rule for all attributes, or one for each by name; see `domains.tables.conflicts.named.rule_of`.
        default: for attributes that ``rules`` does not name.
        known: values that a person has settled, by (label, attribute). They win over every rule, and rules that learn
            about sources learn from those that are among the candidates.
        whole: the table of which the rows are a part, so that "newest" and "source_priority" choose for some sets as
            they do for all; rules that learn about sources learn from the rows alone. None is the table itself.

    Raises:
        UserError: labels that do not fit, an unknown column or rule, a rule without what it needs.

    >>> table = Table.of(pd.DataFrame({"city": ["Ulm", "ulm ", "Bonn"]}), source=["a", "b", "c"])
    >>> resolve(table, np.zeros(3, dtype=np.int64)).golden["city"].tolist()
    ['ulm ']
    """
    by_attribute = _rules(table, rules, default)
    problem = problem_of(table, labels, known, whole)
    choices: dict[str, Choice] = {}
    for rule in {id(one): one for one in by_attribute.values()}.values():
        mine = [attribute for attribute in table.columns if by_attribute[attribute] is rule]
        choices.update(rule.choose(problem, mine))
    names = {attribute: rule.name for attribute, rule in by_attribute.items()}
    return _assemble(problem, choices, names)


def _rules(table: Table, rules: Mapping[str, AnyRule] | AnyRule, default: AnyRule) -> dict[str, Rule]:
    """A rule object for each column; columns with equal rules share one object, so that they learn together."""
    if not isinstance(rules, Mapping):
        shared = rule_of(rules)
        return dict.fromkeys(table.columns, shared)
    for column in rules:
        if column not in table.columns:
            raise unknown_name("column in the rules", column, table.columns)
    found: list[Rule] = []
    chosen: dict[str, Rule] = {}
    for column in table.columns:
        rule = rule_of(rules.get(column, default))
        same = next((one for one in found if one == rule), None)
        if same is None:
            found.append(rule)
        chosen[column] = rule if same is None else same
    return chosen


def _assemble(problem: Problem, choices: Mapping[str, Choice], names: Mapping[str, str]) -> Resolution:
    columns, conflicts = {}, []
    winners: dict[str, NDArray[np.int64]] = {}
    for attribute, candidates in problem.candidates.items():
        choice = choices[attribute]
        mine = {entity: text for (entity, name), text in problem.given.items() if name == attribute}
        winner, values = _values(problem, candidates, choice, mine)
        winners[attribute] = winner
        columns[attribute] = pd.array(values, dtype="string")
        conflicts.append(_conflicts(problem, candidates, choice, winner, values, names[attribute], mine))
    golden = pd.DataFrame(columns, index=pd.Index(problem.labels, name="entity"))
    return Resolution(
        golden,
        pd.concat(conflicts, ignore_index=True) if conflicts else pd.DataFrame(),
        names,
        problem.table,
        problem.entity,
        problem.candidates,
        winners,
        {attribute: choice.score for attribute, choice in choices.items()},
    )


def _values(
    problem: Problem, candidates: Candidates, choice: Choice, given: Mapping[int, str]
) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    """``(g,)`` winning candidate and ``(g,)`` value of each entity."""
    winner = choice.winner.copy()
    values = np.full(len(winner), pd.NA, dtype=object)
    has = winner >= 0
    values[has] = candidates.text[winner[has]]
    for entity, text in choice.computed.items():
        values[entity], winner[entity] = text, _COMPUTED
    for entity, text in given.items():
        values[entity], winner[entity] = text, problem.known.get((entity, candidates.attribute), _NONE)
    return winner, values


def _conflicts(
    problem: Problem,
    candidates: Candidates,
    choice: Choice,
    winner: NDArray[np.int64],
    values: NDArray[np.object_],
    rule: str,
    given: Mapping[int, str],
) -> pd.DataFrame:
    at = candidates.conflicts
    support = np.where(winner[at] >= 0, candidates.rows[winner[at]], 0)
    total = np.bincount(candidates.entity, candidates.rows, len(candidates.count)).astype(np.int64)
    support = np.where(winner[at] == _COMPUTED, total[at], support)
    settled = np.isin(at, list(given))
    still_open = choice.abstained[at] & ~settled
    usual = pd.Series(rule, index=range(len(at)), dtype="string") + ": " + pd.Series(support).astype("string")
    why = usual + " of " + pd.Series(total[at]).astype("string") + " rows"
    for place in np.flatnonzero(still_open).tolist():
        why[place] = f"{rule}: left open, margin {choice.margin[at[place]]:.3g}"
    position = {int(entity): place for place, entity in enumerate(at)}
    for entity, text in choice.why.items():
        why[position[entity]] = text
    for entity in given:
        if entity in position:
            why[position[entity]] = "settled by a person"
    return pd.DataFrame(
        {
            "entity": problem.labels[at],
            "attribute": candidates.attribute,
            "candidates": candidates.count[at],
            "chosen": pd.array(values[at], dtype="string"),
            "support": support,
            "rule": np.where(settled, "known", rule),
            "margin": choice.margin[at],
            "why": why.to_numpy(dtype=object),
            "open": still_open,
        }
    )
