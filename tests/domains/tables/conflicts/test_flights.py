"""The conflicts of real flights: 38 sources, 355 conflicts, with truth."""

import numpy as np
import pytest

from domains.tables.conflicts.by_reliability import SourceReliability
from domains.tables.conflicts.comparable import comparable
from domains.tables.conflicts.resolve import resolve
from domains.tables.conflicts.truth import Accu, SlimFast
from domains.tables.data.claims import read_claims


@pytest.fixture(scope="module")
def flights(data_folder):
    folder = data_folder / "tables" / "flights"
    return read_claims(folder / "flights_dirty.csv", folder / "flights_clean.csv", source="src", entity="flight")


def _true(flights, conflicts):
    truth = flights.truth.groupby(flights.labels).first()
    return [
        truth[attribute][entity] for entity, attribute in zip(conflicts["entity"], conflicts["attribute"], strict=True)
    ]


def _right(flights, found, rows=slice(None)):
    chosen = np.array(comparable(found.conflicts["chosen"].tolist()), dtype=object)
    truth = np.array(comparable(_true(flights, found.conflicts)), dtype=object)
    return float((chosen == truth)[rows].mean())


@pytest.mark.parametrize(
    ("rule", "low", "high"), [("majority", 0.72, 0.76), ("truth", 0.87, 1.0), ("truth:slimfast", 0.87, 1.0)]
)
def test_without_labels(flights, rule, low, high):
    found = resolve(flights.table, flights.labels, rule)
    assert len(found.conflicts) == 355
    assert low < _right(flights, found) < high


def test_strength_and_overlap_matter_little(flights):
    for strength in (1.0, 20.0):
        for least_shared in (8, 30):
            rule = SourceReliability(Accu(strength=strength, least_shared=least_shared))
            assert _right(flights, resolve(flights.table, flights.labels, rule)) > 0.87


def test_thirty_labels(flights):
    conflicts = resolve(flights.table, flights.labels).conflicts
    true, scores = _true(flights, conflicts), []
    for seed in range(5):
        drawn = np.random.default_rng(seed).choice(len(conflicts), 30, replace=False)
        known = {(int(conflicts["entity"][i]), str(conflicts["attribute"][i])): true[i] for i in drawn}
        found = resolve(flights.table, flights.labels, SourceReliability(SlimFast()), known=known)
        scores.append(_right(flights, found, np.setdiff1d(np.arange(len(conflicts)), drawn)))
    assert np.mean(scores) > 0.88


def test_margin_finds_the_doubtful_ones(flights):
    everything = _right(flights, resolve(flights.table, flights.labels, "truth"))
    found = resolve(flights.table, flights.labels, SourceReliability(least_margin=0.5))
    kept = np.flatnonzero(~found.conflicts["open"])
    assert 200 < len(kept) < 355
    closed = found.conflicts.assign(chosen=found.conflicts["chosen"].fillna(""))
    chosen = np.array(comparable(closed["chosen"].tolist()), dtype=object)
    truth = np.array(comparable(_true(flights, found.conflicts)), dtype=object)
    assert (chosen == truth)[kept].mean() > everything
