"""Files of a project that were cut off, emptied, changed or lost are named, with the step that makes them again."""

import json
import shutil

import pandas as pd
import pytest

from core.cli.main import main
from core.errors import UserError
from domains.tables.project.folder import STEPS, Project
from domains.tables.project.steps.resolve import resolve
from domains.tables.project.stored import load_index, load_ledger
from domains.tables.review.session import ReviewSession
from tests.domains.tables.project.small_project import small_project
from tests.domains.tables.review.conftest import Page

DAMAGES = {
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "empty": lambda path: path.write_bytes(b""),
    "of something else": lambda path: (
        pd.DataFrame({"x": [1]}).to_parquet(path) if path.suffix == ".parquet" else path.write_text('{"x": 1}\n')
    ),
    "lost": lambda path: path.unlink(),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    project = small_project(tmp_path_factory.mktemp("whole"))
    resolve(project)
    return project


@pytest.fixture
def project(whole, tmp_path):
    shutil.copytree(whole.path, tmp_path / "project")
    return Project.open(tmp_path / "project")


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_file_of_every_step(project, damage):
    for step in STEPS:
        for name in project.finished(step).outputs:
            path = project.file(step, name)
            before = path.read_bytes()
            DAMAGES[damage](path)
            with pytest.raises(UserError) as caught:
                project.file(step, name)
            assert f"{path} " in str(caught.value)
            assert f"run: counterpoint tables {step} {project.path}" in str(caught.value)
            path.write_bytes(before)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(
    ("step", "name", "words"),
    [
        ("init", "source-0.parquet", ["align"]),
        ("align", "table.parquet", ["explain", "a:0", "b:0"]),
        ("align", "rows.parquet", ["resolve"]),
        ("match", "copies.parquet", ["cluster"]),
        ("match", "matcher.json", ["explain", "a:0", "b:0"]),
        ("cluster", "sets.parquet", ["resolve"]),
        ("cluster", "curve.json", ["report", "--out", "report.html"]),
        ("cluster", "suspicious.json", ["report", "--out", "report.html"]),
        ("resolve", "entities.parquet", ["export", "--out", "out"]),
        ("resolve", "golden.parquet", ["report", "--out", "report.html"]),
    ],
)
def test_commands(project, capsys, monkeypatch, damage, step, name, words):
    monkeypatch.chdir(project.path.parent)
    path = project.file(step, name)
    DAMAGES[damage](path)
    assert main(["tables", words[0], str(project.path), *words[1:]]) == 2
    said = capsys.readouterr().err
    assert str(path) in said
    assert f"counterpoint tables {step} {project.path}" in said
    assert not (project.path.parent / words[-1]).exists()


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["curve.json", "suspicious.json"])
def test_the_review_page(project, damage, name):
    page = Page(ReviewSession(project, "me"))
    path = project.file("cluster", name)
    DAMAGES[damage](path)
    answer = page.get("/")
    assert answer.status_code == 400
    assert path.name in answer.text
    assert "counterpoint tables cluster" in answer.text


def test_a_step_is_run_again_although_its_result_is_damaged(project):
    for name in list(project.finished("resolve").outputs):
        DAMAGES["cut off"](project.file("resolve", name))
    assert main(["tables", "resolve", str(project.path)]) == 0
    for name in project.finished("resolve").outputs:
        project.file("resolve", name)


@pytest.mark.parametrize("damage", ["cut off", "empty", "of something else"])
def test_ids_of_entities(project, damage):
    DAMAGES[damage](project.entities_path)
    with pytest.raises(
        UserError,
        match=r"entities\.parquet is damaged .*; put a copy of it back, or delete it for new ids",
    ):
        load_ledger(project, load_index(project))


@pytest.mark.parametrize("key", ["made_from", "decisions", "outputs", "facts", "step"])
@pytest.mark.parametrize("value", [None, 3.5, [1]])
def test_a_record_of_other_types(project, key, value):
    path = project.step_path("match") / "step.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(UserError, match=rf"{path} is damaged .*{key}.* delete .*match and run the step again"):
        project.record("match")
