"""What is run on a pair set: cosines, the matcher and SSACL, without labels or with those of the training pairs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import logit
from sklearn.feature_extraction.text import TfidfVectorizer

from benchmarks.tables.ours import found_sets
from benchmarks.tables.plain_rivals import row_texts
from benchmarks.tables.published import ALL_LABELS, MATCHER_ALL_LABELS, NO_LABELS
from benchmarks.tables.records import Scored
from core.reporting.records import Role
from core.training import resolve_settings, train_in_memory
from domains.tables import METHODS
from domains.tables.blocking.pairs import Candidates
from domains.tables.data.training_set import KnownPairs, TrainingSet
from domains.tables.matching.grams import row_products
from domains.tables.matching.likelihood_matcher import LikelihoodMatcher, MatchSettings
from domains.tables.score import best_threshold, evaluate_pairs
from domains.tables.task import TableTask

__all__ = [
    "ABLATIONS",
    "EVEN_ODDS",
    "MATCHER",
    "NO_ADVERSARY",
    "TFIDF",
    "TOOL",
    "TRAINED",
    "VALUES",
    "role",
    "run_on_pairs",
]

_Scores = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]]

TFIDF = "TF-IDF cosine"
VALUES = "mean cosine of the values"
EVEN_ODDS = "the matcher, no labels, even odds"
MATCHER = "the matcher, no labels"
TOOL = "the tool, no labels, in one set"
"""As a person gets it: all rows, its own blocking and threshold; a pair is found if its rows are in one set."""
NO_ADVERSARY = "SSACL, no adversary"
TRAINED: Mapping[str, tuple[str, Mapping[str, Any], float]] = {
    VALUES: ("value_contrast", {}, 0.0),
    NO_LABELS: ("ssacl", {}, 0.0),
    "SSACL, 10 % of the labels": ("ssacl", {}, 0.1),
    ALL_LABELS: ("ssacl", {}, 1.0),
}
ABLATIONS: Mapping[str, tuple[str, Mapping[str, Any], float]] = {
    NO_ADVERSARY: ("ssacl", {"adversarial": 0.0}, 0.0),
    "SSACL, no semantic changes": ("ssacl", {"semantic": False}, 0.0),
    "SSACL, mean in place of attention": ("ssacl", {"mixing": "mean"}, 0.0),
}
_CERTAIN = 1e-12


def role(system: str) -> Role:
    """Methods are SSACL alone; what has labels, or something left out, is no rival of those without."""
    if system in ABLATIONS or ("labels" in system and "no labels" not in system):
        return "ablation"
    return "method" if system == NO_LABELS else "baseline"


def run_on_pairs(system: str, data: TrainingSet, name: str, seed: int) -> Scored:
    """F1, precision and recall on the test pairs, and the average precision.

    Thresholds: without labels Otsu's split of the scores of all pairs, or even odds where the row says so; with labels
    the best on the valid pairs.

    Args:
        system: row.
        data: pairs with labels.
        name: of the data, for the run.
        seed: of what draws.
    """
    if system == TFIDF:
        return _named(evaluate_pairs(data, _cosine(data))), {}
    if system == TOOL:
        sets = found_sets(data.table, seed)
        return _named(evaluate_pairs(data, lambda a, b: (sets[a] == sets[b]).astype(np.float64), at=0.5)), {}
    if system == EVEN_ODDS:
        return _named(evaluate_pairs(data, _matched(data, seed), at=0.0)), {"threshold": 0.5}
    if system == MATCHER:
        return _named(evaluate_pairs(data, _matched(data, seed))), {}
    if system == MATCHER_ALL_LABELS:
        return _named(_with_labels(data, seed)), {"told": 1.0}
    method, settings, told = {**TRAINED, **ABLATIONS}[system]
    with TemporaryDirectory() as folder:
        result = train_in_memory(
            TableTask(),
            METHODS,
            method,
            data,
            package="domains.tables",
            data=name,
            folder=Path(folder) / "run",
            preset=None,
            seed=seed,
            resume=False,
            progress=False,
            evaluate={"told": told},
            settings=dict(settings),
        )
    resolved = resolve_settings(METHODS.settings(method), ("the study", dict(settings)))
    return _named(result.scores), {"told": told, "epochs": resolved.epochs}


def _named(scores: Mapping[str, float]) -> dict[str, float]:
    return {"F1" if name == "f1" else name: value for name, value in scores.items()}


def _cosine(data: TrainingSet) -> _Scores:
    vectors = csr_array(TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4)).fit_transform(row_texts(data.table)))
    return lambda left, right: row_products(vectors, vectors, left, right).astype(np.float64)


def _with_labels(data: TrainingSet, seed: int) -> dict[str, float]:
    pairs = _pairs(data)
    score = _matched(data, seed, pairs.part("train"))
    left, right, label = pairs.part("valid")
    return evaluate_pairs(data, score, at=best_threshold(label, score(left, right)))


def _pairs(data: TrainingSet) -> KnownPairs:
    if data.pairs is None:
        raise TypeError(f"{data.name} must have pairs with labels")
    return data.pairs


def _matched(
    data: TrainingSet, seed: int, told: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]] | None = None
) -> _Scores:
    """Log odds of the matcher, which learns from all pairs of the set, and from labels where some are told."""
    known = _pairs(data)
    pairs = Candidates.of(len(data.table), known.left, known.right)
    labels = None if told is None else (told[0], told[1], told[2].astype(np.float64))
    matcher = LikelihoodMatcher(MatchSettings(seed=seed, close=0, least=0.0)).fit(data.table, pairs, labels)
    graph = matcher.predict(data.table, pairs)
    n = len(data.table)
    key = graph.left * n + graph.right
    order = np.argsort(key)
    key, chance = key[order], graph.weight[order].astype(np.float64)

    def score(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
        at = np.searchsorted(key, np.minimum(left, right) * n + np.maximum(left, right))
        return np.asarray(logit(np.clip(chance[at], _CERTAIN, 1 - _CERTAIN)))

    return score
