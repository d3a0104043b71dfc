"""The parts "pairs" and "noise": plans, noise in the shares that were asked for, and rows run on a small set."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.tables import pair_systems
from benchmarks.tables.noise import MIXES, noisy
from benchmarks.tables.pair_sets import SETS, noise_plan, pair_plan
from benchmarks.tables.pair_systems import (
    ABLATIONS,
    EVEN_ODDS,
    MATCHER,
    TFIDF,
    TOOL,
    TRAINED,
    VALUES,
    role,
    run_on_pairs,
)
from benchmarks.tables.published import ALL_LABELS, MATCHER_ALL_LABELS, NO_LABELS, PUBLISHED
from core.training import resolve_settings
from domains.tables import METHODS
from domains.tables.augment.base import is_number
from domains.tables.blocking.default import NearestRows
from domains.tables.data.persons import persons
from domains.tables.data.table import Table
from domains.tables.data.training_set import KnownPairs, TrainingSet

BALANCED = "15 % said otherwise, 15 % typos"


@pytest.fixture(scope="module")
def data():
    table, truth = persons(300, duplicates=0.4, most_duplicates=1, most_errors=8, seed=3)
    pairs = NearestRows(5).candidates(table)
    left, right = pairs.left, pairs.right
    label = (truth[left] == truth[right]).astype(np.float32)
    split = np.array(["train", "valid", "test"], dtype=object)[np.arange(len(left)) % 3]
    return TrainingSet("persons", table, None, KnownPairs(left, right, label, split))


def test_plans_have_all_seeds_where_parts_are_left_out():
    cells = pair_plan(None)
    assert {cell.dataset for cell in cells} == set(SETS)
    assert len(cells) == len(set(cells))
    seeds = {(cell.system.name, cell.dataset): set() for cell in cells}
    for cell in cells:
        seeds[cell.system.name, cell.dataset].add(cell.seed)
    for name in (NO_LABELS, *ABLATIONS):
        assert seeds[name, "structured_beer"] == seeds[name, "dirty_itunes_amazon"] == {0, 1, 2}
    assert (MATCHER_ALL_LABELS, "structured_dblp_googlescholar") not in seeds  # stored without training pairs
    assert (NO_LABELS, "structured_dblp_googlescholar") in seeds
    assert {cell.dataset.partition(", ")[2] for cell in noise_plan(2)} == set(MIXES)


def test_roles():
    assert [role(name) for name in (TFIDF, MATCHER, NO_LABELS)] == ["baseline", "baseline", "method"]
    assert {role(name) for name in (MATCHER_ALL_LABELS, "SSACL, all labels", *ABLATIONS)} == {"ablation"}


def test_published_numbers_are_never_called_comparable():
    assert {dataset for _, dataset in PUBLISHED} == set(SETS)
    assert not any(number.comparable for number in PUBLISHED.values())
    assert all(number.why and number.source for number in PUBLISHED.values())


@pytest.mark.parametrize("mix", MIXES)
def test_noise_has_its_shares(mix):
    names = [f"Street of the Museum {chr(97 + i % 26)}{chr(97 + i // 26 % 26)} Company" for i in range(3000)]
    numbers = [str(10_000 + i) for i in range(3000)]
    frame = pd.DataFrame({"name": names, "number": numbers, "none": [None] * 3000}, dtype="string")
    clean = TrainingSet("made", Table.of(frame))
    found = noisy(clean, mix, 1).table.frame
    said, typos = MIXES[mix]
    assert (found["name"] != frame["name"]).mean() == pytest.approx(said + typos, abs=0.03)
    assert (found["number"] != frame["number"]).mean() == pytest.approx(typos, abs=0.03)
    assert all(map(is_number, found["number"]))
    assert found["none"].isna().all()
    again = noisy(clean, mix, 1).table.frame
    assert again.equals(found)
    assert not noisy(clean, mix, 2).table.frame.equals(found)
    assert clean.table.frame["name"].tolist() == names


@pytest.mark.parametrize("system", [TFIDF, TOOL, EVEN_ODDS, MATCHER, MATCHER_ALL_LABELS])
def test_rows_without_training_are_better_than_chance(data, system):
    scores, _ = run_on_pairs(system, data, "persons", 0)
    assert scores["average precision"] > 0.9
    assert scores["F1"] > 0.85


def test_trained_rows_are_better_than_chance(data, monkeypatch):
    short = {"epochs": 1, "tuples": 200}
    monkeypatch.setattr(pair_systems, "TRAINED", {**TRAINED, ALL_LABELS: ("ssacl", short, 1.0)})
    for system in (VALUES, ALL_LABELS):
        scores, settings = run_on_pairs(system, data, "persons", 0)
        assert scores["average precision"] > 0.8
        assert settings["told"] == (system == ALL_LABELS)


@pytest.mark.parametrize("system", [*TRAINED, *ABLATIONS])
def test_settings_of_trained_rows_are_known(system):
    method, settings, told = {**TRAINED, **ABLATIONS}[system]
    assert 0 <= told <= 1
    resolved = resolve_settings(METHODS.settings(method), ("the study", dict(settings)))
    assert all(getattr(resolved, name) == value for name, value in settings.items())


def test_noise_makes_it_harder(data):
    clean, _ = run_on_pairs(TFIDF, data, "persons", 0)
    hard, _ = run_on_pairs(TFIDF, noisy(data, BALANCED, 0), "persons", 0)
    assert hard["average precision"] < clean["average precision"]
