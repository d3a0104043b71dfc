"""The part "thresholds": each rule on graphs whose best cut is known."""

import numpy as np
import pytest

from benchmarks.tables import thresholds
from benchmarks.tables.thresholds import BY_TRUTH, EVEN_ODDS, RULES, chosen_threshold
from core.reporting import Cell, System
from domains.tables.data.labelled import LabelledTable
from domains.tables.data.persons import persons
from domains.tables.evaluate import pairwise
from domains.tables.sets.discover import discover_sets
from domains.tables.sets.graph import PairGraph


@pytest.fixture(scope="module")
def people():
    table, labels = persons(200, duplicates=0.3, seed=1)
    return LabelledTable(table, labels)


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_gives_a_probability(rule, people, monkeypatch):
    monkeypatch.setattr(thresholds, "labelled", lambda _: people)
    thresholds._graph.cache_clear()
    scores, _ = thresholds._run(Cell(System(rule, "x"), "people", 0))
    oracle, _ = thresholds._run(Cell(System(BY_TRUTH, "x"), "people", 0))
    assert 0 < scores["threshold"] < 1
    assert 0.7 < scores["pairwise F1"] <= oracle["pairwise F1"] + 0.02  # the oracle has steps of .05
    thresholds._graph.cache_clear()


def test_even_odds_is_even_odds(people):
    graph = PairGraph.of(2, np.array([0]), np.array([1]), np.array([0.4]))
    assert chosen_threshold(EVEN_ODDS, people.table, graph, 0) == 0.5


def test_expected_f1_and_otsu_split_what_is_split(people):
    left = np.arange(0, 40, 2)
    weight = np.r_[np.full(10, 0.97), np.full(10, 0.03)]
    graph = PairGraph.of(40, left, left + 1, weight)
    truth = np.repeat(np.arange(20), 2)
    truth[20:] = np.arange(20, 40)
    for rule in ("best expected F1", "Otsu's split of the log odds"):
        at = chosen_threshold(rule, people.table, graph, 0)
        assert 0.03 < at <= 0.97
        assert pairwise(truth, discover_sets(graph, threshold=at)).f1 == 1


def test_made_duplicates_count_each_error():
    # rows 0 to 3, copies 4 and 5 of 0 and 1: copy 4 is with its original and with row 2, copy 5 is alone
    found = np.array([0, 1, 0, 3, 0, 5])
    assert thresholds._copies_f1(found, np.array([0, 1]), 4) == pytest.approx(2 * 1 / (2 + 2))
