"""From files to one clean table, in Python and on the command line."""

import json

import numpy as np
import pandas as pd
import pytest

from core.cli.main import main
from core.errors import UserError
from domains.tables import integrate
from domains.tables.data.embedded import load_embedded
from domains.tables.data.persons import persons
from domains.tables.data.read import read_source
from domains.tables.evaluate import pairwise
from domains.tables.project.folder import Project

FRAMES = {
    "a": pd.DataFrame(
        {"name": ["Ada Lovelace", "Grace Hopper", "Alan Turing", "Kurt Gödel"],
         "city": ["London", "New York", "London", "Brünn"], "born": ["1815", "1906", "1912", "1906"]}
    ),
    "b": pd.DataFrame(
        {"Name": ["Grace Hoper", "Ada Lovelace", "Emmy Noether"],
         "City": ["New York", "london", "Erlangen"], "Born": ["1906", "1815", "1882"]}
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def libraries():
    return integrate("libraries")


def test_frames_by_name():
    found = integrate(FRAMES)
    assert found.rows["entity"].tolist() == ["E1", "E2", "E3", "E4", "E2", "E1", "E5"]
    assert found.golden["Name"].tolist()[:2] == ["Ada Lovelace", "Grace Hopper"]
    assert found.rows["source"].tolist() == ["a"] * 4 + ["b"] * 3


def test_the_embedded_files_come_out_nearly_as_they_are_true(libraries):
    _, truth = load_embedded("libraries")
    keys = pd.MultiIndex.from_arrays([libraries.union.source, libraries.union.row])
    true = truth.set_index(["source", "row"])["entity"].reindex(keys).to_numpy()
    assert pairwise(true, libraries.entity).f1 > 0.95
    assert len(libraries.golden) == len(np.unique(libraries.entity))
    assert libraries.golden["entity"].is_unique


def test_every_golden_value_is_one_of_its_rows(libraries):
    tables = libraries.tables()
    for column in libraries.union.columns:
        origin = libraries.union.frame[column].groupby(libraries.entity).agg(lambda v: set(v.dropna()))
        for entity, value in zip(origin.index, libraries.golden[column], strict=True):
            assert pd.isna(value) or value in origin[entity]
    assert set(tables["provenance"]["entity"]) <= set(tables["golden"]["entity"])
    assert len(tables["rows"]) == len(libraries.union)


def test_labels_are_held():
    pairs = (np.array([0, 2]), np.array([5, 3]), np.array([0.0, 1.0]))
    found = integrate(FRAMES, labels=pairs)
    assert found.entity[0] != found.entity[5]
    assert found.entity[2] == found.entity[3]


def test_a_label_joins_sets_whole():
    def typo(text, at):
        return text[:at] + "x" + text[at:]

    people = ["Ada Lovelace", "Kurt Goedel", "Alan Turing", "Emmy Noether", "Grace Hopper", "Sofia Kowalewskaja"]
    rows = [(name, f"{10 * i + 3} Long Lane", str(1800 + 7 * i)) for i, name in enumerate(people)]
    lists = [
        pd.DataFrame(
            [(typo(name, at), street, born) for name, street, born in rows], columns=["name", "street", "born"]
        )
        for at in (2, 4, 5)
    ]
    count, three = len(people), np.arange(3) * len(people)
    assert (integrate(lists).entity.reshape(3, count) == np.arange(1, count + 1)).all()
    joined = integrate(lists, labels=([0], [1], [1.0])).entity
    assert len(set(joined[np.concatenate([three, three + 1])])) == 1
    assert len(set(joined)) == count - 1


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (([1], [50], [1]), "row 50"),
        (([1], [-2], [1]), "row -2"),
        (([1, 2], [5, 6], [1]), "each of 2 pairs"),
        (([1], [5, 6], [1]), "got 1 and 2"),
        (([1], [5], [0.7]), "1 .the same thing. or 0"),
        (([1], [5], ["1"]), "1 .the same thing. or 0"),
        (([1], [5], [np.nan]), "1 .the same thing. or 0"),
        (([1.0], [5.0], [1]), "row numbers"),
        (([1], [1], [1]), "row 1 and itself"),
        (([1, 5], [5, 1], [1, 0]), "rows 1 and 5 must not be together, but"),
        (([0, 2, 0], [2, 4, 4], [1, 1, 0]), "rows 0 and 4 must not be together, but"),
        (([1], [5]), "three lists, got 2"),
    ],
)
def test_labels_that_cannot_be_are_refused(labels, message):
    with pytest.raises(UserError, match=message):
        integrate(FRAMES, labels=labels)


def test_no_labels_are_no_labels():
    plain = integrate(FRAMES).entity.tolist()
    for labels in (([], [], []), (np.array([]), np.array([]), np.array([]))):
        assert integrate(FRAMES, labels=labels).entity.tolist() == plain


