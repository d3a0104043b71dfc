"""The steps on real matching: the embedded tables from files to the golden table, on the command line."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from core.cli.domain import run_command
from core.cli.main import main
from core.errors import LimitError, UserError
from domains.tables.data.embedded import load as embedded
from domains.tables.data.export import write_table
from domains.tables.matching.likelihood_matcher import LikelihoodMatcher
from domains.tables.project.command_list import PROJECT_COMMANDS
from domains.tables.project.decisions import new_decision
from domains.tables.project.folder import Project
from domains.tables.project.steps.apply import apply
from domains.tables.project.steps.evaluate import evaluate
from domains.tables.project.steps.explain import explain
from domains.tables.project.steps.export import export
from domains.tables.project.steps.init import init
from domains.tables.project.steps.match import match
from domains.tables.project.steps.report import report
from domains.tables.project.stored import load_graph, load_index, load_table

FOLDER = Path(embedded.__file__).parent / "libraries"
INPUTS = [str(FOLDER / name) for name in ("register.csv", "tourism.csv", "map.jsonl", "volunteers.tsv")]
COMMANDS = {command.name: command for command in PROJECT_COMMANDS}


def run(capsys, *words):
    capsys.readouterr()
    run_command("counterpoint tables", COMMANDS[words[0]], list(words[1:]))
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A project after all steps; tests copy it before they change anything."""
    path = tmp_path_factory.mktemp("flow") / "libraries"
    for words in (["init", *INPUTS], ["align"], ["block"], ["match"], ["cluster"], ["resolve"]):
        run_command("counterpoint tables", COMMANDS[words[0]], [str(path), *words[1:]])
    return Project.open(path)


@pytest.fixture
def project(finished, tmp_path):
    shutil.copytree(finished.path, tmp_path / "copy")
    return Project.open(tmp_path / "copy")


@pytest.mark.slow
def test_flow_beats_no_merging_and_says_so(finished, capsys):
    scores = json.loads(run(capsys, "evaluate", str(finished.path), "--truth", str(FOLDER / "truth.csv"), "--json"))
    assert scores["rows"] == scores["of"] == 279
    assert scores["scores"]["pairwise_f1"] > 0.85  # 0 where nothing is merged
    assert "good" in run(capsys, "status", str(finished.path))


@pytest.mark.slow
def test_every_command_has_help_with_an_example_and_json(finished, capsys, tmp_path):
    path = str(finished.path)
    more = {"export": ["--out", str(tmp_path / "out")], "explain": ["register:0", "map:0"],
            "evaluate": ["--truth", str(FOLDER / "truth.csv")], "apply": [INPUTS[0], "--out", str(tmp_path / "n.csv")],
            "report": ["--out", str(tmp_path / "r.html")]}  # fmt: skip
    for name, command in COMMANDS.items():
        text = run(capsys, name, "--help")
        assert command.example in text
        assert "--json" in text
        assert len(text.splitlines()) < 30
        if name not in ("init", "review"):
            assert isinstance(json.loads(run(capsys, name, path, *more.get(name, []), "--json")), dict)
            assert run(capsys, name, path, *more.get(name, [])).strip()


def test_export(finished, tmp_path):
    done = export(finished, tmp_path / "out")
    golden, rows, provenance, conflicts = (
        pd.read_csv(tmp_path / "out" / f"{name}.csv", dtype=str, keep_default_na=False)
        for name in ("golden", "rows", "provenance", "conflicts")
    )
    assert done.rows["rows"] == len(rows) == 279
    assert set(rows["entity"]) == set(golden["entity"])
    assert set(conflicts["entity"]) <= set(golden["entity"])
    # every golden value stands in a row that its provenance names
    table = load_table(finished)
    place = {(s, str(r)): i for i, (s, r) in enumerate(zip(table.source, table.row, strict=True))}
    values = golden.set_index("entity")
    for (entity, column), part in provenance.groupby(["entity", "attribute"], sort=False):
        texts = [table.frame[column].iat[place[one.source, one.row]] for one in part.itertuples()]
        assert values.at[entity, column].removeprefix("'") in [text.removeprefix("'") for text in texts]


