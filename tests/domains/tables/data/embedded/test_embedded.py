"""The embedded tables: made again byte for byte, truth and gold that fit."""

from pathlib import Path

import pytest

from core.errors import UserError
from domains.tables.data import embedded
from domains.tables.data.embedded import load_embedded, load_gold
from domains.tables.data.embedded.make import make

FOLDER = Path(embedded.__file__).parent / "libraries"


def test_the_files_can_be_made_again(tmp_path):
    make(tmp_path)
    there = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == there
    assert all(len(data) < 20_000 for data in there.values())


def test_sources_truth_and_gold_fit():
    sources, truth = load_embedded()
    gold = load_gold()
    assert [(one.name, one.guess["encoding"].value) for one in sources] == [
        ("register", "utf-8"), ("tourism", "cp1252"), ("map", "utf-8"), ("volunteers", "utf-16-le"),
    ]  # fmt: skip
    assert [one.guess["delimiter"].value for one in sources if "delimiter" in one.guess] == [",", ";", "\t"]
    assert [len(one.rejects) for one in sources] == [0, 1, 0, 0]
    expected = [(one.name, row) for one in sources for row in range(len(one))]
    assert list(zip(truth["source"], truth["row"], strict=True)) == expected
    assert gold["entity"].tolist() == list(map(str, range(len(gold))))
    assert 95 <= truth["entity"].nunique() <= len(gold)
    assert truth["entity"].isin(range(len(gold))).all()
    # duplicates within one list, and conflicts
    assert truth.duplicated(["source", "entity"]).sum() >= 8
    register, phone = sources[0].frame, gold["phone"]
    true = phone.iloc[truth.loc[truth["source"] == "register", "entity"]].reset_index(drop=True)
    assert (register["Phone"].dropna() == true[register["Phone"].notna()]).all()
    volunteers = sources[3].frame["Tel."]
    true = phone.iloc[truth.loc[truth["source"] == "volunteers", "entity"]].reset_index(drop=True)
    assert 0 < (volunteers.dropna() != true[volunteers.notna()]).sum() < len(volunteers) / 2


def test_things_of_one_name_are_told_apart_by_more_than_it():
    gold = load_gold()
    assert gold.duplicated(["name"]).sum() > 15
    assert gold.duplicated(["name", "town"]).sum() >= 2
    assert not gold.duplicated(["name", "town", "street"]).any()


def test_unknown_name():
    with pytest.raises(UserError, match="did you mean 'libraries'"):
        load_embedded("librarys")
