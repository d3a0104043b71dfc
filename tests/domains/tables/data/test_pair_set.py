"""Pair sets in both forms, and messages that name the line."""

import pandas as pd
import pytest

from core.errors import UserError
from domains.tables.data.pair_set import is_ditto, read_ditto, read_pairs

LINES = """\
COL name VAL  Ale \tCOL name VAL ale COL abv VAL 5 %\t1
COL name VAL x COL abv VAL\tCOL name VAL y COL abv VAL \t0
"""


def test_ditto_lines(tmp_path):
    (tmp_path / "train.txt").write_text(LINES)
    (tmp_path / "test.txt").write_text("\n" + LINES)
    pairs = read_ditto(tmp_path)
    assert pairs.split.tolist() == ["train"] * 2 + ["test"] * 2
    assert pairs.label.tolist() == [1, 0, 1, 0]
    assert pairs.left.columns == pairs.right.columns == ["name", "abv"]
    assert pairs.left.frame["name"].tolist() == ["Ale", "x"] * 2
    assert pairs.left.frame["abv"].isna().all()
    assert pairs.right.frame["abv"].fillna("").tolist() == ["5 %", ""] * 2
    assert len(pairs.part("test")) == 2
    assert read_ditto(tmp_path / "train.txt").split.tolist() == ["train"] * 2
    assert is_ditto(tmp_path)
    assert not is_ditto(tmp_path / "valid.txt")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("COL a VAL x\tCOL a VAL y", r"line 2: expected left TAB right TAB 0 or 1"),
        ("COL a VAL x\tCOL a VAL y\t2", r"line 2: expected left TAB right TAB 0 or 1"),
        ("a: x\tCOL a VAL y\t1", r"line 2: the left side must be COL name VAL"),
        ("COL a VAL x\tjunk COL a VAL y\t1", r"line 2: the right side must be"),
    ],
)
def test_lines_in_another_form(tmp_path, line, message):
    (tmp_path / "train.txt").write_text(f"COL a VAL x\tCOL a VAL y\t1\n{line}\n")
    with pytest.raises(UserError, match=r"train\.txt " + message):
        read_ditto(tmp_path)


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(UserError, match=r"holds none of train\.txt"):
        read_ditto(tmp_path)
    (tmp_path / "test.txt").write_bytes(b"COL a VAL \xff\tCOL a VAL b\t1\n")
    with pytest.raises(UserError, match=r"test\.txt cannot be read as UTF-8"):
        read_ditto(tmp_path)


def test_columns_of_a_table(tmp_path):
    frame = pd.DataFrame({"left_a": ["1", "2"], "right_a": ["1", "3"], "right_b": ["x", ""], "match": ["1", "0"]})
    frame.to_csv(tmp_path / "p.csv", index=False)
    pairs = read_pairs(tmp_path / "p.csv")
    assert pairs.split.tolist() == ["test", "test"]
    assert pairs.left.columns == ["a", "b"]
    assert pairs.left.frame["b"].isna().all()
    with pytest.raises(UserError, match="no part 'train'; it has test"):
        pairs.part("train")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"left_a": None}, "needs columns left_"),
        ({"label": None}, r"p\.csv has no label column"),
        ({"label": ["1", "yes"]}, "row 2: 'label' must be 0 or 1, got 'yes'"),
    ],
)
def test_messages_of_tables(tmp_path, change, message):
    columns = {"left_a": ["1", "2"], "right_a": ["1", "3"], "label": ["1", "0"]} | change
    pd.DataFrame({k: v for k, v in columns.items() if v is not None}).to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(UserError, match=message):
        read_pairs(tmp_path / "p.csv")
