"""splink and dedupe are asked about a table that anyone gets right; missing ones say so."""

import numpy as np
import pytest

from benchmarks.tables import matching
from benchmarks.tables.dedupe_peer import FIELDS
from benchmarks.tables.matching import DATASETS
from benchmarks.tables.sets import best_under_constraint
from benchmarks.tables.splink_peer import MODELS, run_splink
from core.reporting import Cell, System
from domains.tables.data.datasets import read_dataset
from domains.tables.evaluate import pairwise


def test_every_set_has_settings_of_both_peers():
    assert set(MODELS) == set(FIELDS) == set(DATASETS)


@pytest.mark.parametrize("peer", ["splink", "dedupe"])
def test_a_peer_that_is_not_installed_has_no_scores(peer, monkeypatch):
    monkeypatch.setattr(f"benchmarks.tables.{peer}_peer.{peer}_installed", lambda: False)
    monkeypatch.setattr(matching, "labelled", lambda name: None)
    matching._peer_sets.cache_clear()
    scores, settings = matching._peer(peer, Cell(System(peer, "matching"), "cora", 0), None)
    matching._peer_sets.cache_clear()
    assert settings == {"note": "not installed"}
    assert np.isnan(scores["pairwise F1"])


@pytest.mark.data
@pytest.mark.slow
def test_splink_solves_febrl(data_folder):
    pytest.importorskip("splink")
    data = read_dataset("febrl_dataset1")
    sets = run_splink(data.table.frame, MODELS["febrl_dataset1"], 0)
    assert pairwise(data.labels, sets[0.9]).f1 > 0.97


@pytest.mark.data
@pytest.mark.parametrize("name", ["chicago_early_childhood", "cora", "febrl_dataset1", "febrl_dataset1_cut"])
def test_peers_compare_columns_that_are_there(name, data_folder):
    columns = set(read_dataset(name).table.columns)
    assert {column for column, _ in FIELDS[name]} <= columns
    assert set(MODELS[name].columns.values()) <= columns
    assert set(MODELS[name].comparisons) <= set(MODELS[name].columns)


def test_the_best_sets_under_the_constraint_are_the_largest():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 60)
    source = np.array([f"s{n}" for n in rng.integers(0, 4, 60)], dtype=object)
    found = best_under_constraint(labels, source)
    for one in np.unique(found):
        assert len(set(labels[found == one])) == 1
        assert len(set(source[found == one])) == (found == one).sum()
    for label in range(5):  # as few sets as the source with the most rows needs
        inside = labels == label
        most = max(np.unique(source[inside], return_counts=True)[1])
        assert len(np.unique(found[inside])) == most
