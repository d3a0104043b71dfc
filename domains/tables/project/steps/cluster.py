"""Fifth step: which rows are one thing."""

from __future__ import annotations

import json
from dataclasses import asdict
from time import perf_counter

import numpy as np

from domains.tables.project.decided import decide
from domains.tables.project.folder import Project
from domains.tables.project.freshness import decided_threshold, made_from_now, require
from domains.tables.project.present_sets import cluster_rows
from domains.tables.project.results import StepRecord, write_result
from domains.tables.project.stored import load_graph, load_index, save_sets
from domains.tables.project.threshold_curve import threshold_curve
from domains.tables.sets.suspicious import suspicious_sets

__all__ = ["cluster", "threshold_of"]


def threshold_of(project: Project) -> float:
    """The threshold that counts: the last one decided, else that of ``project.yaml``, else the matcher's suggestion.

    Args:
        project: after `match`.
    """
    decided = decided_threshold(project.active_decisions())
    if decided is not None:
        return decided
    setting = project.settings.cluster.threshold
    record = project.record("match")
    return setting if setting != -1 or record is None else float(record.facts["threshold"])


def cluster(project: Project) -> StepRecord:
    """Find sets under all decisions, look for suspicious ones, and try other thresholds.

    Args:
        project: after `match`.

    Returns:
        The record; ``facts`` has the threshold, sizes, and what was found suspicious.

    Raises:
        UserError: an earlier step has to be run first, or a setting is wrong.
    """
    require(project, "cluster")
    start = perf_counter()
    graph, index, settings = load_graph(project), load_index(project), project.settings
    decisions = project.decisions.read()[0]
    decided = decide(project.active_decisions(), index)
    threshold = threshold_of(project)
    labels = cluster_rows(graph, index.source, decided, threshold, settings.cluster, settings.seed)
    doubtful = suspicious_sets(graph, labels, index.source, threshold=threshold)
    points, sample = threshold_curve(graph, index.source, decided, settings.cluster, seed=settings.seed)
    sizes, counts = np.unique(np.bincount(labels), return_counts=True)
    made_from = made_from_now(project, "cluster")
    with write_result(project.step_path("cluster"), "cluster", made_from, len(decisions), start) as (folder, facts):
        save_sets(folder, labels)
        curve = {"rows": sample, "points": [asdict(point) for point in points]}
        (folder / "curve.json").write_text(json.dumps(curve), "utf-8")
        shown = [
            {"set": one.label, "reason": one.reason, "rows": len(one.rows), "sentence": one.sentence,
             "parts": [part.tolist() for part in one.parts]}
            for one in doubtful
        ]  # fmt: skip
        (folder / "suspicious.json").write_text(json.dumps(shown), "utf-8")
        facts["threshold"] = threshold
        facts["method"] = settings.cluster.method
        facts["rows"] = graph.count
        facts["sets"] = len(np.unique(labels))
        facts["sizes"] = {int(s): int(c) for s, c in zip(sizes, counts, strict=True) if s > 0}
        reasons = [one["reason"] for one in shown]
        facts["suspicious"] = {str(reason): reasons.count(reason) for reason in sorted(set(reasons))}
        facts["overruled"] = list(decided.overruled)
        facts["dormant"] = list(decided.dormant)
    record = project.finished("cluster")
    project.log("cluster", sets=facts["sets"], threshold=threshold, seconds=record.seconds)
    return record
