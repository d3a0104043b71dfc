"""Benchmark sets by name against the catalogue, and unknown sets by their form."""

import numpy as np
import pandas as pd
import pytest

from core.data import catalogue
from core.errors import UserError
from domains.tables.data.claims import Claims
from domains.tables.data.datasets import dataset_names, read_dataset
from domains.tables.data.integration_set import IntegrationSet
from domains.tables.data.labelled import LabelledTable
from domains.tables.data.pair_set import PairSet


def _entry(name):
    """From the catalogue of the domain."""
    return next(entry for entry in catalogue() if (entry.domain, entry.name) == ("tables", name))


@pytest.fixture
def real(data_folder, monkeypatch):
    monkeypatch.setenv("COUNTERPOINT_DATA", str(data_folder))
    return data_folder


def test_names():
    assert {"chicago_early_childhood", "cora", "febrl_dataset3", "febrl_dataset1_cut", "flights"} <= set(
        dataset_names()
    )
    assert len(dataset_names()) == 1 + 1 + 9 + 6 + 2 + 1


@pytest.mark.data
@pytest.mark.usefixtures("real")
@pytest.mark.parametrize("name", ["chicago_early_childhood", "cora"])
def test_tables_with_clusters(name):
    found, counts = read_dataset(name), _entry(name).counts
    assert isinstance(found, LabelledTable)
    assert len(found.table) == len(found.labels) == counts["rows"]
    assert len(np.unique(found.labels)) == found.labels.max() + 1 == counts["clusters"]
    assert found.true_pairs == counts["pairs"]
    assert len(found.table.columns) == counts["columns"]
    assert len(found.table.sources) == counts.get("sources", 1)
    assert len(set(found.key)) == counts["rows"]
    assert not {"cluster_id", "record_id", "source", "Entity Id"} & set(found.table.columns)


@pytest.mark.data
@pytest.mark.usefixtures("real")
@pytest.mark.parametrize(("number", "rows", "originals"), [(1, 1000, 500), (2, 5000, 4000), (3, 5000, 2000)])
def test_persons_never_hold_the_answer(number, rows, originals):
    whole, cut = read_dataset(f"febrl_dataset{number}"), read_dataset(f"tables/febrl_dataset{number}_cut")
    assert len(whole.table) == rows
    assert whole.labels.max() + 1 == originals
    assert "rec_id" not in whole.table.columns
    assert len(whole.table.columns) == 10
    assert cut.table.columns == ["given_name", "surname", "suburb", "state"]
    np.testing.assert_array_equal(cut.labels, whole.labels)
    key = pd.Series(whole.key).str.extract(r"rec-(\d+)-")[0]
    assert (pd.factorize(key)[0] == whole.labels).all()


PAIRS = {  # pairs and matches of train, valid and test
    "structured_beer": ((268, 40), (91, 14), (91, 14)),
    "structured_dblp_googlescholar": ((5742, 1070), (5742, 1070)),
    "dirty_itunes_amazon": ((321, 78), (109, 27), (109, 27)),
    "textual_abt_buy": ((5743, 616), (1916, 206), (1916, 206)),
}


@pytest.mark.data
@pytest.mark.usefixtures("real")
@pytest.mark.parametrize("name", PAIRS)
def test_pair_sets(name):
    pairs = read_dataset(name)
    assert isinstance(pairs, PairSet)
    parts = ["train", "valid", "test"][-len(PAIRS[name]) :]
    assert [(len(pairs.part(p)), int(pairs.part(p).label.sum())) for p in parts] == list(PAIRS[name])
    assert pairs.left.columns == pairs.right.columns
    table, left, right = pairs.records()
    assert table.sources == ["left", "right"]
    assert table.frame.iloc[left].reset_index(drop=True).equals(pairs.left.frame)
    assert table.frame.iloc[right].reset_index(drop=True).equals(pairs.right.frame)
    assert not table.frame.assign(source=table.source).duplicated().any()


