"""What a language model said when conflicts were last resolved; nothing is asked again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from domains.tables.conflicts.by_vote import Majority
from domains.tables.conflicts.candidates import Candidates
from domains.tables.conflicts.comparable import comparable
from domains.tables.conflicts.problem import Problem
from domains.tables.conflicts.rule import Choice
from domains.tables.project.folder import Project
from domains.tables.project.stored import load_index

__all__ = ["AskedBefore"]

_WAITS = "votes, until the next resolve asks the language model"


@dataclass(frozen=True, eq=False)
class AskedBefore:
    """The rule ``llm`` on the review page, which must answer at once.

    A set whose rows are those of an entity of the last `domains.tables.project.steps.resolve.resolve` has the value and
    the scores of then; the conflicts of all other sets are decided by votes, and say so.

    Attributes:
        entity: number of the entity of each row of the union then, by (source, row); empty where nothing was resolved.
        size: rows of each entity.
        conflicts: conflicts that a model decided, by (entity, attribute).
        scores: scores of candidates, by (entity, attribute, comparable value).
    """

    entity: pd.Series
    size: dict[int, int]
    conflicts: dict[tuple[int, str], tuple[str | None, str]]
    scores: dict[tuple[int, str, str], float]
    name: str = "llm"

    @classmethod
    def of(cls, project: Project) -> AskedBefore:
        """From the last result of a project, if there is one.

        Args:
            project: the project.
        """
        if project.record("resolve") is None:
            return cls(pd.Series(dtype="int64"), {}, {}, {})
        index = load_index(project)
        entity = project.read_frame("resolve", "entities.parquet")["entity"]
        if len(entity) != len(index):
            return cls(pd.Series(dtype="int64"), {}, {}, {})
        known = pd.Series(entity.to_numpy(), index=pd.MultiIndex.from_arrays([index.source, index.row]))
        found = project.read_frame("resolve", "conflicts.parquet")
        candidates = project.read_frame("resolve", "candidates.parquet")
        if not len(found):
            return cls(known, {}, {}, {})
        asked = found[found["rule"].astype(str).str.startswith("language model")]
        chosen = [None if pd.isna(value) else str(value) for value in asked["chosen"]]
        keys = list(zip(asked["entity"].tolist(), asked["attribute"].astype(str).tolist(), strict=True))
        conflicts = dict(zip(keys, zip(chosen, asked["why"].astype(str).tolist(), strict=True), strict=True))
        places = zip(candidates["entity"].tolist(), candidates["attribute"].astype(str).tolist(), strict=True)
        values = comparable(candidates["value"].tolist())
        scores = {
            (*place, value): float(score)
            for place, value, score in zip(places, values, candidates["score"].tolist(), strict=True)
            if place in conflicts
        }
        return cls(
            known,
            {int(one): int(rows) for one, rows in zip(*np.unique(entity, return_counts=True), strict=True)},
            conflicts,
            scores,
        )

    def choose(self, problem: Problem, attributes: Sequence[str]) -> dict[str, Choice]:
        """See `domains.tables.conflicts.rule.Rule.choose`."""
        then = self._then(problem)
        votes = Majority().choose(problem, attributes)
        return {name: self._one(problem.candidates[name], votes[name], then) for name in attributes}

    def _then(self, problem: Problem) -> dict[int, int]:
        """The entity of then of each set that has the same rows now."""
        rows = pd.MultiIndex.from_arrays([problem.table.source, problem.table.row])
        number = self.entity.reindex(rows).fillna(-1).to_numpy(np.int64)
        frame = pd.DataFrame({"set": problem.entity, "entity": number}).groupby("set")["entity"]
        shown = frame.agg(["min", "max", "size"])
        same = shown[(shown["min"] == shown["max"]) & (shown["min"] >= 0)]
        return {
            int(one): int(entity)
            for one, entity, size in zip(same.index, same["min"], same["size"], strict=True)
            if self.size[int(entity)] == size
        }

    def _one(self, candidates: Candidates, votes: Choice, then: dict[int, int]) -> Choice:
        winner, margin, abstained = votes.winner.copy(), votes.margin.copy(), votes.abstained.copy()
        score = np.full(len(candidates), np.nan)
        why = {}
        for place in candidates.conflicts.tolist():
            key = (then.get(place, -1), candidates.attribute)
            if key not in self.conflicts:
                why[place] = _WAITS
                continue
            chosen, why[place] = self.conflicts[key]
            span = range(candidates.start[place], candidates.start[place + 1])
            texts = comparable(candidates.text[span.start : span.stop].tolist())
            for at, text in zip(span, texts, strict=True):
                score[at] = self.scores.get((*key, text), np.nan)
            abstained[place] = chosen is None
            goal = None if chosen is None else comparable([chosen])[0]
            winner[place] = -1 if goal is None else span.start + texts.index(goal)
            best = np.sort(score[span.start : span.stop])[::-1]
            margin[place] = best[0] - best[1]
        return Choice(winner, score, margin, {}, why, abstained)
