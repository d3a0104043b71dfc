"""The rule that trusts sources as far as they have earned it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from domains.tables.conflicts.problem import Problem
from domains.tables.conflicts.rule import Choice, scored
from domains.tables.conflicts.truth.accu import Accu
from domains.tables.conflicts.truth.claims import ClaimGraph, TruthMethod

__all__ = ["SourceReliability", "claims_of"]


@dataclass(frozen=True)
class SourceReliability:
    """The value with the largest estimated probability; ties by majority.

    All attributes under this rule are learned together, so that a source that is reliable in one is believed in the
    others. Values that a person has settled are learned from. With one source there is nothing to learn, and the
    majority of its rows decides.

    Attributes:
        method: of truth discovery.
        least_margin: conflicts whose best two probabilities are closer than this are left open, in [0, 1].
    """

    method: TruthMethod = field(default_factory=Accu)
    least_margin: float = 0.0

    @property
    def name(self) -> str:
        """As reports show it."""
        return f"truth ({self.method.name})"

    def choose(self, problem: Problem, attributes: Sequence[str]) -> dict[str, Choice]:
        """See `Rule.choose`."""
        claims, offset = claims_of(problem, attributes)
        known = {}
        for (_, attribute), candidate in problem.known.items():
            if attribute in offset:
                fact = offset[attribute] + candidate
                known[int(claims.item[fact])] = int(fact)
        truth = self.method.fit(claims, known)
        found = {}
        for attribute in attributes:
            candidates = problem.candidates[attribute]
            part = slice(offset[attribute], offset[attribute] + len(candidates))
            # the score tells apart what the probability rounds to 1
            order = scored(candidates, truth.score[part]).winner
            choice = scored(candidates, truth.probability[part], self.least_margin)
            found[attribute] = Choice(
                np.where(choice.abstained, -1, order), choice.score, choice.margin, {}, {}, choice.abstained
            )
        return found


def claims_of(problem: Problem, attributes: Sequence[str]) -> tuple[ClaimGraph, dict[str, int]]:
    """The claims of some attributes as one graph; facts are candidates, one attribute after the other.

    Args:
        problem: everything that is claimed.
        attributes: which.

    Returns:
        The graph, and the first fact of each attribute.
    """
    who, names = pd.factorize(pd.Series(problem.table.source, dtype=object), sort=True)
    source, fact, item, kind, text, offset = [], [], [], [], [], {}
    facts = items = 0
    for number, attribute in enumerate(attributes):
        candidates = problem.candidates[attribute]
        filled = candidates.of_row >= 0
        pair = np.unique(candidates.of_row[filled] * max(len(names), 1) + who[filled])
        fact.append(facts + pair // max(len(names), 1))
        source.append(pair % max(len(names), 1))
        owner, owners = pd.factorize(candidates.entity)
        item.append(items + owner)
        kind.append(np.full(len(owners), number))
        text.append(candidates.text)
        offset[attribute] = facts
        facts, items = facts + len(candidates), items + len(owners)
    graph = ClaimGraph(
        tuple(map(str, names)),
        tuple(attributes),
        np.concatenate(source).astype(np.int64),
        np.concatenate(fact).astype(np.int64),
        np.concatenate(item).astype(np.int64),
        np.concatenate(kind).astype(np.int64),
        np.concatenate(text),
    )
    return graph, offset
