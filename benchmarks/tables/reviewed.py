"""What 30 answers of a reviewer are worth: the questions of the review page, answered by the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.tables.bars import REVIEW, bar_records
from benchmarks.tables.matching import labelled
from benchmarks.tables.ours import THRESHOLD
from benchmarks.tables.records import Scored, part_records, set_scores, timed
from core.reporting import Cell, ResultRecord, System, run_cells
from domains.tables.blocking.default import default_blocker
from domains.tables.data.labelled import LabelledTable
from domains.tables.matching.likelihood_matcher import LikelihoodMatcher, MatchSettings
from domains.tables.project.decided import Decided
from domains.tables.project.present_sets import cluster_rows
from domains.tables.project.review_queue import queue
from domains.tables.project.settings import ClusterSettings

__all__ = ["answer_questions", "review_records"]

_DATASETS = ("chicago_early_childhood", "cora", "febrl_dataset1_cut")
_ROUND = 10
"""Questions that are answered between two trainings."""


def review_records(profile: str, seeds: int | None, out: Path) -> list[ResultRecord]:
    """Records of sets after 0, 10, 20 and 30 answers.

    Args:
        profile: of the study.
        seeds: of the matcher; None is 3.
        out: folder of results.
    """
    cells = [
        Cell(System(f"ours, {count} answers", str(count), "method" if count else "baseline"), dataset, seed)
        for seed in range(3 if seeds is None else seeds)
        for dataset in _DATASETS
        for count in (0, 10, 20, 30)
    ]
    results = run_cells(cells, timed(_run), out / "tables" / "cells" / profile / "review")
    records = part_records(results, profile, split=lambda _: "questions of the review page, ten between trainings")
    return [*records, *bar_records(REVIEW, results, profile)]


def _run(cell: Cell) -> Scored:
    data = labelled(cell.dataset)
    found = answer_questions(data, int(cell.system.method), cell.seed)
    return set_scores(data.labels, found), {"answers": int(cell.system.method)}


def answer_questions(data: LabelledTable, answers: int, seed: int) -> NDArray[np.int64]:
    """``(n,)`` sets after so many answers; each ten questions the matcher is trained again with all answers so far.

    As in a project, the answers are also held: rows that are the same thing are in one set, others are not.

    Args:
        data: the rows, and the truth that answers.
        answers: number of questions.
        seed: of the matcher.
    """
    table = data.table
    candidates = default_blocker(table).candidates(table)
    answered: dict[tuple[int, int], str] = {}
    while True:
        decided = _decided(answered)
        matcher = LikelihoodMatcher(MatchSettings(seed=seed))
        matcher.fit(table, candidates, decided.labels() if answered else None)
        graph = matcher.predict(table, candidates)
        found = cluster_rows(graph, table.source, decided, THRESHOLD, ClusterSettings(), seed)
        if len(answered) >= answers:
            return found
        asked, _ = queue(graph, found, decided, min(_ROUND, answers - len(answered)))
        if not asked:
            return found
        for question in asked:
            same = data.labels[question.left] == data.labels[question.right]
            answered[question.left, question.right] = "yes" if same else "no"


def _decided(answered: dict[tuple[int, int], str]) -> Decided:
    pairs = {answer: [pair for pair, said in answered.items() if said == answer] for answer in ("yes", "no")}
    must, cannot = (np.array(pairs[answer], dtype=np.int64).reshape(-1, 2) for answer in ("yes", "no"))
    return Decided(must, cannot, (), dict(answered), (), ())