def test_export_takes_newer_decisions_in(project, tmp_path):
    index = load_index(project)
    before = export(project, tmp_path / "one", kind="parquet").rows["golden"]
    refs = index.refs([0, 1])
    project.decisions.append(new_decision("pair", [refs[:1], refs[1:]], answer="yes"))
    assert export(project, tmp_path / "two", kind="parquet").rows["golden"] == before - 1
    assert (tmp_path / "two" / "decisions.jsonl").read_bytes() == project.decisions.path.read_bytes()


def test_export_refuses_a_file_as_its_folder(finished, tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(UserError, match="name a folder"):
        export(finished, tmp_path / "x")


def test_matcher_comes_back_and_its_odds_add_up_to_the_probability(finished):
    matcher = LikelihoodMatcher.load(finished.file("match", "matcher.json"))
    table, graph = load_table(finished), load_graph(finished)
    odds = matcher.explain(table)
    for at in range(0, len(graph), 97):
        parts = odds.of(int(graph.left[at]), int(graph.right[at]))
        assert 1 / (1 + 2.718281828459045 ** -sum(parts.values())) == pytest.approx(graph.weight[at], abs=1e-5)


def test_damaged_matcher(project):
    path = project.file("match", "matcher.json")
    path.write_text("{}")
    with pytest.raises(UserError, match="run match again"):
        LikelihoodMatcher.load(path)


def test_answers_are_learned_from(project):
    index = load_index(project)
    refs = index.refs([0, 1])
    project.decisions.append(new_decision("pair", [refs[:1], refs[1:]], answer="no"))
    assert match(project).facts["labels"] == 1


def test_explain(finished):
    found = explain(finished, "register:0", "map:18")
    assert found.together
    assert found.probability > 0.5
    assert found.counter_example is not None
    assert {one.name for one in found.attributes if one.odds is not None}
    wrong = {
        ("register:0", "register:0"): "same row", ("regster:0", "1"): "did you mean 'register'",
        ("register:999", "1"): "has no row 999", ("999", "1"): "no row 999", ("x", "1"): "SOURCE:ROW",
    }  # fmt: skip
    for words, message in wrong.items():
        with pytest.raises(UserError, match=message):
            explain(finished, *words)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "needs the columns source, row"),
        ("source,row,entity\nregister,0,\n", "no value in 'entity'"),
        ("source,row,entity\nregister,999,1\n", "has no row 999"),
        ("source,row,entity\nregister,0,1\nregister,0,2\n", "register:0 twice"),
    ],
)
def test_truth_that_is_wrong(finished, tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        evaluate(finished, tmp_path / "t.csv")


def test_apply_finds_known_things_and_new_ones(finished, tmp_path):
    before = {path: path.read_bytes() for path in (finished.path / "steps").rglob("*") if path.is_file()}
    rows = pd.read_csv(INPUTS[0], dtype=str).head(20)
    fresh = ["Brand New Planetarium", "museum", "Star Road 1", "99999", "Nowhere", "0100 1", "2020"]
    rows.loc[20], rows.loc[21] = fresh, fresh
    rows["unheard"] = "q"
    rows.to_csv(tmp_path / "register.csv", index=False)
    done = apply(finished, tmp_path / "register.csv")
    known = finished.read_frame("resolve", "entities.parquet")["entity"].head(20)
    right = sum(name == f"E{number}" for name, number in zip(done.rows["entity"], known, strict=False))
    assert right >= 19  # copies of rows that the project has
    assert done.rows["entity"].tolist()[20:] == ["new1", "new1"]
    assert done.rows["probability"].iloc[20:].isna().all()
    assert done.ignored == ("unheard",)
    assert all(path.read_bytes() == content for path, content in before.items())


def test_apply_needs_a_column_of_the_union(finished, tmp_path):
    (tmp_path / "x.csv").write_text("qqq,www\n1,\u4e00\n2,\u4e8c\n")
    with pytest.raises(UserError, match="is like one of the union"):
        apply(finished, tmp_path / "x.csv")


@pytest.mark.parametrize(
    "words",
    [
        ["apply", INPUTS[0], "--out", INPUTS[1]],
        ["apply", "{folder}/new.csv", "--out", "{folder}/new.csv"],
        ["apply", INPUTS[0], "--out", "{project}/decisions.jsonl"],
        ["apply", INPUTS[0], "--out", "{raw}"],
        ["export", "--out", "{project}"],
        ["resolve", "--preview", "{project}/project.yaml"],
    ],
)
def test_no_result_replaces_what_is_read(project, tmp_path, words):
    shutil.copy(INPUTS[0], tmp_path / "new.csv")
    (project.path / "decisions.jsonl").touch()
    raw = next(path for path in sorted(project.raw_path.iterdir()) if path.suffix == ".csv")
    before = {path: path.read_bytes() for path in [*tmp_path.rglob("*"), *FOLDER.iterdir()] if path.is_file()}
    name, *rest = (word.format(folder=tmp_path, project=project.path, raw=raw) for word in words)
    with pytest.raises(UserError, match="would be written over"):
        run_command("counterpoint tables", COMMANDS[name], [str(project.path), *rest])
    assert {path: path.read_bytes() for path in [*tmp_path.rglob("*"), *FOLDER.iterdir()] if path.is_file()} == before


def test_a_database_in_a_folder_with_a_space(tmp_path):
    folder = tmp_path / "my data"
    frame = pd.DataFrame({"name": ["Ada", "Bob"], "born": ["1815", "1816"]})
    write_table(frame, f"duckdb:///{folder / 'a b.db'}?table=the people")
    made, record = init(folder / "project", [f"duckdb:///{folder / 'a b.db'}?table=the people"])
    assert record.facts["sources"][0]["rows"] == 2
    assert init(made.path, [])[1].facts["sources"][0]["rows"] == 2


def test_report_needs_nothing_else(finished, tmp_path):
    report(finished, tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text("utf-8")
    assert "279 rows of 4 sources" in text
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "<script" not in text
    assert "src=" not in text
    with pytest.raises(UserError, match="must end in"):
        report(finished, tmp_path / "r.pdf")


@pytest.mark.parametrize("limit", [("most_pairs: 50000000", "most_pairs: 100"), ("most_mib: 0", "most_mib: 1")])
def test_block_stops_on_its_limit(project, capsys, limit):
    wide = load_table(project)
    assert 2_790 * (20 + 8 * len(wide.columns)) < 2**20  # a limit of 1 MiB needs more pairs
    text = project.settings_path.read_text().replace(*limit).replace("neighbours: 10", "neighbours: 100")
    project.settings_path.write_text(text)
    with pytest.raises(LimitError, match=f"stopped on limit: at most 27,901 pairs of 279 rows.*block.{limit[0][:8]}"):
        run(capsys, "block", str(project.path))
    assert main(["tables", "block", str(project.path)]) == 3
    assert "stopped on limit" in capsys.readouterr().err
    assert "pairs of 279 rows" in run(capsys, "block", str(project.path), "--yes")


def test_evaluate_tells_projects_from_models(finished, capsys):
    with pytest.raises(UserError, match="give the known entities with --truth"):
        run(capsys, "evaluate", str(finished.path))
    with pytest.raises(UserError, match="leave out"):
        run(capsys, "evaluate", str(finished.path), "--truth", "x.csv", "--seed", "1")


def test_the_same_inputs_give_the_same_results(finished, tmp_path):
    path = tmp_path / "again"
    for words in (["init", *INPUTS], ["align"], ["block"], ["match"], ["cluster"], ["resolve"]):
        run_command("counterpoint tables", COMMANDS[words[0]], [str(path), *words[1:]])
    again = Project.open(path)
    for step in ("align", "block", "match", "cluster", "resolve"):
        assert again.finished(step).outputs == finished.finished(step).outputs
