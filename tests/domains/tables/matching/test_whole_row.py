"""The whole row as an attribute: where it is there, which pairs it speaks of, and what it is worth."""

import numpy as np
import pandas as pd
import pytest

from domains.tables.blocking.default import default_blocker
from domains.tables.data.table import Table
from domains.tables.evaluate import pairwise
from domains.tables.matching.compare import ELSEWHERE, MISSING, compare
from domains.tables.matching.elsewhere import mark_elsewhere
from domains.tables.matching.likelihood_matcher import LikelihoodMatcher
from domains.tables.matching.whole_row import WHOLE_ROW, known_attributes, matched_attributes
from domains.tables.project.pair_evidence import attribute_evidence
from domains.tables.sets.discover import discover_sets

TITLES = ["a survey of adaptive query processing in streams", "the piazza peer data management project of seattle"]
FRAME = pd.DataFrame(
    {
        "title": [TITLES[0], TITLES[0] + " vldb 1999", TITLES[1], TITLES[1]],
        "venue": ["vldb", None, "sigmod", "icde"],
        "year": ["1999", None, "2003", "2004"],
    },
    dtype="string",
)


def moved(count, seed=0):
    """Papers of two lists; in the second one, values of every other column may have moved into the title."""
    draw = np.random.default_rng(seed)
    words = [
        f"{a}{b}" for a in ("data", "query", "index", "graph", "join", "lock") for b in ("er", "ing", "set", "log")
    ]
    titles = [" ".join(draw.choice(words, 6)) for _ in range(count)]
    venues = draw.choice(["vldb", "sigmod conference", "icde", "tods"], count)
    years = draw.integers(1990, 2005, count).astype(str)
    people = [" ".join(draw.choice(words, 2)) for _ in range(count)]
    first = pd.DataFrame({"title": titles, "authors": people, "venue": venues, "year": years})
    second = first.copy().astype(object)
    for name in ("authors", "venue", "year"):
        gone = draw.random(count) < 0.5
        second.loc[gone, "title"] += " " + second.loc[gone, name]
        second.loc[gone, name] = None
    table = Table.of(pd.concat([first, second], ignore_index=True), source=["a"] * count + ["b"] * count)
    return table, np.tile(np.arange(count), 2)


def test_it_is_there_for_long_texts_only():
    assert [one.name for one in matched_attributes(Table.of(FRAME))][-1] == WHOLE_ROW
    short = FRAME.assign(title=["ada", "alan", "kurt", "emmy"])
    assert WHOLE_ROW not in [one.name for one in matched_attributes(Table.of(short))]
    assert [one.name for one in matched_attributes(Table.of(FRAME[["title"]]))] == ["title"]


def test_it_is_compared_where_a_value_stands_on_one_side_only():
    attributes = matched_attributes(Table.of(FRAME))
    left, right = np.array([0, 2, 1]), np.array([1, 3, 2])
    level = compare(attributes, left, right).level
    assert level[0, -1] >= 5 * 8  # alike: all words of the one are in the other
    assert level[1, -1] == MISSING  # both rows have all values
    assert MISSING < level[2, -1] < 3 * 8
    alone = compare(attributes[:-1], left, right)
    assert (alone.level == level[:, :-1]).all()


def test_values_elsewhere_are_looked_for_in_the_columns():
    attributes = matched_attributes(Table.of(FRAME))
    pairs = np.array([0, 1]), np.array([2, 3])
    both, alone = compare(attributes, *pairs), compare(attributes[:-1], *pairs)
    mark_elsewhere(both, attributes, *pairs)
    mark_elsewhere(alone, attributes[:-1], *pairs)
    assert (both.level[:, :-1] == alone.level).all()
    assert (both.level[:, -1] != ELSEWHERE).all()


def test_a_column_of_its_name_is_a_column():
    table = Table.of(FRAME.rename(columns={"venue": WHOLE_ROW}))
    assert [one.name for one in matched_attributes(table)] == ["title", WHOLE_ROW, "year"]
    assert not any(one.whole for one in known_attributes(["title", WHOLE_ROW, "year"], table))


@pytest.mark.parametrize("seed", [0, 1])
def test_moved_values_are_found(seed):
    table, truth = moved(150, seed)
    candidates = default_blocker(table).candidates(table)
    found = discover_sets(LikelihoodMatcher().fit(table, candidates).predict(table, candidates))
    assert pairwise(truth, found).f1 > 0.9


def test_the_evidence_shows_it():
    table, _ = moved(150)
    candidates = default_blocker(table).candidates(table)
    matcher = LikelihoodMatcher().fit(table, candidates)
    odds = matcher.explain(table)
    one = next(i for i in range(150) if table.frame.iloc[150 + i].isna().any())
    shown = attribute_evidence(table, one, 150 + one, odds.of(one, 150 + one))
    assert shown[-1].name == WHOLE_ROW
    assert shown[-1].odds > 0
    assert shown[-1].left is shown[-1].right is None


def test_a_table_that_lacks_a_column_is_still_judged():
    table, _ = moved(100)
    candidates = default_blocker(table).candidates(table)
    matcher = LikelihoodMatcher().fit(table, candidates)
    fewer = Table.of(table.frame.drop(columns="venue"), source=table.source.tolist())
    graph = matcher.predict(fewer, candidates)
    assert len(graph) > 0
    assert matcher.explain(fewer).of(0, 100)["venue"] == 0


def test_a_table_with_none_of_the_columns_learned_from_says_nothing():
    table, _ = moved(60)
    candidates = default_blocker(table).candidates(table)
    matcher = LikelihoodMatcher().fit(table, candidates)
    other = Table.of(table.frame.rename(columns=lambda name: f"other {name}"), source=table.source.tolist())
    assert {odds for name, odds in matcher.explain(other).of(0, 60).items() if name} == {0}
    same = [(a, b) for a, b in enumerate(range(60, 120)) if table.frame.iloc[a].equals(table.frame.iloc[b])]
    graph = matcher.predict(other, candidates)
    assert list(zip(graph.left.tolist(), graph.right.tolist(), strict=True)) == same
