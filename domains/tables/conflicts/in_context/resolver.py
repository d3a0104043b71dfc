"""ICLCR: candidates scored by a language model in the light of other things of the same table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.errors import UserError, unknown_name
from core.progress import watched
from domains.tables.conflicts.candidates import Candidates
from domains.tables.conflicts.in_context.prompts import Prompts
from domains.tables.conflicts.problem import Problem
from domains.tables.conflicts.rule import Choice, scored
from domains.tables.language_models.base import LanguageModel
from domains.tables.language_models.cost import Cost, Request, cost_of

__all__ = ["InContext"]


@dataclass(frozen=True, eq=False)
class InContext:
    """In-context conflict resolution of Ji, Luo, Bao, Culpepper: Robust Table Integration in Data Lakes, 2412.00324.

    The model reads k filled sentences about other things whose value is agreed, then the sentence of this one, and
    every candidate is scored as its end; nothing is generated. The score of a candidate is

        mean log p(tokens | prompt)  [ - mean log p(tokens | content-free prompt) ]  + vote_weight * log(share of rows)

    Attributes with less than ``least_information`` about the one asked for are left out of all sentences.

    Where this differs from the paper: the information is adjusted for chance, so that identifiers do not win; nearest
    neighbours without weights compare n-grams of the texts, not embeddings of a network; votes and calibration are
    ours, off with ``vote_weight=0`` and ``calibrate=False``; one set of demonstrations serves all conflicts of an
    attribute if ``shared``, which a local model reads only once. A small model is near chance here: the votes, not the
    model, then decide.

    Attributes:
        model: scores texts.
        k: demonstrations, at least 0.
        selection: "random", "knn" or "weighted_knn" (equal values, weighted by information).
        shared: one set for each attribute: those nearest to all of its conflicts on average. Random ones always are.
        least_information: in nats.
        vote_weight: the larger, the closer to the majority; finite, at least 0.
        calibrate: subtract the score under a sentence that says nothing.
        least_margin: conflicts whose best two scores are closer than this are left open, in nats, at least 0.
        redact: columns that the model never sees, neither as conditions nor to resolve.
        pool: at most this many things are considered as demonstrations, evenly spread over the labels.
        seed: of random demonstrations and of the shuffles.
    """

    model: LanguageModel
    k: int = 10
    selection: Literal["random", "knn", "weighted_knn"] = "weighted_knn"
    shared: bool = False
    least_information: float = 0.1
    vote_weight: float = 1.0
    calibrate: bool = False
    least_margin: float = 0.0
    redact: tuple[str, ...] = ()
    pool: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.selection not in ("random", "knn", "weighted_knn"):
            raise unknown_name("selection of demonstrations", self.selection, ("random", "knn", "weighted_knn"))
        if self.k < 0 or self.pool < 1:
            raise UserError(f"k must be at least 0 and pool at least 1, got {self.k} and {self.pool}")
        for field in ("vote_weight", "least_margin", "least_information"):
            value = getattr(self, field)
            if not (math.isfinite(value) and value >= 0):
                raise UserError(f"{field} must be at least 0 and finite, got {value}")

    @property
    def name(self) -> str:
        """As reports show it."""
        return f"language model ({self.model.name})"

    def choose(self, problem: Problem, attributes: Sequence[str]) -> dict[str, Choice]:
        """See `Rule.choose`. Things with one candidate cost no request."""
        self._check(problem, attributes)
        prompts = self._prompts(problem)
        return {attribute: self._one(problem.candidates[attribute], prompts) for attribute in attributes}

    def requests(self, problem: Problem, attributes: Sequence[str]) -> list[Request]:
        """Exactly what the model would be given, in order; nothing is sent.

        Args:
            problem: see `domains.tables.conflicts.problem.problem_of`.
            attributes: columns to resolve.

        Raises:
            UserError: a redacted or unknown column is to be resolved.
        """
        self._check(problem, attributes)
        prompts, found = self._prompts(problem), []
        for attribute in attributes:
            candidates = problem.candidates[attribute]
            for entity in candidates.conflicts.tolist():
                found += self._asked(candidates, entity, prompts)
        return found

    def cost(self, problem: Problem, attributes: Sequence[str]) -> Cost:
        """What resolving these columns would cost; nothing is sent."""
        return cost_of(self.model, self.requests(problem, attributes))

    def _check(self, problem: Problem, attributes: Sequence[str]) -> None:
        columns = problem.table.columns
        for column in (*self.redact, *attributes):
            if column not in columns:
                raise unknown_name("column", column, columns)
        hidden = [attribute for attribute in attributes if attribute in self.redact]
        if hidden:
            raise UserError(
                f"column {hidden[0]!r} is redacted, so a language model cannot resolve it; give it another rule"
            )

    def _prompts(self, problem: Problem) -> Prompts:
        return Prompts(
            problem,
            [column for column in problem.table.columns if column not in self.redact],
            k=self.k,
            selection=self.selection,
            shared=self.shared,
            least_information=self.least_information,
            pool=self.pool,
            seed=self.seed,
        )

    def _asked(self, candidates: Candidates, entity: int, prompts: Prompts) -> list[Request]:
        values = _values(candidates, entity)
        found = [self._fit(prompts.parts(candidates.attribute, entity), values)]
        if self.calibrate:
            found.append(self._fit(prompts.parts(candidates.attribute, entity, content_free=True), values))
        return found

    def _fit(self, parts: tuple[list[str], str], values: tuple[str, ...]) -> Request:
        """The prompt with as many demonstrations as the context holds; the farthest go first, the question never.

        Raises:
            UserError: the question alone is too long.
        """
        demonstrations, question = parts
        limit = self.model.context
        kept = list(demonstrations)
        if limit is not None:
            longest = max(self.model.tokens(f" {value}") for value in values)
            free = limit - longest - self.model.tokens(question)
            if free < 0:
                raise UserError(
                    f"a question has {limit - free} tokens without any demonstration, the model takes {limit}; redact "
                    "long columns, or take a model with a longer context"
                )
            size = [self.model.tokens(f"{one}\n") for one in kept]
            while kept and sum(size[-len(kept) :]) > free:
                kept.pop(0)
        return Request("\n".join([*kept, question]), values)

    def _one(self, candidates: Candidates, prompts: Prompts) -> Choice:
        score = np.zeros(len(candidates))
        conflicts = candidates.conflicts.tolist()
        for entity in watched(conflicts, f"asking about {candidates.attribute}", len(conflicts)):
            asked = self._asked(candidates, entity, prompts)
            found = [np.array(self.model.score(one.prompt, one.candidates)) for one in asked]
            rows = candidates.rows[candidates.start[entity] : candidates.start[entity + 1]]
            votes: NDArray[np.float64] = np.log(rows / rows.sum())
            likelihood = found[0] - found[1] if self.calibrate else found[0]
            score[candidates.start[entity] : candidates.start[entity + 1]] = likelihood + self.vote_weight * votes
        choice = scored(candidates, score, self.least_margin)
        asked_about = candidates.count[candidates.entity] > 1
        return replace(choice, score=np.where(asked_about, score, np.nan))


def _values(candidates: Candidates, entity: int) -> tuple[str, ...]:
    """Candidates in the order of their comparable form, whatever the order of the rows."""
    part = slice(candidates.start[entity], candidates.start[entity + 1])
    return tuple(" ".join(str(text).split()) for text in candidates.text[part])
