"""Pairs with labels: SSACL without and with labels beside cosines and the matcher, on the small ER-Magellan sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import logit
from sklearn.feature_extraction.text import TfidfVectorizer

from benchmarks.tables.plain_rivals import row_texts
from benchmarks.tables.records import Scored, part_records, timed
from core.reporting import Cell, ResultRecord, System, run_cells
from core.training import resolve_settings, train_in_memory
from domains.tables import METHODS
from domains.tables.blocking.pairs import Candidates
from domains.tables.data.training_set import TrainingSet, read_training_set
from domains.tables.matching.grams import row_products
from domains.tables.matching.likelihood_matcher import LikelihoodMatcher, MatchSettings
from domains.tables.score import evaluate_pairs
from domains.tables.task import TableTask

__all__ = ["pair_records"]

_SETS = ("structured_beer", "structured_itunes_amazon", "dirty_itunes_amazon", "structured_fodors_zagats")
_ABLATED = "structured_beer"
_SPLIT = "test pairs; the four small sets, seeds as shown"
_TRAINED: Mapping[str, tuple[str, Mapping[str, Any], float]] = {
    "value_contrast, mean cosine": ("value_contrast", {}, 0.0),
    "SSACL, no labels": ("ssacl", {}, 0.0),
    "SSACL, 10 % of the labels": ("ssacl", {}, 0.1),
    "SSACL, all labels": ("ssacl", {}, 1.0),
}
_ABLATIONS: Mapping[str, tuple[str, Mapping[str, Any], float]] = {
    "SSACL, no adversary": ("ssacl", {"adversarial": 0.0}, 0.0),
    "SSACL, no semantic changes": ("ssacl", {"semantic": False}, 0.0),
    "SSACL, mean in place of attention": ("ssacl", {"mixing": "mean"}, 0.0),
}
_TFIDF, _MATCHER = "TF-IDF cosine", "the matcher, no labels"


def pair_records(profile: str, seeds: int | None, out: Path) -> list[ResultRecord]:
    """Records of F1 on the test pairs; thresholds are Otsu's of all pairs without labels, else the best on valid.

    Args:
        profile: of the study.
        seeds: of what draws; None is 3.
        out: folder of results.
    """
    count = 3 if seeds is None else seeds
    cells = [Cell(System(_TFIDF, "tfidf", "baseline"), dataset, 0) for dataset in _SETS]
    for seed in range(count):
        for dataset in _SETS:
            cells.append(Cell(System(_MATCHER, "matcher", "baseline"), dataset, seed))
            for name in _TRAINED:
                role = "baseline" if name.startswith("value") else "method"
                if seed == 0 or dataset == _ABLATED:
                    cells.append(Cell(System(name, "ssacl", role), dataset, seed))
        cells += [Cell(System(name, "ssacl", "ablation"), _ABLATED, seed) for name in _ABLATIONS]
    results = run_cells(cells, timed(_run), out / "tables" / "cells" / profile / "pairs")
    metrics = ("F1", "precision", "recall", "average precision")
    return part_records(results, profile, metrics=metrics, counts=(), split=lambda _: _SPLIT)


@lru_cache(maxsize=2)
def _data(name: str) -> TrainingSet:
    return read_training_set(name)


def _run(cell: Cell) -> Scored:
    data = _data(cell.dataset)
    if cell.system.name == _TFIDF:
        return _named(evaluate_pairs(data, _cosine(data))), {}
    if cell.system.name == _MATCHER:
        return _named(evaluate_pairs(data, _matched(data, cell.seed), at=0.0)), {"threshold": 0.5}
    method, settings, told = {**_TRAINED, **_ABLATIONS}[cell.system.name]
    with TemporaryDirectory() as folder:
        result = train_in_memory(
            TableTask(),
            METHODS,
            method,
            data,
            package="domains.tables",
            data=cell.dataset,
            folder=Path(folder) / "run",
            preset=None,
            seed=cell.seed,
            resume=False,
            progress=False,
            evaluate={"told": told},
            settings=dict(settings),
        )
    resolved = resolve_settings(METHODS.settings(method), ("the study", dict(settings)))
    return _named(result.scores), {"told": told, "epochs": resolved.epochs}


def _named(scores: Mapping[str, float]) -> dict[str, float]:
    return {"F1" if name == "f1" else name: value for name, value in scores.items()}


def _cosine(data: TrainingSet) -> Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]]:
    vectors = csr_array(TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4)).fit_transform(row_texts(data.table)))
    return lambda left, right: row_products(vectors, vectors, left, right).astype(np.float64)


def _matched(data: TrainingSet, seed: int) -> Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]]:
    """Log odds of the matcher, which learns from all pairs of the set without their labels."""
    assert data.pairs is not None
    pairs = Candidates.of(len(data.table), data.pairs.left, data.pairs.right)
    matcher = LikelihoodMatcher(MatchSettings(seed=seed, close=0, least=0.0)).fit(data.table, pairs)
    graph = matcher.predict(data.table, pairs)
    chance = dict(zip(zip(graph.left.tolist(), graph.right.tolist(), strict=True), graph.weight.tolist(), strict=True))

    def score(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
        ends = zip(np.minimum(left, right).tolist(), np.maximum(left, right).tolist(), strict=True)
        found = np.array([chance.get(pair, 0.0) for pair in ends])
        return np.asarray(logit(np.clip(found, 1e-6, 1 - 1e-6)))

    return score
