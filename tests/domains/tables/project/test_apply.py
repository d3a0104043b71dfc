"""New rows against a project with things of very many rows."""

import numpy as np
import pandas as pd
import pytest

from domains.tables.data.persons import persons
from domains.tables.project.steps.align import align
from domains.tables.project.steps.apply import apply
from domains.tables.project.steps.block import block
from domains.tables.project.steps.cluster import cluster
from domains.tables.project.steps.init import init
from domains.tables.project.steps.match import match
from domains.tables.project.steps.resolve import resolve

COLUMNS = ["given_name", "surname", "address", "suburb", "postcode", "date_of_birth"]
ALIKE = ["friederike", "hoppenstedt", "lower brook street", "mosman park", "6012", "19570412"]
SAME = ["marguerite", "vandenberg", "kings highway", "dandenong", "3175", "19610930"]
NEW = ["theodora", "wojciechowski", "obere muehle", "ravensburg", "8821", "19990101"]
MANY, COPIES = 120, 1200


def typo(text, draw):
    at = int(draw.integers(1, len(text) - 1))
    return text[:at] + chr(97 + draw.integers(26)) + text[at:]


def variant(draw):
    return [*(typo(text, draw) for text in ALIKE[:3]), *ALIKE[3:]]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    draw, folder = np.random.default_rng(0), tmp_path_factory.mktemp("apply")
    others = persons(2000, duplicates=0)[0].frame[COLUMNS].fillna("").to_numpy().tolist()
    rows = [*(variant(draw) for _ in range(MANY)), *[SAME] * COPIES, *others]
    pd.DataFrame(rows, columns=COLUMNS).to_csv(folder / "people.csv", index=False)
    made, _ = init(folder / "project", [str(folder / "people.csv")])
    for step in (align, block, match, cluster, resolve):
        step(made)
    return made


def test_things_of_many_rows_are_whole(project):
    entity = project.read_frame("resolve", "entities.parquet")["entity"]
    assert set(entity[:MANY]) == {1}
    assert set(entity[MANY : MANY + COPIES]) == {2}
    assert not {1, 2} & set(entity[MANY + COPIES :])


def test_new_rows_join_them(project, tmp_path):
    draw = np.random.default_rng(1)
    rows = [*(variant(draw) for _ in range(3)), SAME, [typo(SAME[0], draw), *SAME[1:]], NEW]
    pd.DataFrame(rows, columns=COLUMNS).to_csv(tmp_path / "new.csv", index=False)
    done = apply(project, tmp_path / "new.csv")
    assert done.rows["entity"].tolist() == ["E1", "E1", "E1", "E2", "E2", "new1"]
    assert done.rows["probability"][:5].min() > 0.9


def test_thousands_of_new_copies_go_where_their_row_goes(project, tmp_path):
    rows = [NEW] * COPIES + [SAME] * COPIES
    pd.DataFrame(rows, columns=COLUMNS).to_csv(tmp_path / "new.csv", index=False)
    done = apply(project, tmp_path / "new.csv")
    assert set(done.rows["entity"][:COPIES]) == {"new1"}
    assert set(done.rows["entity"][COPIES:]) == {"E2"}
    assert done.rows["probability"][COPIES:].min() > 0.9
