"""Tables with clusters: which columns play which part, and messages."""

import pandas as pd
import pytest

from core.errors import UserError
from domains.tables.data.labelled import read_clusters


def written(path, **columns):
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def test_parts_of_columns(tmp_path):
    path = written(
        tmp_path / "t.csv", id=["1", "2", "3"], Source=["a", "b", "a"], name=["x", "y", "z"], true_id=["7", "9", "7"]
    )
    found = read_clusters(path)
    assert found.table.columns == ["name"]
    assert found.labels.tolist() == [0, 1, 0]
    assert found.key.tolist() == ["1", "2", "3"]
    assert found.table.source.tolist() == ["a", "b", "a"]
    assert found.table.row.tolist() == [0, 0, 1]
    assert found.true_pairs == 1


def test_an_id_that_repeats_is_an_attribute(tmp_path):
    path = written(tmp_path / "t.csv", id=["1", "1"], cluster=["7", "9"], name=["x", "y"])
    found = read_clusters(path)
    assert found.key is None
    assert found.table.columns == ["id", "name"]
    assert read_clusters(path, key="id").key.tolist() == ["1", "1"]


def test_given_names_win(tmp_path):
    path = written(tmp_path / "t.csv", who=["p", "p"], where=["a", "b"], cluster=["1", "2"], name=["x", "y"])
    found = read_clusters(path, cluster="who", source="where", columns=["name"])
    assert (found.labels.tolist(), found.table.sources, found.table.columns) == ([0, 0], ["a", "b"], ["name"])


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"a": ["1"]}, {}, r"t\.csv has no cluster column: none of its columns is called cluster id.*one of a"),
        (
            {"a": ["1"], "cluster": ["1"]},
            {"cluster": "clustre"},
            "unknown cluster column 'clustre'; did you mean 'cluster'",
        ),
        ({"a": ["1", "2"], "cluster": ["1", ""]}, {}, r"t\.csv: row 2 has no value in 'cluster' \(1 of 2"),
        ({"a": ["1"], "cluster": ["1"]}, {"columns": ["b"]}, "unknown column of .* 'b'"),
        ({"id": ["1"], "cluster": ["1"]}, {}, r"t\.csv has no attributes besides id, cluster"),
    ],
)
def test_messages(tmp_path, columns, options, message):
    with pytest.raises(UserError, match=message):
        read_clusters(written(tmp_path / "t.csv", **columns), **options)
