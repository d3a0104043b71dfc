"""Pages of a large table resolve sets one by one, and show what resolving all of them gives."""

from itertools import chain, pairwise

import numpy as np
import pandas as pd
import pytest

from domains.tables.conflicts.named import RULE_NAMES
from domains.tables.project.folder import Project
from domains.tables.project.steps.align import align
from domains.tables.project.steps.cluster import cluster
from domains.tables.project.steps.init import init
from domains.tables.review import session as sessions
from domains.tables.review.conflict_views import conflict
from domains.tables.review.session import ReviewSession
from domains.tables.review.views import set_page
from tests.domains.tables.project.small_project import give_pairs
from tests.domains.tables.review.conftest import Page

COLUMNS = ["name", "size", "seen"]
# The first two sets tell nothing about the order of day and month, and know one source each; the last one tells it.
SETS = [
    [("a", "Ulm", "1", "01/02/2020"), ("a", "ULM", "2", "03/01/2020"), ("a", "Neu-Ulm", "4", "02/02/2020")],
    [("b", "Bonn", "7", None), ("b", "Bonn am Rhein", "7.0", None)],
    [("a", "Kiel", "3", "05/04/2020"), ("b", "kiel ", "3", "12/25/2019")],
    [("a", "Jena", "5", "12/24/2019"), ("b", "Gera", "6", "soon"), ("c", "Gera", "many", "2021-01-01")],
]
RULES = ["majority", "longest", "newest:seen", "newest:seen:dmy", "source_priority:c>b", "mean", "median", "union"]


def _project(folder, sets, rule="majority"):
    rows = pd.DataFrame(
        [(source, number, *values) for number, one in enumerate(sets) for source, *values in one],
        columns=["source", "set", *COLUMNS],
    ).sort_values(["source", "set"], kind="stable")
    paths = []
    for source, part in rows.groupby("source"):
        paths.append(folder / f"{source}.csv")
        part[COLUMNS].to_csv(paths[-1], index=False)
    project, _ = init(folder / "project", [str(path) for path in paths])
    align(project)
    number = rows["set"].to_numpy()
    chains = (pairwise(np.flatnonzero(number == one).tolist()) for one in np.unique(number))
    give_pairs(project, len(rows), dict.fromkeys(chain.from_iterable(chains), 0.95))
    settings = project.settings_path.read_text("utf-8")
    settings = settings.replace("average_linkage", "components").replace("default: majority", f"default: {rule}")
    project.settings_path.write_text(settings, "utf-8")
    project = Project.open(project.path)
    cluster(project)
    return project


def _shown(session):
    """Every set and every conflict, without what pages of large tables leave out."""
    golden = {name: set_page(session, name)["golden"] for name in np.unique(session.labels).tolist()}
    found = {}
    for name in golden:
        for column in COLUMNS:
            if session.table.frame[column].iloc[session.rows_of(name)].notna().any():
                one = conflict(session, name, column)
                found[name, column] = {key: one[key] for key in one if key not in ("reliability", "next")}
    return golden, found


def test_the_rules_that_are_tried_are_all_that_look_at_one_set():
    assert {rule.partition(":")[0] for rule in RULES} == set(RULE_NAMES) - {"truth", "llm"}


@pytest.mark.parametrize("rule", RULES)
def test_values_are_those_of_the_whole_table(tmp_path, monkeypatch, rule):
    session = ReviewSession(_project(tmp_path, SETS, rule), "me")
    expected = _shown(session)
    monkeypatch.setattr(sessions, "WHOLE", 5)
    session = ReviewSession(session.project, "me")
    assert _shown(session) == expected
    page = Page(session)
    for name in expected[0]:
        assert page.get(f"/set/{name}").status_code == 200
        assert page.get(f"/conflict/{name}?column=name").status_code == 200
    assert "resolution" not in session.__dict__  # the whole was not resolved for a page
    # also a value that a person chose, and a rule that was decided on
    members = session.rows_of(0).tolist()
    assert page.decide("value", members, column="name", value="ULM").status_code == 200
    assert page.decide("rule", column="size", rule="newest:seen").status_code == 200
    large = _shown(session)
    monkeypatch.setattr(sessions, "WHOLE", 20_000)
    assert large == _shown(ReviewSession(session.project, "me"))


def test_the_next_conflict_is_that_of_the_next_set(tmp_path, monkeypatch):
    session = ReviewSession(_project(tmp_path, SETS), "me")
    listed = session.resolution.conflicts
    monkeypatch.setattr(sessions, "WHOLE", 5)
    session = ReviewSession(session.project, "me")
    for column in COLUMNS:
        sets = sorted(listed.loc[listed["attribute"] == column, "entity"].tolist())
        for name in np.unique(session.labels).tolist():
            later = [one for one in sets if one > name]
            if session.table.frame[column].iloc[session.rows_of(name)].notna().any():
                assert conflict(session, name, column)["next"] == ((later[0], column) if later else None)
    assert "resolution" not in session.__dict__
    # what a person has settled is passed over
    first, second, third = sorted(listed.loc[listed["attribute"] == "name", "entity"].tolist())
    assert conflict(session, first, "name")["next"] == (second, "name")
    value = session.table.frame["name"].iloc[second]
    session.decide("value", [session.rows_of(second).tolist()], column="name", value=value)
    assert conflict(session, first, "name")["next"] == (third, "name")


def test_sets_whose_values_differ_in_their_spelling_alone_are_passed_over(tmp_path, monkeypatch):
    spelled = [[("a", f"Town {i}", "1", None), ("b", f"TOWN {i}", "1", None)] for i in range(200)]
    session = ReviewSession(_project(tmp_path, [SETS[0], *spelled, SETS[3]]), "me")
    first, last = session.resolution.conflicts.query("attribute == 'name'")["entity"].tolist()
    monkeypatch.setattr(sessions, "WHOLE", 5)
    session = ReviewSession(session.project, "me")
    assert conflict(session, first, "name")["next"] == (last, "name")
    assert "resolution" not in session.__dict__


def test_a_rule_that_learns_from_other_sets_says_that_it_knew_one(tmp_path, monkeypatch):
    project = _project(tmp_path, SETS, "truth")
    words = "learned from this set alone"
    page = Page(ReviewSession(project, "me"))
    assert words not in page.get("/set/0").text
    assert words not in page.get("/conflict/0?column=name").text
    monkeypatch.setattr(sessions, "WHOLE", 5)
    session = ReviewSession(project, "me")
    page = Page(session)
    assert words in page.get("/set/0").text
    assert words in page.get("/conflict/0?column=name").text
    assert words in page.get("/conflict/0?column=size").text
    page.decide("rule", column="size", rule="mean")
    page.decide("value", session.rows_of(0).tolist(), column="name", value="Neu-Ulm")
    assert words not in page.get("/conflict/0?column=size").text
    assert words not in page.get("/conflict/0?column=name").text  # a person has settled it
    assert words in page.get("/set/0").text  # the column of dates is left
    page.decide("rule", column="seen", rule="longest")
    assert words not in page.get("/set/0").text
