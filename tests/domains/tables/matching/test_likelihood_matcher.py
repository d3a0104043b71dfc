"""Sets found without labels on real data, above the figures of the plain baselines."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from core.errors import UserError
from domains.tables.align.columns import align
from domains.tables.align.union import outer_union
from domains.tables.blocking.default import default_blocker
from domains.tables.data.embedded import load_embedded, load_gold
from domains.tables.data.persons import persons
from domains.tables.data.table import Table
from domains.tables.evaluate import bcubed, pairwise
from domains.tables.matching.likelihood_matcher import LikelihoodMatcher
from domains.tables.sets.discover import discover_sets


def _matched(table, labels=None):
    candidates = default_blocker(table).candidates(table)
    matcher = LikelihoodMatcher().fit(table, candidates, labels)
    return matcher.predict(table, candidates)


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "truth", "dropped", "pairs", "b_cubed"),
    [
        ("chicago_early_childhood/chicago_early_childhood.csv", "cluster_id", ("record_id",), 0.95, 0.97),
        ("cora/cora.csv", "cluster_id", ("Entity Id",), 0.87, 0.90),
    ],
)
def test_real_sets_without_labels(data_folder, file, truth, dropped, pairs, b_cubed):
    frame = pd.read_csv(data_folder / "tables" / file, dtype="string")
    labels = frame[truth].astype("category").cat.codes.to_numpy().astype(np.int64)
    source = frame["source"].tolist() if "source" in frame else "table"
    table = Table.of(frame.drop(columns=[truth, *dropped, "source"], errors="ignore"), source=source)
    found = discover_sets(_matched(table))
    assert pairwise(labels, found).f1 >= pairs
    assert bcubed(labels, found).f1 >= b_cubed


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(("number", "oracle"), [(1, 0.96), (2, 0.87), (3, 0.89)])
def test_persons_of_four_attributes(data_folder, number, oracle):
    folder = data_folder / "tables" / "febrl"
    name = f"febrl_dataset{number}"
    frame = (
        pd.read_csv(folder / f"{name}.csv", dtype="string")
        if number == 1
        else pd.read_parquet(folder / f"{name}.parquet")
    )
    labels = frame["cluster_id"].astype(np.int64).to_numpy()
    table = Table.of(frame[["given_name", "surname", "suburb", "state"]])
    assert pairwise(labels, discover_sets(_matched(table))).f1 > oracle


def test_a_table_without_duplicates_stays_as_it_is():
    table, _ = persons(1000, duplicates=0)
    assert len(np.unique(discover_sets(_matched(table)))) >= 998


def test_a_small_list_whose_things_share_towns_stays_as_it_is():
    gold = Table.of(load_gold().drop(columns="entity"))
    assert len(np.unique(discover_sets(_matched(gold)))) >= len(gold) - 2


def test_two_short_lists_are_enough():
    right = found = true = 0
    for seed in range(5):
        table, truth = persons(20, duplicates=0.3, seed=seed)
        labels = discover_sets(_matched(table))
        upper = np.triu(np.ones((20, 20), dtype=bool), 1)
        same, together = (one[:, None] == one[None] for one in (truth, labels))
        right += int((same & together & upper).sum())
        found += int((together & upper).sum())
        true += int((same & upper).sum())
    assert 2 * right / (found + true) > 0.9


def test_few_duplicates_are_found_among_many_rows():
    table, truth = persons(2000, duplicates=0.03)
    assert pairwise(truth, discover_sets(_matched(table))).f1 > 0.95


def test_the_embedded_files():
    sources, truth = load_embedded("libraries")
    table = outer_union(sources, align(sources))
    index = pd.MultiIndex.from_arrays([table.source, table.row])
    labels = truth.set_index(["source", "row"])["entity"].reindex(index).to_numpy()
    assert pairwise(labels, discover_sets(_matched(table))).f1 > 0.95


@pytest.mark.parametrize("copies", [110, 250])
def test_a_thing_of_many_rows_stays_whole_and_alone(copies):
    """Its pairs are many more than each row's nearest rows show, and so alike that they look like dependence."""
    draw = np.random.default_rng(0)

    def typo(text):
        at = int(draw.integers(1, len(text) - 1))
        return text[:at] + chr(97 + draw.integers(26)) + text[at:]

    table, _ = persons(2500, duplicates=0)
    columns = ["given_name", "surname", "address", "suburb", "postcode", "date_of_birth"]
    others = table.frame[columns].astype(object)
    one = ["friederike", "hoppenstedt", "lower brook street", "mosman park", "6012", "19570412"]
    rows = [[typo(one[0]), typo(one[1]), typo(one[2]), *one[3:]] for _ in range(copies)]
    both = pd.concat([pd.DataFrame(rows, columns=columns), others], ignore_index=True)
    found = discover_sets(_matched(Table.of(both)))
    assert len(set(found[:copies])) == 1
    assert not set(found[:copies]) & set(found[copies:])
    assert len(set(found[copies:])) >= 2495


