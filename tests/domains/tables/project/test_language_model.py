"""Columns that a language model resolves, in a project; a real server plays the model."""

import json
from types import SimpleNamespace

import pytest

from core.cli.main import main
from core.errors import UserError
from domains.tables.project.settings import read_settings
from domains.tables.project.steps.resolve import resolve
from domains.tables.review.conflict_views import conflict
from domains.tables.review.session import ReviewSession
from tests.domains.tables.language_models.played_server import played_server
from tests.domains.tables.project.small_project import small_project


@pytest.fixture
def server():
    with played_server() as (url, played):
        yield SimpleNamespace(url=url, played=played)


@pytest.fixture
def project(tmp_path, server):
    made = small_project(tmp_path)
    text = made.settings_path.read_text("utf-8").replace("rules: {}", "rules: {phone: llm}")
    text = text.replace("server: ''", f"server: {server.url}").replace("model: ''", "model: toy")
    made.settings_path.write_text(text.replace("vote_weight: 1.0", "vote_weight: 0.0"), "utf-8")
    return made


def test_settings_say_which_model_and_what_it_may_see(project, server):
    llm = read_settings(project.settings_path).resolve.llm
    assert (llm.server, llm.model, llm.redact, llm.remote) == (server.url, "toy", (), False)


def test_the_model_decides_the_columns_that_it_is_given(project, server):
    facts = resolve(project).facts
    assert facts["rules"]["phone"].startswith("language model")
    assert facts["rules"]["name"] == "majority"
    asked = len(server.played.seen)
    assert asked > 0
    resolve(project)
    assert len(server.played.seen) == asked  # answers are kept


def test_preview_lists_what_would_be_sent_and_sends_nothing(project, server, tmp_path, capsys):
    out = tmp_path / "asked.jsonl"
    assert main(["tables", "resolve", str(project.path), "--preview", str(out)]) == 0
    assert not server.played.seen
    listed = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert {frozenset(one["candidates"]) for one in listed} == {frozenset({"0731 1", "0731 2"}),
                                                                  frozenset({"0228 77", "0228 78"})}  # fmt: skip
    assert "nothing was sent" in capsys.readouterr().out
    resolve(project)
    sent = {body["prompt"] for _, body in server.played.seen}
    assert all(any(text.startswith(one["prompt"]) for text in sent) for one in listed)


def test_redacted_columns_are_in_no_prompt(project, server):
    text = project.settings_path.read_text("utf-8").replace("redact: []", "redact: [city]")
    project.settings_path.write_text(text, "utf-8")
    resolve(project)
    assert not any("Ulm" in json.dumps(body) for body in server.played.seen)


def test_a_model_elsewhere_sees_nothing_without_yes(project):
    text = project.settings_path.read_text("utf-8")
    start = text.index("server: http")
    line = text[start : text.index("\n", start)]
    project.settings_path.write_text(text.replace(line, "server: http://models.example:1/v1"), "utf-8")
    with pytest.raises(UserError, match=r"prompts of about .* would be sent to http://models.example"):
        resolve(project)


def test_the_page_shows_answers_of_the_last_run_and_asks_nothing(project, server):
    session = ReviewSession(project, "tester")
    before = conflict(session, 0, "phone")
    assert before["why"] == "votes, until the next resolve asks the language model"
    assert not server.played.seen
    resolve(project)
    asked = len(server.played.seen)
    session.load()
    after = conflict(session, 0, "phone")
    assert after["scored"]
    assert after["why"].startswith("language model")
    assert len(server.played.seen) == asked
