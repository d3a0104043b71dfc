"""Claim tables: the parts of columns, truth in any order, conflicts by hand."""

import pandas as pd
import pytest

from core.errors import UserError
from domains.tables.data.claims import read_claims

DIRTY = {"src": ["a", "b", "c", "a", "b"], "v": ["1", "1", "2", "5", ""], "thing": ["t", "t", "t", "u", "u"]}
CLEAN = {"thing": ["u", "u", "t", "t", "t"], "src": ["b", "a", "c", "b", "a"], "v": ["5", "5", "1", "1", "1"]}


def written(path, columns):
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def test_claims_with_truth_in_another_order(tmp_path):
    claims = read_claims(written(tmp_path / "d.csv", DIRTY), written(tmp_path / "c.csv", CLEAN))
    assert claims.table.columns == ["v"]
    assert claims.table.source.tolist() == DIRTY["src"]
    assert claims.labels.tolist() == [0, 0, 0, 1, 1]
    assert claims.entities.tolist() == ["t", "u"]
    assert claims.truth["v"].tolist() == ["1", "1", "1", "5", "5"]
    assert claims.conflicts().to_dict("records") == [{"entity": 0, "attribute": "v", "candidates": 2, "truth": "1"}]
    assert "truth" not in read_claims(tmp_path / "d.csv").conflicts()


def test_rows_that_are_not_told_apart_must_stand_in_order(tmp_path):
    dirty = {"src": ["a", "a"], "thing": ["t", "t"], "v": ["1", "2"]}
    path = written(tmp_path / "d.csv", dirty)
    same = read_claims(path, written(tmp_path / "c.csv", dirty | {"v": ["1", "1"]}), entity="thing")
    assert same.truth["v"].tolist() == ["1", "1"]
    with pytest.raises(UserError, match="must stand in the same order"):
        read_claims(path, written(tmp_path / "c.csv", dirty | {"src": ["a", "b"]}), entity="thing")


@pytest.mark.parametrize(
    ("dirty", "clean", "message"),
    [
        ({"thing": ["t"], "v": ["1"]}, None, r"d\.csv has no column of sources; name it with source="),
        ({"src": ["a", "a"], "v": ["1", "1"]}, None, "no column tells what a claim is about"),
        ({"src": ["a", "b"], "thing": ["t", "t"]}, None, "no attributes besides 'src' and 'thing'"),
        (DIRTY | {"src": ["a", "", "c", "a", "b"]}, None, r"row 2 has no value in 'src'"),
        (DIRTY, {k: v[1:] for k, v in CLEAN.items()}, r"c\.csv lacks 1 of the claims, first that about 'u' of 'b'"),
        (DIRTY, {"thing": ["t"], "src": ["a"], "w": ["1"]}, r"unknown column of .*c\.csv 'v'"),
    ],
)
def test_messages(tmp_path, dirty, clean, message):
    truth = None if clean is None else written(tmp_path / "c.csv", clean)
    with pytest.raises(UserError, match=message):
        read_claims(written(tmp_path / "d.csv", dirty), truth)


def test_given_columns(tmp_path):
    path = written(tmp_path / "d.csv", {"web": ["x", "y"], "isbn": ["1", "2"], "title": ["A", "B"]})
    claims = read_claims(path, source="web", entity="isbn")
    assert (claims.table.sources, claims.entities.tolist()) == (["x", "y"], ["1", "2"])
    with pytest.raises(UserError, match="unknown entity column 'isnb'; did you mean 'isbn'"):
        read_claims(path, source="web", entity="isnb")
