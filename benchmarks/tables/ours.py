"""The tool as a person gets it who chooses nothing: its blocking, its matcher, its threshold, its sets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from domains.tables.blocking.default import default_blocker
from domains.tables.data.table import Table
from domains.tables.matching.likelihood_matcher import LikelihoodMatcher, MatchSettings
from domains.tables.sets.discover import discover_sets
from domains.tables.sets.graph import PairGraph

__all__ = ["THRESHOLD", "found_sets", "predicted_graph"]

THRESHOLD = 0.5
"""Of the tool where nobody chose one: probabilities are calibrated by the matcher, so half is even odds."""


def predicted_graph(table: Table, seed: int) -> PairGraph:
    """Pairs with probabilities, learned without labels.

    Args:
        table: the rows.
        seed: of the matcher's draws.
    """
    candidates = default_blocker(table).candidates(table)
    matcher = LikelihoodMatcher(MatchSettings(seed=seed)).fit(table, candidates)
    return matcher.predict(table, candidates)


def found_sets(table: Table, seed: int, *, one_per_source: bool = False) -> NDArray[np.int64]:
    """``(n,)`` sets as the tool finds them.

    Args:
        table: the rows.
        seed: of the matcher's draws.
        one_per_source: whether a set takes at most one row of a source.
    """
    graph = predicted_graph(table, seed)
    return discover_sets(graph, threshold=THRESHOLD, sources=table.source, one_per_source=one_per_source, seed=seed)