def _people():
    draw = np.random.default_rng(0)
    syllables = ["ba", "ke", "lo", "mi", "nu", "ra", "se", "ti", "vo", "zu"]
    word = lambda: "".join(draw.choice(syllables, 4))  # noqa: E731
    rows = [(word(), word(), str(draw.integers(1000, 9999))) for _ in range(120)]
    twins = [(first, family[:-1] + "x", number) for first, family, number in rows[:40]]
    return pd.DataFrame(rows + twins, columns=["given", "family", "number"])


def test_twins_are_found_and_others_are_not():
    graph = _matched(Table.of(_people()))
    likely = graph.above(0.5)
    assert set(zip(likely.left.tolist(), likely.right.tolist(), strict=True)) == {(i, 120 + i) for i in range(40)}


def test_same_data_same_numbers():
    one, two = _matched(Table.of(_people())), _matched(Table.of(_people()))
    assert np.array_equal(one.weight, two.weight)


def test_labels_are_followed():
    table = Table.of(_people())
    before = _matched(table)
    left, right = np.arange(20), 120 + np.arange(20)
    after = _matched(table, (left, right, np.zeros(20)))
    twins = (before.left < 20) & (before.right == before.left + 120)
    weight = dict(zip(zip(after.left.tolist(), after.right.tolist(), strict=True), after.weight.tolist(), strict=True))
    assert all(weight.get((i, 120 + i), 0) < before.weight[twins].min() for i in range(20))


def test_labels_that_contradict_each_other_are_learned_from():
    table = Table.of(_people())
    chain = ([0, 120, 0, 1, 1], [120, 1, 1, 121, 121], [1, 1, 0, 0, 1])
    weight = _matched(table, chain)
    pairs = zip(weight.left.tolist(), weight.right.tolist(), strict=True)
    found = dict(zip(pairs, weight.weight.tolist(), strict=True))
    assert found[0, 120] > 0.5
    assert found[1, 121] > 0.5  # the last of two counts


def test_where_nothing_tells_rows_apart_identical_rows_match():
    table = Table.of(pd.DataFrame({"a": ["x", "X ", None], "b": [None, None, None]}))
    assert discover_sets(_matched(table)).tolist() == [0, 0, 1]
    assert discover_sets(_matched(Table.of(pd.DataFrame({"a": ["x"]})))).tolist() == [0]
    assert len(_matched(Table.of(pd.DataFrame({"a": []}, dtype="string")))) == 0


@pytest.fixture(scope="module")
def libraries():
    sources, truth = load_embedded()
    table = outer_union(sources, align(sources))
    entity = truth.set_index(["source", "row"])["entity"]
    labels = entity.loc[list(zip(table.source.tolist(), table.row.tolist(), strict=True))].to_numpy(np.int64)
    return table, labels, default_blocker(table).candidates(table)


def test_a_saved_matcher_says_the_same(libraries, tmp_path):
    table, _, candidates = libraries
    matcher = LikelihoodMatcher().fit(table, candidates)
    matcher.save(tmp_path / "matcher.json")
    again = LikelihoodMatcher.load(tmp_path / "matcher.json")
    assert again.settings == matcher.settings
    one, two = matcher.predict(table, candidates), again.predict(table, candidates)
    assert [x.tolist() for x in (one.left, one.right, one.weight)] == [
        x.tolist() for x in (two.left, two.right, two.weight)
    ]
    odds = again.explain(table)
    for at in range(0, len(one), 37):
        parts = odds.of(int(one.left[at]), int(one.right[at]))
        assert expit(sum(parts.values())) == pytest.approx(one.weight[at], abs=1e-5)


def test_a_matcher_that_learned_nothing_says_so(libraries, tmp_path):
    table, _, candidates = libraries
    for use in (
        lambda m: m.predict(table, candidates),
        lambda m: m.explain(table),
        lambda m: m.save(tmp_path / "m.json"),
    ):
        with pytest.raises(UserError, match="call fit"):
            use(LikelihoodMatcher())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "spoil", [lambda c: c.pop("share"), lambda c: c["names"].pop(), lambda c: c["settings"].update(rounds=-1)]
)
def test_a_damaged_matcher_is_refused(libraries, tmp_path, spoil):
    table, _, candidates = libraries
    path = tmp_path / "matcher.json"
    LikelihoodMatcher().fit(table, candidates).save(path)
    content = json.loads(path.read_text())
    spoil(content)
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"matcher\.json cannot be read as a matcher"):
        LikelihoodMatcher.load(path)


def test_single_right_answers_do_no_harm(libraries):
    """A "no" about a pair that looks alike once moved everything else."""
    table, labels, candidates = libraries
    graph = LikelihoodMatcher().fit(table, candidates).predict(table, candidates)
    before = pairwise(labels, discover_sets(graph)).f1
    different = labels[graph.left] != labels[graph.right]
    alike = np.argsort(-np.where(different, graph.weight, 0), kind="stable")[:8]
    for at in alike.tolist():
        told = (graph.left[[at]], graph.right[[at]], np.zeros(1))
        learned = LikelihoodMatcher().fit(table, candidates, told).predict(table, candidates)
        assert pairwise(labels, discover_sets(learned)).f1 >= before - 0.002
