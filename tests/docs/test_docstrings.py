"""What the site makes of our docstrings: without the rewriting it shows doctests and ``> 0`` as quotations."""

import importlib.util
from pathlib import Path

import griffe
import pytest

from core.parts import PACKAGES

ROOT = Path(__file__).parents[2]
SAMPLE = """One line.

Formula::

    L = a

Args:
    first: > 0.
    second: a number > 0.

>>> 1 > 0
True
"""


@pytest.fixture(scope="module")
def extension():
    place = ROOT / "docs/extensions/docstrings.py"
    assert place.relative_to(ROOT).as_posix() in (ROOT / "zensical.toml").read_text()
    spec = importlib.util.spec_from_file_location("docstrings", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.HouseDocstrings()


def rewritten(extension, text):
    thing = griffe.Function("thing", docstring=griffe.Docstring(text))
    extension.on_object(obj=thing)
    return thing.docstring


def test_sections_of_a_docstring(extension):
    sections = rewritten(extension, SAMPLE).parse("google", warnings=False)
    assert [section.kind.value for section in sections] == ["text", "parameters", "examples"]
    assert sections[0].value == "One line.\n\nFormula:\n\n    L = a"
    assert [one.description for one in sections[1].value] == ["\\> 0.", "a number > 0."]
    assert sections[2].value[0][1] == ">>> 1 > 0\nTrue"


def test_without_docstring_or_doctest_nothing_breaks(extension):
    extension.on_object(obj=griffe.Function("thing"))
    assert rewritten(extension, "One line.").value == "One line."


def test_no_docstring_of_a_package_keeps_a_doctest_in_its_text(extension):
    for package in (*PACKAGES.values(), "core.similarity"):
        module = importlib.import_module(package)
        for name in module.__all__:
            text = getattr(module, name).__doc__ or ""
            if ">>> " in text:
                assert "\nExamples:\n" in rewritten(extension, text).value, name
