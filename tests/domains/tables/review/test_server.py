"""Every view and every decision, without a browser."""

import html
import json
import os
import re

import pytest

from domains.tables.project.folder import Project
from domains.tables.project.steps.align import align
from domains.tables.project.steps.cluster import cluster
from domains.tables.review.session import ReviewSession
from tests.domains.tables.review.conftest import OWN, Page

VIEWS = ["/", "/pair/2/9", "/set/0", "/set/3", "/sets", "/conflicts", "/conflicts?column=phone",
         "/conflict/0?column=name", "/conflict/2?column=city", "/rows", "/decisions", "/done"]  # fmt: skip


@pytest.mark.parametrize("address", VIEWS)
def test_view(page, address):
    answer = page.get(address)
    assert answer.status_code == 200
    assert "Undefined" not in answer.text
    # nothing from elsewhere, and nothing that the content policy would refuse
    assert not re.search(r'(src|href)="(https?:)?//', answer.text)
    assert not re.search(r"<script(?![^>]*(src=|application/json))", answer.text)
    assert not re.search(r"\s(style|on[a-z]+)=", answer.text)
    # every control has a name
    for button in re.findall(r"<button[^>]*>(.*?)</button>", answer.text, re.S):
        assert re.sub(r"<kbd>.*?</kbd>|<[^>]+>", "", button).strip()
    for field in re.findall(r"<(?:input|select)[^>]*>", answer.text):
        name = re.search(r'id="([^"]+)"', field)
        assert "aria-label" in field or (name and f'for="{name[1]}"' in answer.text)
    ids = re.findall(r'\sid="([^"]+)"', answer.text)
    assert len(ids) == len(set(ids))
    assert answer.text.count("<h1") == 1


def test_values_are_escaped(page):
    text = page.get("/pair/2/3").text
    assert "<b>" not in text
    assert "&lt;b&gt;" in text
    assert "<b>" not in page.get("/set/3").text
    assert "<b>" not in page.get("/").text


def test_two_rows_side_by_side(page):
    text = page.get("/pair/0/4").text
    assert "Probability <strong>0.97</strong>" in text
    assert "Lib<mark>r</mark>ary" in text
    assert 'aria-label="similarity 1.00"' in text
    assert "in one set" in text


def groups(session):
    found = {}
    for row, name in enumerate(session.labels.tolist()):
        found.setdefault(name, []).append(row)
    return sorted(found.values())


BEFORE = [[0, 4, 7], [1, 5, 8], [2, 6], [3], [9]]


def test_an_undo_of_an_older_page_is_refused(page, session):
    assert page.decide("pair", [0], [4], answer="yes").status_code == 200
    answer = page.post("/api/undo", {"generation": "another"})
    assert (answer.status_code, answer.json()["stale"]) == (409, True)
    assert [one.kind for one in session.active] == ["pair"]