def test_sources_that_were_read_stand_beside_other_tables(tmp_path):
    FRAMES["b"].to_csv(tmp_path / "a.csv", index=False)
    found = integrate([read_source(FRAMES["a"], name="a"), tmp_path / "a.csv", FRAMES["b"]])
    assert [one.name for one in found.sources] == ["a", "a.csv", "table"]
    assert found.rows["source"].tolist() == ["a"] * 4 + ["a.csv"] * 3 + ["table"] * 3


def test_thousands_of_identical_rows_are_one_thing():
    columns = ["name", "street", "town"]
    same = [["Ada Lovelace", "5 Saint James Square", "London"]] * 1500
    near = [["Ada Lovelace", "5 Saint James Square", "London"], ["Ada Lovelace", "5 Saint Jame Square", "London"]]
    people, _ = persons(1500, duplicates=0)
    other = people.frame[["surname", "address", "suburb"]].fillna("").values.tolist()
    found = integrate([pd.DataFrame([*same[:700], *near, *other, *same[700:]], columns=columns)])
    entity = found.entity
    assert set(entity[:702]) == set(entity[702 + len(other) :]) == {1}
    assert 1 not in entity[702 : 702 + len(other)]
    shown = {one.reason: one.sentence for one in found.suspicious if 0 in one.rows}
    assert shown.keys() == {"large"}
    assert "Besides these rows, 1301 more are the same" in shown["large"]


def test_a_column_called_entity_keeps_its_name():
    found = integrate([pd.DataFrame({"entity": ["x", "y"], "name": ["Ada", "Bob"]})])
    assert found.golden.columns.tolist() == ["entity_2", "entity", "name"]


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": []}, dtype="string"),
        pd.DataFrame({"a": ["x"]}),
        pd.DataFrame({"a": [None, None]}),
        pd.DataFrame({"a": ["x", "x"], "b": [None, None]}),
    ],
)
def test_next_to_nothing_is_no_trouble(frame):
    found = integrate([frame])
    assert len(found.rows) == len(frame)


def test_the_command_gives_what_the_function_gives(tmp_path, libraries, capsys):
    out = tmp_path / "golden.csv"
    words = ["tables", "integrate", "libraries", "--out", str(out), "--details", str(tmp_path / "all"), "--no-guard"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert f"{len(libraries.golden)} things from 279 rows" in printed
    assert "rows could not be read" in printed
    read = pd.read_csv(out, dtype="string", keep_default_na=False)
    assert read.equals(libraries.golden.astype("string").fillna(""))
    assert sorted(file.name for file in (tmp_path / "all").iterdir()) == [
        "conflicts.csv", "golden.csv", "provenance.csv", "rows.csv"
    ]  # fmt: skip
    rejects = pd.read_csv(tmp_path / "golden.rejects.csv")
    assert len(rejects) == 1


def test_a_project_gives_what_one_go_gives(tmp_path, libraries):
    project = str(tmp_path / "project")
    for step in ("init", "align", "block", "match", "cluster", "resolve"):
        assert main(["tables", step, project, *(["libraries"] if step == "init" else [])]) == 0
    assert main(["tables", "export", project, "--out", str(tmp_path / "out"), "--no-guard"]) == 0
    golden = pd.read_csv(tmp_path / "out" / "golden.csv", dtype="string", keep_default_na=False)
    assert golden.equals(libraries.golden.astype("string").fillna(""))
    record = Project.open(project).finished("block")
    assert 0.8 < record.facts["expected_recall"] <= 1


def test_one_json_object(tmp_path, capsys):
    frame = FRAMES["a"]
    frame.to_csv(tmp_path / "a.csv", index=False)
    words = ["tables", "integrate", str(tmp_path / "a.csv"), "--out", str(tmp_path / "g.parquet"), "--json"]
    assert main(words) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["rows"] == shown["things"] == 4
    assert pd.read_parquet(tmp_path / "g.parquet")["name"].tolist() == frame["name"].tolist()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing to integrate"),
        (["libraries", "--rules", "City=majority;x"], "is no COLUMN=RULE"),
        (["libraries", "--rules", "Town=longest"], "unknown column in the rules 'Town'"),
        (["libraries", "--method", "louvan"], "did you mean 'louvain'"),
        (["libraries", "--engine", "spark"], "unknown engine"),
        (["libraries", "--threshold", "7"], "threshold must be in"),
        (["nowhere.csv"], "there is no file nowhere.csv"),
    ],
)
def test_wrong_words_are_told(tmp_path, words, message):
    with pytest.raises(UserError, match=message):
        from domains.tables.jobs import integrate_command

        flags = dict(zip((w[2:] for w in words if w.startswith("--")), words[2::2], strict=False))
        if "threshold" in flags:
            flags["threshold"] = float(flags["threshold"])
        integrate_command(*[w for w in words[:1] if not w.startswith("--")], out=str(tmp_path / "g.csv"), **flags)
    assert not (tmp_path / "g.csv").exists()
