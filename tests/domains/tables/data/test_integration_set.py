"""Folders of tables to integrate."""

import pandas as pd
import pytest

from core.errors import UserError
from domains.tables.data.integration_set import read_integration


@pytest.fixture
def lake(tmp_path):
    for name in ("b.csv", "a.csv", "golden.csv", "a_gold.csv", "fd-result.csv", "notes.md"):
        pd.DataFrame({"x": ["1"]}).to_csv(tmp_path / name, index=False)
    return tmp_path


def test_references_are_told_by_a_word_of_their_names(lake):
    found = read_integration(lake)
    assert [source.name for source in found.sources] == ["a", "b", "golden"]
    assert list(found.references) == ["a_gold", "fd-result"]
    chosen = read_integration(lake, inputs=("b.csv",), references=("golden.csv",))
    assert ([s.name for s in chosen.sources], list(chosen.references)) == (["b"], ["golden"])


def test_messages(lake, tmp_path):
    with pytest.raises(UserError, match=r"no file c\.csv; it has a\.csv"):
        read_integration(lake, inputs=("c.csv",))
    with pytest.raises(UserError, match="not a folder"):
        read_integration(lake / "a.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no tables to integrate"):
        read_integration(tmp_path / "empty")
