"""Blocks on a Ray cluster of two workers give what this process gives."""

import logging
import warnings

import numpy as np
import pytest

from core.errors import OperationError, UserError
from domains.tables.blocking.default import NearestRows
from domains.tables.blocking.shared import SharedValues
from domains.tables.data.persons import persons
from domains.tables.engine import LOCAL, Engine, LocalEngine, RayEngine, engine_of
from domains.tables.integration import integrate
from domains.tables.matching import likelihood_matcher


def _times(shared, block):
    if block == "broken":
        raise ValueError("this block")
    return shared * block


@pytest.fixture(scope="module")
def cluster():
    ray = pytest.importorskip("ray")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own, about its future and its sockets
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        yield RayEngine()
        ray.shutdown()


def test_engines_have_names():
    assert engine_of("local") is LOCAL
    assert engine_of("ray") == RayEngine()
    assert engine_of("ray:10.0.0.1:6379") == RayEngine("10.0.0.1:6379")
    assert isinstance(RayEngine(), Engine)
    with pytest.raises(UserError, match="unknown engine 'spark'"):
        engine_of("spark")


def test_local_blocks_come_in_order():
    assert list(LocalEngine().map(_times, 3, [1, 2, 5], "times")) == [3, 6, 15]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_two_workers_give_the_same(cluster, monkeypatch):
    assert list(cluster.map(_times, 3, range(40), "times")) == [3 * one for one in range(40)]
    table, _ = persons(1500, duplicates=0.2)
    for blocker in (NearestRows(), SharedValues()):
        here, there = blocker.candidates(table), blocker.candidates(table, cluster)
        assert np.array_equal(here.left, there.left)
        assert np.array_equal(here.right, there.right)
    monkeypatch.setattr(likelihood_matcher, "_BLOCK", 2000)  # several blocks
    local, ray = integrate("libraries"), integrate("libraries", engine=cluster)
    assert np.array_equal(local.graph.weight, ray.graph.weight)
    assert local.golden.equals(ray.golden)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_worker_that_fails_is_told(cluster):
    with pytest.raises(OperationError, match="times: a worker of the Ray cluster failed"):
        list(cluster.map(_times, 3, [1, "broken"], "times"))
