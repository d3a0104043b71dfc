"""Results are whole or not there; what they were made from says when they are stale."""

import json
import os

import pytest

from core.errors import UserError
from domains.tables.project.decisions import new_decision
from domains.tables.project.folder import Project
from domains.tables.project.freshness import require, states
from domains.tables.project.results import fingerprint, hash_file, read_record, write_result
from domains.tables.project.steps.align import align
from domains.tables.project.steps.cluster import cluster
from domains.tables.project.steps.init import init
from domains.tables.project.steps.resolve import resolve
from domains.tables.project.stored import load_index
from tests.domains.tables.project.small_project import PAIRS, give_pairs, make_inputs, small_project


def test_record(tmp_path):
    with write_result(tmp_path / "x", "x", {"a": "1"}, 3, 0.0) as (folder, facts):
        (folder / "data.txt").write_text("hello")
        facts["rows"] = 5
    record = read_record(tmp_path / "x")
    assert (record.step, record.made_from, record.decisions, record.facts) == ("x", {"a": "1"}, 3, {"rows": 5})
    assert record.outputs == {"data.txt": hash_file(tmp_path / "x" / "data.txt")}
    assert read_record(tmp_path / "y") is None


def test_a_failure_leaves_the_old_result(tmp_path):
    with write_result(tmp_path / "x", "x", {}, 0, 0.0) as (folder, _):
        (folder / "data.txt").write_text("old")
    with pytest.raises(KeyboardInterrupt), write_result(tmp_path / "x", "x", {}, 0, 0.0) as (folder, _):
        (folder / "data.txt").write_text("new")
        raise KeyboardInterrupt
    assert (tmp_path / "x" / "data.txt").read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x"]


def test_damaged_record(tmp_path):
    (tmp_path / "step.json").write_text('{"step": "x"')
    with pytest.raises(UserError, match="damaged"):
        read_record(tmp_path)


def test_fingerprint_tells_apart():
    assert fingerprint(["a", "b"]) != fingerprint(["ab"])
    assert fingerprint("\ud800")


def state(project):
    return {one.step: one.state for one in states(project)}


@pytest.fixture
def project(tmp_path):
    return small_project(tmp_path)


def test_all_good_then_each_change_is_seen(project, tmp_path):
    resolve(project)
    assert set(state(project).values()) == {"good"}

    settings = project.settings_path.read_text()
    project.settings_path.write_text(settings.replace("threshold: -1.0", "threshold: 0.6"))
    assert [s for s, what in state(project).items() if what == "stale"] == ["cluster", "resolve"]
    project.settings_path.write_text(settings.replace("default: majority", "default: longest"))
    assert [s for s, what in state(project).items() if what == "stale"] == ["resolve"]
    project.settings_path.write_text(settings.replace("seed: 0", "seed: 1"))
    assert [s for s, what in state(project).items() if what == "stale"] == ["block", "match", "cluster", "resolve"]
    project.settings_path.write_text(settings)
    assert set(state(project).values()) == {"good"}

    mapping = project.mapping_path.read_text()
    project.mapping_path.write_text(mapping.replace("name: city", "name: town"))
    assert [s for s, what in state(project).items() if what == "stale"] == [
        "align",
        "block",
        "match",
        "cluster",
        "resolve",
    ]
    project.mapping_path.write_text(mapping)
    assert set(state(project).values()) == {"good"}


def test_changed_input_is_said_and_spoils_nothing_that_was_read(project, tmp_path):
    path = tmp_path / "inputs" / "a.csv"
    path.write_text(path.read_text() + "More,Ulm,1\n")
    found = {one.step: one for one in states(project)}
    assert found["init"].state == "stale"
    assert found["init"].reasons == ("the input a changed",)
    assert found["cluster"].state == "good"
    path.unlink()
    assert state(project)["init"] == "good"  # the project has what it needs


def test_touched_input_is_not_changed(project, tmp_path):
    os.utime(tmp_path / "inputs" / "a.csv", (1, 1))
    assert state(project)["init"] == "good"


def test_the_same_result_made_again_keeps_later_steps_good(project):
    align(project)
    cluster(project)
    assert state(project)["cluster"] == "good"


def test_decisions_are_newer_not_stale(project):
    resolve(project)
    refs = load_index(project).refs([2, 9])
    project.decisions.append(new_decision("pair", [refs[:1], refs[1:]], answer="yes"))
    found = {one.step: one for one in states(project)}
    assert found["cluster"].state == "good"
    assert [found[s].newer_decisions for s in ("align", "match", "cluster", "resolve")] == [0, 1, 1, 1]
    resolve(project)
    assert {one.step: one.newer_decisions for one in states(project)}["resolve"] == 0


def test_a_step_on_stale_results_is_refused(project):
    project.mapping_path.write_text(project.mapping_path.read_text().replace("name: city", "name: town"))
    with pytest.raises(UserError, match="cluster needs align, which is stale: mapping"):
        require(project, "cluster")
    align(project)
    with pytest.raises(UserError, match="needs block, which is stale: align was run again"):
        require(project, "cluster")


