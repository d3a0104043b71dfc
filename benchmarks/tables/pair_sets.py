"""Pairs with labels: SSACL beside cosines and the matcher on the ER-Magellan sets, clean and with noise."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from benchmarks.tables.noise import MIXES, noisy
from benchmarks.tables.pair_systems import (
    ABLATIONS,
    EVEN_ODDS,
    MATCHER,
    NO_ADVERSARY,
    TFIDF,
    TOOL,
    TRAINED,
    VALUES,
    role,
    run_on_pairs,
)
from benchmarks.tables.published import MATCHER_ALL_LABELS, NO_LABELS, PUBLISHED
from benchmarks.tables.records import Scored, part_records, timed
from core.reporting import Cell, ResultRecord, System, run_cells
from domains.tables.data.training_set import TrainingSet, read_training_set

__all__ = ["SETS", "noise_plan", "noise_records", "pair_plan", "pair_records"]

SETS = (
    "structured_beer",
    "structured_itunes_amazon",
    "dirty_itunes_amazon",
    "structured_fodors_zagats",
    "structured_amazon_google",
    "textual_abt_buy",
    "structured_dblp_acm",
    "dirty_dblp_acm",
    "structured_dblp_googlescholar",
)
_UNTOLD = ("structured_dblp_googlescholar",)
"""Sets that are stored without their training pairs."""
_ABLATED = SETS[:3]
"""What is trained there has all seeds; on the others one."""
_NOISY = ("structured_itunes_amazon", "structured_fodors_zagats")
_METRICS = ("F1", "precision", "recall", "average precision")
_SPLIT = "test pairs"


def pair_plan(seeds: int | None) -> list[Cell]:
    """Cells; what is trained has several seeds on three sets only.

    Args:
        seeds: None is 3.
    """
    cells = []
    for seed in range(3 if seeds is None else seeds):
        for dataset in SETS:
            systems = [TFIDF] if seed == 0 else []
            systems += [TOOL, EVEN_ODDS, MATCHER, MATCHER_ALL_LABELS]
            if seed == 0 or dataset in _ABLATED:
                systems += list(TRAINED)
            if dataset in _ABLATED:
                systems += list(ABLATIONS)
            if dataset in _UNTOLD:
                systems = [name for name in systems if "labels" not in name or "no labels" in name]
            cells += [Cell(System(name, "pairs", role(name)), dataset, seed) for name in systems]
    return cells


def noise_plan(seeds: int | None) -> list[Cell]:
    """Cells; the noise is drawn with the seed.

    Args:
        seeds: None is 3.
    """
    systems = (TFIDF, MATCHER, VALUES, NO_LABELS, NO_ADVERSARY)
    return [
        Cell(System(name, "pairs", role(name)), f"{dataset}, {mix}", seed)
        for seed in range(3 if seeds is None else seeds)
        for dataset in _NOISY
        for mix in MIXES
        for name in systems
    ]


def pair_records(profile: str, seeds: int | None, out: Path) -> list[ResultRecord]:
    """Records of F1 on the test pairs of clean sets, with published numbers beside them.

    Args:
        profile: of the study.
        seeds: None is 3.
        out: folder of results.
    """
    return _records(pair_plan(seeds), profile, out / "tables" / "cells" / profile / "pairs")


def noise_records(profile: str, seeds: int | None, out: Path) -> list[ResultRecord]:
    """Records of the same without labels, of sets with noise.

    Args:
        profile: of the study.
        seeds: None is 3.
        out: folder of results.
    """
    return _records(noise_plan(seeds), profile, out / "tables" / "cells" / profile / "noise")


def _records(cells: list[Cell], profile: str, folder: Path) -> list[ResultRecord]:
    results = run_cells(cells, timed(_run), folder)
    return part_records(results, profile, metrics=_METRICS, counts=(), split=lambda _: _SPLIT, published=PUBLISHED)


@lru_cache(maxsize=2)
def _data(name: str, seed: int) -> TrainingSet:
    dataset, _, mix = name.partition(", ")
    data = read_training_set(dataset)
    return noisy(data, mix, seed) if mix else data


def _run(cell: Cell) -> Scored:
    data = _data(cell.dataset, cell.seed if ", " in cell.dataset else 0)
    return run_on_pairs(cell.system.name, data, cell.dataset, cell.seed)
