"""Generated pages: the same records give the same bytes, and every number comes from a record."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.errors import UserError
from core.reporting import Published, write_records
from core.reporting.pages import insert_summary, method_table, render_page, summary_table, write_pages
from tests.core.reporting.example import example

RESULTS = Path(__file__).parents[3] / "benchmarks" / "results"


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    """The committed records, copied: a study that runs meanwhile may add some."""
    folder = tmp_path_factory.mktemp("results")
    for path in sorted(RESULTS.glob("*/*.json")):
        (folder / path.parent.name).mkdir(exist_ok=True)
        shutil.copyfile(path, folder / path.parent.name / path.name)
    return folder


@pytest.fixture(scope="module")
def docs(committed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs")
    pages = write_pages(committed, folder)
    assert pages == [folder / f"{study.name}.md" for study in sorted(committed.iterdir())]
    return folder


def test_a_second_time_gives_the_same_bytes(committed, docs, tmp_path):
    write_pages(committed, tmp_path)
    assert contents(tmp_path) == contents(docs)
    before = {name: (docs / name).read_bytes() for name in contents(docs)}
    write_pages(committed, docs)
    assert contents(docs) == before


@pytest.mark.slow
def test_another_process_gives_the_same_bytes(tmp_path):
    records = [example(system=name) for name in ("a", "b", "c")]
    write_records(records, tmp_path / "results" / "graphs" / "cpu-cora.json")
    write_pages(tmp_path / "results", tmp_path / "here")
    script = "import sys; from core.reporting.pages import write_pages; write_pages(*sys.argv[1:])"
    words = [sys.executable, "-c", script, str(tmp_path / "results"), str(tmp_path / "there")]
    subprocess.run(words, check=True, env={**os.environ, "PYTHONHASHSEED": "7"}, capture_output=True)
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    assert len(contents(tmp_path / "there")) >= 2


def test_every_committed_score_stands_on_the_page_of_its_study(committed, docs):
    shown = 0
    for path in committed.rglob("*.json"):
        page = (docs / f"{path.parent.name}.md").read_text(encoding="utf-8")
        lines = page.replace("**", "").splitlines()
        for row in json.loads(path.read_text(encoding="utf-8")):
            if not row["metric"].endswith("%") or None in row["values"]:  # what did not finish has no score
                continue
            mean, alone = np.mean(row["values"]), len(row["values"]) == 1
            std = 0.0 if alone else np.std(row["values"], ddof=1)
            # two decimals, three where two would show next to nothing
            scores = [f"| {mean:.{digits}f}{'' if alone else f' ± {std:.{digits}f}'} |" for digits in (2, 3)]
            own = [line for line in lines if line.startswith(f"| {row['system']} |")]
            assert any(score in line for line in own for score in scores), row
            shown += 1
    assert shown > 0


def test_every_picture_that_a_page_shows_is_there_and_none_is_left_over(docs):
    linked = set()
    for page in docs.glob("*.md"):
        linked |= set(re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8")))
    assert linked
    assert linked == {str(p.relative_to(docs)) for p in docs.rglob("*.svg")}
    for name in linked:
        assert (docs / name).read_text(encoding="utf-8").startswith("<svg")


def test_a_page_says_how_to_repeat_it_and_where_it_ran():
    records = [
        example(),
        example(system="base", role="baseline", commit="fedcba987654"),
        example(profile="quick", dataset="digits"),
    ]
    page = render_page("graphs", records)
    assert page.startswith("# Results: graphs\n")
    head, cpu, quick = page.split("\n## Profile ")
    assert "no number here is typed" in head
    assert cpu.startswith("cpu\n")
    assert "`counterpoint bench graphs --profile cpu`" in cpu
    assert "`0123456789ab`, `fedcba987654`" in cpu
    assert "a processor, 2 cores" in cpu
    assert "torch 2.13.0" in cpu
    assert "### cora (public split)" in cpu
    assert "| base | baseline | 84.00 ± 1.00 |" in cpu.replace("**", "")
    assert "figures/graphs-cpu-cora.svg" in cpu
    assert "fedcba987654" not in quick
    assert "### digits (public split)" in quick
    assert "figures/graphs-quick-digits.svg" in quick


def test_tables_follow_the_names_of_the_files(tmp_path):
    names = [f"set-{letter}" for letter in "abcdefghij"]
    for name in names:
        write_records([example(dataset=name)], tmp_path / "results" / "graphs" / f"cpu-{name}.json")
    (page,) = write_pages(tmp_path / "results", tmp_path / "docs")
    assert re.findall(r"^### (\S+)", page.read_text(encoding="utf-8"), flags=re.MULTILINE) == names


def test_a_changed_record_changes_its_page_and_a_bad_one_is_named(tmp_path):
    results, docs = tmp_path / "results", tmp_path / "docs"
    write_records([example()], results / "graphs" / "cpu-cora.json")
    write_records([example(metric="ms", domain="losses", published=None)], results / "losses" / "cpu.json")
    write_pages(results, docs)
    before = contents(docs)
    assert {"graphs.md", "losses.md", "figures/graphs-cpu-cora.svg"} <= set(before)
    assert not [name for name in before if name.startswith("figures/losses")]
    write_records([example(mean=77.77)], results / "graphs" / "cpu-cora.json")
    write_pages(results, docs)
    after = contents(docs)
    assert "77.77 ± 1.00" in after["graphs.md"].decode()
    assert "84.00" not in after["graphs.md"].decode()
    assert after["losses.md"] == before["losses.md"]
    assert after["figures/graphs-cpu-cora.svg"] != before["figures/graphs-cpu-cora.svg"]
    (results / "graphs" / "cpu-cora.json").write_text("[")
    with pytest.raises(UserError, match=r"cpu-cora\.json is not valid JSON"):
        write_pages(results, docs)
    assert contents(docs) == after


def rows_of(table):
    head, rule, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    assert set(rule) <= {"---", "---:"}
    return [dict(zip(head, row, strict=True)) for row in rows]


@pytest.fixture
def scores():
    """Two data sets, two methods, controls on the first only, a metric and an ablation that play no part."""
    return [
        example(system="raw", method="smoothed", role="baseline", mean=70.0, published=None, verdict=None),
        example(system="SGC", method="smoothed", role="baseline", mean=80.0, published=None, verdict=None),
        example(system="start", role="untrained", mean=75.0, published=None, verdict=None),
        example(mean=84.0),
        example(mean=99.0, metric="kNN accuracy %", published=None, verdict=None),
        example(system="cut", role="ablation", mean=98.0, published=None, verdict=None),
        example(
            system="GRACE", method="grace", mean=82.0, published=Published(83.0, "p", False, "w"), verdict="not seen"
        ),
        example(dataset="photo", system="GRACE", method="grace", mean=92.0, published=None, verdict=None),
    ]


def test_the_table_of_a_method_sets_its_score_beside_the_best_controls(scores):
    assert rows_of(method_table("graphmae", scores)) == [
        {
            **{"data set": "cora", "profile": "cpu", "system": "GraphMAE", "accuracy %": "84.00 ± 1.00"},
            **{"untrained": "75.00 ± 1.00", "best baseline": "80.00 ± 1.00 (SGC)", "published": "84.2"},
            **{"verdict": "seen", "seeds": "3"},
        }
    ]
    cora, photo = rows_of(method_table("grace", scores))
    assert (cora["accuracy %"], cora["published"], cora["verdict"]) == (
        "82.00 ± 1.00",
        "83 (not comparable)",
        "not seen",
    )
    assert (photo["data set"], photo["untrained"], photo["best baseline"], photo["published"]) == ("photo", "", "", "")
    assert rows_of(method_table("smoothed", scores)) == []


def test_the_summary_has_the_best_method_of_each_data_set(scores):
    for records in (scores, scores[::-1]):
        rows = {row["data set"]: row["system"] for row in rows_of(summary_table(records))}
        assert rows == {"cora": "GraphMAE", "photo": "GRACE"}


def test_a_bar_in_a_name_breaks_no_row_of_these_tables():
    line = method_table("graphmae", [example(system="p(a|b)")]).splitlines()[-1]
    assert re.sub(r"\\\|", "", line).count("|") == 10


def test_the_summary_is_put_between_the_markers_of_a_page(scores, tmp_path):
    write_records([*scores, example(profile="quick", dataset="digits")], tmp_path / "results" / "graphs" / "a.json")
    page = tmp_path / "index.md"
    page.write_text("before\n<!-- results of the study -->\nold\n<!-- end of results -->\nafter\n", encoding="utf-8")
    insert_summary(page, tmp_path / "results")
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- results of the study -->\n")
    assert text.endswith("\n<!-- end of results -->\nafter\n")
    assert "old" not in text
    table = "\n".join(line for line in text.splitlines() if line.startswith("|"))
    assert [row["data set"] for row in rows_of(table)] == ["cora", "photo"]
    insert_summary(page, tmp_path / "results")
    assert page.read_text(encoding="utf-8") == text
    page.write_text("no place for results", encoding="utf-8")
    with pytest.raises(UserError, match=r"index\.md lacks the lines <!-- results"):
        insert_summary(page, tmp_path / "results")
    assert page.read_text(encoding="utf-8") == "no place for results"