@pytest.mark.data
@pytest.mark.usefixtures("real")
def test_all_pairs_of_the_nine_sets():
    sets = [name for name in dataset_names() if name.startswith(("structured_", "dirty_", "textual_"))]
    assert len(sets) == _entry("er_magellan").counts["sets"]
    assert sum(len(read_dataset(name)) for name in sets) == _entry("er_magellan").counts["pairs"]


@pytest.mark.data
@pytest.mark.usefixtures("real")
def test_claims_of_the_flights():
    claims, counts = read_dataset("flights"), _entry("flights").counts
    assert isinstance(claims, Claims)
    assert len(claims.table) == counts["rows"]
    assert len(claims.table.sources) == counts["sources"]
    assert len(claims.entities) == claims.labels.max() + 1 == counts["entities"]
    conflicts = claims.conflicts()
    assert len(conflicts) == counts["conflicts"]
    assert conflicts["candidates"].mean() == pytest.approx(3.24, abs=0.01)
    # the truth is one value for each flight and attribute
    for column in claims.table.columns:
        assert claims.truth[column].groupby(claims.labels).nunique().max() == 1


@pytest.mark.data
@pytest.mark.usefixtures("real")
def test_tables_to_integrate():
    stadiums = read_dataset("alite_stadiums")
    assert isinstance(stadiums, IntegrationSet)
    assert [len(source.frame) for source in stadiums.sources] == [73, 74, 34, 32]
    assert len({source.name for source in stadiums.sources}) == 4
    assert {k: len(v) for k, v in stadiums.references.items()} == {
        "gold": 93, "gold_dirty": 108, "fd_result": 121, "outerjoin_result": 114
    }  # fmt: skip
    assert [len(source.frame) for source in read_dataset("alite_covid").sources] == [3, 3, 4]


def test_unknown_sets_by_their_form(tmp_path):
    pd.DataFrame({"name": ["a", "b"], "Cluster": ["x", "x"]}).to_csv(tmp_path / "c.csv", index=False)
    assert read_dataset(tmp_path / "c.csv").labels.tolist() == [0, 0]
    pairs = pd.DataFrame({"left_n": ["a"], "right_n": ["b"], "label": [1], "split": ["test"]})
    pairs.to_parquet(tmp_path / "p.parquet")
    assert read_dataset(tmp_path / "p.parquet").label.tolist() == [1]
    claims = pd.DataFrame({"src": ["a", "b"], "thing": ["t", "t"], "v": ["1", "2"]})
    claims.to_csv(tmp_path / "claims.csv", index=False)
    assert len(read_dataset(tmp_path / "claims.csv").conflicts()) == 1
    folder = tmp_path / "pair"
    folder.mkdir()
    claims.to_csv(folder / "dirty.csv", index=False)
    claims.assign(v="1").to_csv(folder / "clean.csv", index=False)
    assert read_dataset(folder).conflicts()["truth"].tolist() == ["1"]
    (tmp_path / "ditto").mkdir()
    (tmp_path / "ditto/test.txt").write_text("COL n VAL a\tCOL n VAL b\t0\n")
    assert read_dataset(tmp_path / "ditto").left.frame["n"].tolist() == ["a"]
    (tmp_path / "lake").mkdir()
    claims.to_csv(tmp_path / "lake/t1.csv", index=False)
    claims.to_csv(tmp_path / "lake/t1_gold.csv", index=False)
    lake = read_dataset(tmp_path / "lake")
    assert ([s.name for s in lake.sources], list(lake.references)) == (["t1"], ["t1_gold"])
    pd.DataFrame({"a": ["1"], "b": ["2"]}).to_csv(tmp_path / "plain.csv", index=False)
    with pytest.raises(UserError, match=r"plain\.csv has no column of clusters.*it has a, b"):
        read_dataset(tmp_path / "plain.csv")


def test_unknown_names():
    with pytest.raises(UserError, match=r"unknown data set .* 'febrl_dataset4'; did you mean 'febrl_dataset"):
        read_dataset("febrl_dataset4")
