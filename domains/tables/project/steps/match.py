"""Fourth step: how probable it is that both rows of a pair are the same thing."""

from __future__ import annotations

from time import perf_counter

import numpy as np

from domains.tables.engine import LOCAL, Engine
from domains.tables.matching.likelihood_matcher import LikelihoodMatcher, MatchSettings
from domains.tables.project.decided import decide
from domains.tables.project.folder import Project
from domains.tables.project.freshness import made_from_now, require
from domains.tables.project.results import StepRecord, write_result
from domains.tables.project.steps.block import load_candidates
from domains.tables.project.stored import load_index, load_table, save_graph

__all__ = ["THRESHOLD", "match"]

THRESHOLD = 0.5
"""The suggested threshold: the probabilities are calibrated by the matcher itself, so more likely than not."""


def match(project: Project, *, engine: Engine = LOCAL) -> StepRecord:
    """Learn from the rows, and from what people said of pairs so far; then score the candidates.

    Args:
        project: after `block`.
        engine: where blocks of pairs are compared.

    Returns:
        The record; ``facts`` has the histogram of probabilities (20 bins of 0.05), the suggested threshold with the
        precision and the recall among compared pairs that the probabilities themselves promise, the share of the
        matches that are expected within one source (which ``one_per_source`` would forbid), and the number of labels
        that were learned from.

    Raises:
        UserError: an earlier step has to be run first, or no column tells rows apart.
    """
    require(project, "match")
    start = perf_counter()
    table, index, found = load_table(project), load_index(project), load_candidates(project)
    lines = len(project.decisions.read()[0])
    labels = decide(project.active_decisions(), index).labels()
    matcher = LikelihoodMatcher(MatchSettings(seed=project.settings.seed))
    matcher.fit(table, found, labels)
    graph = matcher.predict(table, found, engine)
    above = graph.weight[graph.weight >= THRESHOLD]
    expected = float(graph.weight.sum(dtype=np.float64))
    within = float(graph.weight[table.source[graph.left] == table.source[graph.right]].sum(dtype=np.float64))
    with write_result(project.step_path("match"), "match", made_from_now(project, "match"), lines, start) as (
        folder,
        facts,
    ):
        save_graph(folder, graph)
        matcher.save(folder / "matcher.json")
        facts["pairs"] = len(graph)
        facts["histogram"] = np.histogram(graph.weight, bins=20, range=(0, 1))[0].tolist()
        facts["threshold"] = THRESHOLD
        facts["expected_precision"] = round(float(above.mean(dtype=np.float64)), 4) if len(above) else None
        facts["expected_recall"] = round(float(above.sum(dtype=np.float64)) / expected, 4) if expected else None
        facts["within_sources"] = round(within / expected, 4) if expected else 0.0
        facts["labels"] = len(labels[0])
        facts["attributes"] = list(matcher.learned.names)
    record = project.finished("match")
    project.log("match", pairs=len(graph), labels=len(labels[0]), seconds=record.seconds)
    return record