@pytest.mark.parametrize("kind", ["pair", "must_link", "cannot_link", "merge", "split", "lock", "value"])
def test_a_decision_needs_rows(page, session, kind):
    more = {"pair": {"answer": "yes"}, "value": {"column": "name", "value": "x"}}.get(kind, {})
    for groups in ([], [[]]):
        answer = page.decide(kind, *groups, **more)
        assert answer.status_code == 400
        assert "group" in answer.json()["error"]
    assert session.lines == []


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("rule", {"column": "name", "rule": "union:\ud800"}),
        ("rule", {"column": "na\udfffme", "rule": "union"}),
        ("value", {"column": "name", "value": "\ud800"}),
    ],
)
def test_half_a_surrogate_pair_is_no_text(page, session, kind, fields):
    body = {"generation": session.generation, "kind": kind, "groups": [[0, 4]] if kind == "value" else [], **fields}
    answer = page.client.post(
        "/api/decisions", content=json.dumps(body), headers={"origin": OWN, "content-type": "application/json"}
    )
    assert answer.status_code == 422
    assert "surrogate" in answer.json()["error"]
    assert session.lines == []


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b'{"generation": "\xff"}', b'{"groups": [[' + b"9" * 5000 + b"]]}"]
)
@pytest.mark.parametrize("address", ["/api/decisions", "/api/undo", "/api/reload"])
def test_a_body_that_cannot_be_read_is_refused_with_a_sentence(page, session, address, content):
    answer = page.client.post(address, content=content, headers={"origin": OWN, "content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json() == {"error": "the body cannot be read as JSON", "stale": False}
    assert session.lines == []


def test_yes_no_unsure_and_undo(page, session):
    assert groups(session) == BEFORE
    answer = page.decide("pair", [2], [9], answer="yes").json()
    assert groups(session) == [[0, 4, 7], [1, 5, 8], [2, 6, 9], [3]]
    assert answer["answered"] == 1
    assert answer["sets"] == 4
    page.decide("pair", [4], [7], answer="no")
    assert session.labels[4] != session.labels[7]
    page.decide("pair", [2], [3], answer="unsure")
    assert page.undo().json()["undone"]["kind"] == "pair"
    page.undo()
    assert groups(session) == [[0, 4, 7], [1, 5, 8], [2, 6, 9], [3]]
    page.undo()
    assert groups(session) == BEFORE
    assert page.undo().json()["undone"] is None
    assert len(session.lines) == 6  # nothing was removed from the log


def test_answered_pairs_leave_the_queue_and_similar_ones_are_shown(page):
    first = page.get("/queue").headers["location"]
    assert first == "/pair/2/9"
    following = page.decide("pair", [2], [9], answer="no").json()["next"]
    assert following != [2, 9]
    assert page.get("/queue").headers["location"] == f"/pair/{following[0]}/{following[1]}"
    assert "/pair/2/9" in page.get(f"/pair/{following[0]}/{following[1]}").text


def test_merge_split_lock(page, session):
    page.decide("merge", [2, 6], [9])
    assert [2, 6, 9] in groups(session)
    page.decide("split", [2, 9], [6])
    assert [2, 9] in groups(session)
    lock = page.decide("lock", [2, 9]).json()["id"]
    assert "locked" in page.get("/set/2").text
    refused = page.decide("pair", [2], [6], answer="yes")
    assert refused.status_code == 400
    assert "locked; unlock it first" in refused.json()["error"]
    assert page.undo(lock).status_code == 200
    assert page.decide("pair", [2], [6], answer="yes").status_code == 200
    assert [2, 6, 9] in groups(session)


@pytest.mark.parametrize(
    ("kind", "rows", "fields"),
    [
        ("merge", [[0, 4, 7], [3]], {"answer": "unsure"}),
        ("must_link", [[0], [3]], {"answer": "unsure"}),
        ("split", [[0, 4], [7]], {"answer": "unsure"}),
        ("pair", [[0], [3]], {"answer": "yes"}),
    ],
)
def test_a_locked_set_stays_whatever_else_is_sent(page, session, kind, rows, fields):
    page.decide("lock", [0, 4, 7])
    answer = page.decide(kind, *rows, **fields)
    assert (answer.status_code, "locked" in answer.json()["error"]) == (400, True)
    assert len(session.lines) == 1


def test_a_pair_of_a_locked_set_may_stay_unsure(page, session):
    page.decide("lock", [0, 4, 7])
    assert page.decide("pair", [0], [3], answer="unsure").status_code == 200
    assert groups(session) == BEFORE


def test_weakest_cut_is_offered_and_works(page, session):
    text = page.get("/set/0").text
    offered = [json.loads(html.unescape(one)) for one in re.findall(r"data-decide='([^']+)'", text)]
    cut = next(one for one in offered if one["kind"] == "split")
    assert cut["groups"] == [[0, 4], [7]]
    page.decide("split", *cut["groups"])
    assert [0, 4] in groups(session)
    assert [7] in groups(session)


def test_choose_a_value_and_apply_a_rule(page, session):
    assert session.resolution.golden["phone"][1] == "0228 78"
    done = page.decide("value", [1, 5, 8], column="phone", value="0228 77")
    assert done.status_code == 200
    assert session.resolution.golden["phone"][1] == "0228 77"
    assert "settled by a person" in page.get("/conflict/1?column=phone").text
    page.undo()
    assert session.resolution.golden["phone"][1] == "0228 78"
    page.decide("rule", column="name", rule="union")
    assert session.resolution.golden["name"][0].count(";") == 2
    page.undo()
    assert session.resolution.golden["name"][0] == "Town Library Ulm"


def test_a_chosen_value_stays_with_most_of_its_rows(page, session):
    page.decide("value", [1, 5, 8], column="phone", value="0228 77")
    page.decide("split", [1, 5], [8])
    assert session.resolution.golden["phone"][1] == "0228 77"
    page.decide("merge", [1, 5], [3])
    assert session.resolution.golden["phone"][1] == "0228 77"


def test_threshold(page, session, project):
    page.decide("threshold", threshold=0.85)
    assert session.threshold == 0.85
    assert [7] in groups(session)
    assert project.finished("cluster").facts["threshold"] == 0.85
    assert page.undo().status_code == 200
    assert groups(session) == BEFORE


@pytest.mark.parametrize(
    ("kind", "rows", "fields", "status", "message"),
    [
        ("pair", [[0], [99]], {"answer": "yes"}, 400, "no row 99"),
        ("pair", [[0], [-1]], {"answer": "yes"}, 400, "no row -1"),
        ("pair", [[0], [0]], {"answer": "yes"}, 400, "twice"),
        ("pair", [[0], [4]], {}, 400, "needs 'answer'"),
        ("pair", [[0, 4], [7]], {"answer": "yes"}, 400, "two rows"),
        ("merge", [[0, 4], [1, 5, 8]], {}, 409, "changed since"),
        ("split", [[0], [4]], {}, 409, "changed since"),
        ("split", [[0, 4, 7], []], {}, 400, "without rows"),
        ("lock", [[0]], {}, 409, "changed since"),
        ("value", [[1, 5, 8]], {"column": "phone", "value": "999"}, 400, "none of the values"),
        ("value", [[1, 5, 8]], {"column": "fax", "value": "999"}, 400, "no column"),
        ("rule", [], {"column": "name", "rule": "longst"}, 400, "longest"),
        ("rule", [], {"column": "fax", "rule": "longest"}, 400, "no column"),
        ("rule", [], {"column": "name", "rule": "newest:fax"}, 400, "fax"),
        ("threshold", [], {"threshold": 2.0}, 422, "threshold"),
        ("undo", [], {}, 422, "kind"),
        ("megre", [], {}, 422, "kind"),
        ("pair", [["0"], [4]], {"answer": "yes"}, 422, "groups"),
        ("pair", [[0], [4]], {"answer": "yes", "more": 1}, 422, "more"),
    ],
)
def test_what_makes_no_sense_is_refused_and_not_written(page, project, kind, rows, fields, status, message):
    answer = page.decide(kind, *rows, **fields)
    assert answer.status_code == status
    assert message in answer.json()["error"]
    assert not project.decisions.path.exists()


def test_no_such_page(page):
    wrong = {
        "/nowhere": 404, "/pair/0/99": 400, "/pair/0/0": 400, "/set/99": 400, "/pair/x/1": 422,
        "/conflict/0?column=fax": 400, "/conflict/0": 422, "/assets/..%2Fserver.py": 404,
    }  # fmt: skip
    for address, status in wrong.items():
        answer = page.get(address)
        assert answer.status_code == status
        assert "Traceback" not in answer.text
    assert page.get("/api/nowhere").json() == {"error": "there is no such page", "stale": False}


def test_on_disk_before_the_answer(page, project, monkeypatch):
    order = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (real(file), order.append(project.decisions.path.stat().st_size)))
    page.decide("pair", [2], [9], answer="yes")
    assert order[0] > 0
    text = project.decisions.path.read_text("utf-8")
    assert json.loads(text)["user"] == "tester"
    assert json.loads(text)["time"].endswith("+00:00")


def test_a_full_disk_changes_nothing(page, session, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    answer = page.decide("pair", [2], [9], answer="yes")
    assert answer.status_code == 500
    assert "was not saved" in answer.json()["error"]
    assert groups(session) == BEFORE


def test_a_new_session_finds_everything(page, session, project):
    page.decide("merge", [2, 6], [9])
    page.decide("split", [0, 7], [4])
    page.decide("value", [1, 5, 8], column="phone", value="0228 77")
    again = ReviewSession(Project.open(project.path))
    assert again.labels.tolist() == session.labels.tolist()
    assert again.resolution.golden.equals(session.resolution.golden)


def test_clustering_again_keeps_what_was_decided(page, session, project):
    page.decide("merge", [2, 6], [9])
    page.decide("split", [0, 7], [4])
    before = groups(session)
    cluster(project)
    assert groups(ReviewSession(project)) == before


def test_stale(page, project):
    assert page.get("/").status_code == 200
    project.mapping_path.write_text(project.mapping_path.read_text().replace("name: city", "name: town"))
    align(project)
    answer = page.decide("pair", [2], [9], answer="yes")
    assert answer.status_code == 409
    assert answer.json()["stale"]
    assert "another program" in answer.json()["error"]
    shown = page.get("/")
    assert shown.status_code == 409
    assert "Out of date" in shown.text
    refused = page.post("/api/reload", {})  # block and match have to be run first
    assert refused.status_code == 400
    assert "block" in refused.json()["error"]
    assert not project.decisions.path.exists()


def test_stale_and_loaded_again(page, session, project):
    old = session.generation
    cluster(project)  # finds the same: nothing to load again
    assert page.decide("pair", [2], [9], answer="yes").status_code == 200
    cluster(project)
    assert page.decide("pair", [2], [3], answer="no").status_code == 409
    assert page.post("/api/reload", {}).status_code == 200
    body = {"generation": old, "kind": "pair", "groups": [[2], [3]], "answer": "no"}
    assert page.post("/api/decisions", body).status_code == 409
    assert page.decide("pair", [2], [3], answer="no").status_code == 200


def test_decisions_of_another_program_are_taken_in(page, session, project):
    other = ReviewSession(project, "other")
    other.decide("pair", [[2], [9]], answer="yes")
    page.decide("pair", [0], [7], answer="no")
    assert [2, 6, 9] in groups(session)
    assert "other" in page.get("/decisions").text


def test_half_written_line_is_shown(page, project):
    page.decide("pair", [2], [9], answer="yes")
    with project.decisions.path.open("ab") as file:
        file.write(b'{"id":"x","ti')
    text = Page(ReviewSession(project)).get("/").text
    assert "half-written and was ignored" in text


def test_rows_in_parts(page):
    shown = page.get("/api/rows?start=2&count=3").json()
    assert (shown["total"], [row["row"] for row in shown["rows"]]) == (10, [2, 3, 4])
    shown = page.get("/api/rows?text=LIBRARY").json()
    assert [row["row"] for row in shown["rows"]] == [0, 7]
    assert page.get("/api/rows?within_set=4").json()["total"] == 3
    assert page.get("/api/rows?text=(").json()["total"] == 0
    assert page.get("/api/rows?start=-5&count=9999").json()["total"] == 10
    assert page.get("/api/rows?start=x").status_code == 422


def test_state(page):
    assert page.get("/api/state").json()["sets"] == 5


def test_empty_states(page, session):
    assert "No decisions yet" in page.get("/decisions").text
    assert "None yet" in page.get("/pair/2/9").text
    for question in list(session.questions[0]):
        page.decide("pair", [question.left], [question.right], answer="unsure")
    assert page.get("/queue").headers["location"] == "/done"
    assert "every uncertain pair is judged" in page.get("/").text
