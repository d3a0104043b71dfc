"""The site's navigation and its API pages are complete."""

import importlib
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIG = tomllib.loads((ROOT / "zensical.toml").read_text())


def pages(entry):
    if isinstance(entry, str):
        return [entry]
    values = entry.values() if isinstance(entry, dict) else entry
    return [page for value in values for page in pages(value)]


def test_every_page_is_in_the_navigation():
    written = {p.relative_to(ROOT / "docs").as_posix() for p in (ROOT / "docs").rglob("*.md")}
    assert set(pages(CONFIG["project"]["nav"])) == written


@pytest.mark.parametrize(
    ("package", "page"),
    [
        ("core.similarity", "similarity"),
        ("core.losses", "losses"),
        ("core.adversarial", "adversarial"),
        ("core.samplers", "parts"),
        ("core.heads", "parts"),
        ("core.evaluation", "evaluation"),
        ("core.training", "training"),
        ("core.data", "data"),
        ("core.reporting", "data"),
        ("domains.vision.augment", "vision"),
        ("domains.vision.models", "vision"),
    ],
)
def test_every_public_name_has_its_place_in_the_reference(package, page):
    shown = re.findall(r"^::: ([\w.]+)", (ROOT / f"docs/api/{page}.md").read_text(), re.MULTILINE)
    names = {path.rpartition(".")[2] for path in shown if path.startswith(f"{package}.")}
    assert set(importlib.import_module(package).__all__) <= names


@pytest.mark.parametrize("domain", ["graphs", "tables", "vision"])
def test_every_method_has_a_page(domain):
    """A page of its own, or a command on one that it shares."""
    folder = ROOT / "docs" / domain
    written = {p.stem for p in folder.glob("*.md")}
    text = "".join(p.read_text() for p in folder.glob("*.md"))
    for name in importlib.import_module(f"domains.{domain}").METHODS.names():
        assert name.replace("_", "-") in written or f"train {name} " in text


def anchors(page):
    """What a link may name on a page: its headings as the site writes them."""
    headings = re.findall(
        r"^#+ (.*)$", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_links_between_pages_lead_somewhere():
    broken = []
    for page in (ROOT / "docs").rglob("*.md"):
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            path, _, anchor = link.partition("#")
            if "://" in link or path.endswith(".svg"):
                continue
            target = (page.parent / path).resolve() if path else page
            if not target.is_file() or (anchor and anchor not in anchors(target)):
                broken.append(f"{page.relative_to(ROOT)}: {link}")
    assert not broken


def test_pictures_and_styles_come_with_the_site():
    """Links lead elsewhere, nothing that a page loads does."""
    for page in (ROOT / "docs").rglob("*.md"):
        assert not re.search(r'!\[[^\]]*\]\(https?://|src="https?://', page.read_text()), page
    assert CONFIG["project"]["theme"]["font"] is False