def test_inputs_are_kept_byte_for_byte(project, tmp_path):
    kept = project.finished("init").facts["inputs"]
    for one in kept.values():
        copy = project.path / one["kept"]
        with open(one["path"], "rb") as original:
            assert copy.read_bytes() == original.read()
        assert hash_file(copy) == one["sha256"]
        assert not copy.stat().st_mode & 0o222


def test_ids_stay_when_a_row_is_put_in(project, tmp_path):
    resolve(project)
    before = dict(
        zip(
            project.read_frame("align", "rows.parquet")["digest"],
            project.read_frame("resolve", "entities.parquet")["entity"],
            strict=True,
        )
    )
    path = tmp_path / "inputs" / "a.csv"
    first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([first, "New Place,Jena,99", *rest]) + "\n")
    init(project.path)
    align(project)
    give_pairs(project, 11, {(a + 1, b + 1): p for (a, b), p in ((sorted(k), p) for k, p in PAIRS.items())})
    cluster(project)
    resolve(project)
    after = dict(
        zip(
            project.read_frame("align", "rows.parquet")["digest"],
            project.read_frame("resolve", "entities.parquet")["entity"],
            strict=True,
        )
    )
    assert {d: e for d, e in after.items() if d in before} == before
    assert max(after.values()) == max(before.values()) + 1


def test_init(tmp_path):
    inputs = make_inputs(tmp_path / "in")
    with pytest.raises(UserError, match="needs inputs"):
        init(tmp_path / "p")
    with pytest.raises(UserError, match="did you mean"):
        init(tmp_path / "p", [inputs[0].replace("a.csv", "aa.csv")])
    assert not (tmp_path / "p" / "project.yaml").exists()
    project, record = init(tmp_path / "p", inputs, seed=4, name="Läden")
    assert project.settings.seed == 4
    assert project.settings.name == "Läden"
    assert [one["rows"] for one in record.facts["sources"]] == [4, 3, 3]
    with pytest.raises(UserError, match="is a project already"):
        init(tmp_path / "p", inputs)
    with pytest.raises(UserError, match="seed must be 0 to 4294967295, got -1"):
        init(tmp_path / "q", inputs, seed=-1)
    assert not (tmp_path / "q").exists()
    (tmp_path / "in" / "b.csv").unlink()
    with pytest.raises(UserError, match="'b' is not there any more"):
        init(tmp_path / "p")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        init(tmp_path / "file", [inputs[0]])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed: 0", "sede: 0", "did you mean 'seed'"),
        ("seed: 0", "seed: zero", "seed must be a whole number"),
        ("seed: 0", "seed: true", "seed must be a whole number"),
        ("seed: 0", "seed: -1", "seed must be 0 to 4294967295, got -1"),
        ("seed: 0", "seed: 4294967296", "seed must be 0 to 4294967295"),
        ("default: majority", "default: majorty", "resolve.default: unknown rule 'majorty'; did you mean 'majority'"),
        ("rules: {}", "rules: {city: newst:x}", "did you mean 'newest'"),
        ("method: average_linkage", "method: averge_linkage", "did you mean 'average_linkage'"),
        ("threshold: -1.0", "threshold: 1.5", "threshold"),
        ("one_per_source: false", "one_per_source: 'no'", "true or false"),
        ("rules: {}", "rules: {name: 3}", "rules must be"),
        ("version: 1", "version: 9", "another release"),
        ("name: b", "name: a", "two sources are called 'a'"),
        ("cluster:", "cluster: [", "not YAML"),
        ("max_size: 0", "max_size: -1", "max_size"),
        ("threshold: -1.0", "threshold: -0.5", r"threshold must be in \[0, 1\], or -1"),
        ("threshold: -1.0", "threshold: .nan", "threshold"),
        ("threshold: -1.0", f"threshold: {10**400}", "threshold"),
        ("seed: 0", "seed: 2020-13-45", "not YAML .month must be in 1..12"),
        ("seed: 0", f"seed: {'9' * 5000}", "not YAML .Exceeds the limit"),
    ],
)
def test_settings_that_are_wrong(project, old, new, message):
    text = project.settings_path.read_text()
    assert old in text
    project.settings_path.write_text(text.replace(old, new, 1))
    with pytest.raises(UserError, match=message) as caught:
        _ = project.settings
    assert str(project.settings_path) in str(caught.value)


def test_the_greatest_threshold(project):
    text = project.settings_path.read_text()
    project.settings_path.write_text(text.replace("threshold: -1.0", "threshold: 1"))
    assert project.settings.cluster.threshold == 1


def test_no_project(tmp_path):
    with pytest.raises(UserError, match="is no project"):
        Project.open(tmp_path)


def test_log_is_only_added_to(project):
    lines = [json.loads(line) for line in (project.path / "log.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["init", "align", "cluster"]
    before = (project.path / "log.jsonl").read_bytes()
    cluster(project)
    assert (project.path / "log.jsonl").read_bytes().startswith(before)
