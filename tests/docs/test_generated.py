"""Pages that are written from the committed records are the ones that those records give."""

import shutil
from pathlib import Path

import pytest

from core.reporting.pages import insert_summary, write_pages

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    write_pages(ROOT / "benchmarks/results", folder / "results")
    shutil.copy(ROOT / "README.md", folder / "README.md")
    insert_summary(folder / "README.md", ROOT / "benchmarks/results")
    return folder


def texts(folder):
    """Tables and pages; the figures' bytes depend on matplotlib's version, so their names are compared."""
    return {p.relative_to(folder): p.read_text() for p in folder.rglob("*.md*")}


def test_result_pages_are_generated(fresh):
    assert texts(fresh / "results") == texts(ROOT / "docs/results"), "run: make pages"


def test_figures_are_those_of_the_records(fresh):
    named = [
        sorted(p.name for p in (folder / "figures").iterdir()) for folder in (fresh / "results", ROOT / "docs/results")
    ]
    assert named[0] == named[1], "run: make pages"


def test_the_readme_holds_the_generated_table(fresh):
    assert (fresh / "README.md").read_text() == (ROOT / "README.md").read_text(), "run: make pages"


def test_every_generated_table_is_shown_somewhere():
    pages = "".join(p.read_text() for p in (ROOT / "docs").rglob("*.md"))
    for snippet in (ROOT / "docs/results/by-method").iterdir():
        assert f'"results/by-method/{snippet.name}"' in pages
