"""Made conflicts have the properties that the recipe promises."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.tables.conflict_cases import (
    LABELS,
    Case,
    accuracy,
    accuracy_with_labels,
    random_accuracy,
    some_conflicts,
)
from benchmarks.tables.conflict_recipe import make_conflicts
from domains.tables.conflicts.by_reliability import SourceReliability
from domains.tables.conflicts.by_vote import Majority
from domains.tables.conflicts.truth import SlimFast

CLEAN = pd.DataFrame(
    {
        "name": [f"name {n}" for n in range(60)],
        "town": [f"town {n % 7}" for n in range(60)],
        "size": [str(n) for n in range(60)],
    },
    dtype="string",
)
CLEAN.loc[::5, "town"] = pd.NA


def made(**settings):
    found = make_conflicts(CLEAN, **{"colluding": False, "seed": 0, **settings})
    pairs = enumerate(zip(found.attribute, found.truth, strict=True))
    return found, Case(found.table, found.labels, {(thing, str(a)): str(t) for thing, (a, t) in pairs})


@pytest.mark.parametrize("colluding", [False, True])
def test_three_to_five_sources_claim_one_attribute_of_each_thing(colluding):
    found, _ = made(colluding=colluding)
    frame = found.table.frame.assign(thing=found.labels, source=found.table.source)
    for thing, rows in frame.groupby("thing"):
        attribute = found.attribute[thing]
        assert 3 <= len(rows) <= 5
        assert rows["source"].is_unique
        assert attribute != "size"  # of numbers
        assert found.truth[thing] == CLEAN.at[thing, attribute]
        assert set(rows[attribute]) <= set(CLEAN[attribute].dropna())
        others = [c for c in CLEAN if c != attribute]
        assert rows[others].fillna("").eq(CLEAN.loc[thing, others].fillna("")).all().all()


def test_sources_are_as_reliable_as_they_are_drawn():
    clean = pd.concat([CLEAN] * 20, ignore_index=True)
    found = make_conflicts(clean, colluding=False, seed=1)
    claimed = np.array([found.table.frame.at[i, found.attribute[thing]] for i, thing in enumerate(found.labels)])
    right = pd.Series(claimed == found.truth[found.labels]).groupby(found.table.source).mean()
    drawn = np.random.default_rng(1).uniform(0.3, 0.8, 5)
    assert np.allclose(right.to_numpy(), drawn, atol=0.06)


def test_colluding_sources_say_the_same():
    found, _ = made(colluding=True)
    frame = found.table.frame.assign(thing=found.labels, source=found.table.source)
    colluding = frame[frame["source"].isin(["source 1", "source 2", "source 3"])]
    for thing, rows in colluding.groupby("thing"):
        assert rows[found.attribute[thing]].nunique() == 1


def test_the_same_seed_makes_the_same():
    one, two, other = made()[0], made()[0], made(seed=1)[0]
    pd.testing.assert_frame_equal(one.table.frame, two.table.frame)
    assert not one.table.frame.equals(other.table.frame)


def test_majority_beats_chance_alone_and_fails_where_sources_collude():
    _, plain = made()
    _, colluding = made(colluding=True)
    chance = np.mean([random_accuracy(plain, seed)[0] for seed in range(5)])
    assert accuracy(plain, Majority())[0] > chance + 0.1
    assert accuracy(colluding, Majority())[0] < accuracy(plain, Majority())[0] - 0.1


def test_told_conflicts_are_not_scored():
    _, case = made()
    every = accuracy(case, Majority())[1]
    assert accuracy_with_labels(case, SourceReliability(SlimFast()), 0)[1] == every - min(LABELS, every // 2)


def test_some_of_the_conflicts_are_those_that_were_there():
    _, case = made()
    assert accuracy(some_conflicts(case, 10_000), Majority()) == accuracy(case, Majority())
    few = some_conflicts(case, 8)
    assert accuracy(few, Majority())[1] == 8
    kept = few.table.frame.eq(case.table.frame) | few.table.frame.isna()
    assert kept.fillna(True).all().all()
