"""The part "sets": every method on one graph, and what stopped one."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.tables import sets
from core.errors import UserError
from core.reporting import Cell, System
from domains.tables.sets import SET_METHODS
from domains.tables.sets.graph import PairGraph

TRUTH = np.array([0, 0, 0, 1, 1, 1])


@pytest.fixture
def two_triangles(monkeypatch):
    left, right = np.array([0, 0, 1, 3, 3, 4, 2]), np.array([1, 2, 2, 4, 5, 5, 3])
    graph = PairGraph.of(6, left, right, np.array([0.9] * 6 + [0.2]))
    monkeypatch.setattr(sets, "_graph", lambda _: graph)
    monkeypatch.setattr(sets, "labelled", lambda _: SimpleNamespace(labels=TRUTH))


def run(method):
    return sets._run(Cell(System(method, method), "two triangles", 0))


@pytest.mark.parametrize("method", SET_METHODS.names())
def test_every_method_is_scored(method, two_triangles):
    if method in ("leiden", "infomap"):
        pytest.importorskip("igraph")
    scores, settings = run(method)
    assert scores["pairwise F1"] == scores["set similarity"] == 1
    assert scores["CPU s"] >= 0
    assert settings == {"threshold": 0.5}


def test_a_method_that_refuses_says_why(two_triangles, monkeypatch):
    def refuse(*_, **__):
        raise UserError("girvan_newman would take hours on 9 links; take louvain")

    monkeypatch.setattr(sets, "discover_sets", refuse)
    scores, settings = run("girvan_newman")
    assert settings == {"note": "girvan_newman would take hours on 9 links"}
    assert np.isnan(scores["pairwise F1"])
