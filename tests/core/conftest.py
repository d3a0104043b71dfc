"""What the tests of the core share: a place on the import path for packages that somebody else could have installed."""

import importlib
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.data import catalogue

Install = Callable[..., Path]


@pytest.fixture(autouse=True)
def _no_log_to_a_closed_screen() -> Iterator[None]:
    """The command sends its log to the stderr of the moment, which pytest closes after the test."""
    yield
    root = logging.getLogger()
    for handler in [h for h in root.handlers if type(h) is logging.StreamHandler]:
        root.removeHandler(handler)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """A function that leaves on the import path what ``pip install`` of a plug-in leaves there.

    Its arguments are the name of distribution and package, the entry-point group, the entry point as ``name = value``,
    the code, and a catalogue. It returns the folder on the path. What was installed is forgotten after the test.
    """
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    catalogue.cache_clear()

    def write(name: str, group: str, point: str, code: str, listed: str | None = None) -> Path:
        package, info = site / name, site / f"{name}-1.0.dist-info"
        package.mkdir()
        info.mkdir()
        (package / "__init__.py").write_text(code, encoding="utf-8")
        if listed is not None:
            (package / "catalogue.toml").write_text(listed, encoding="utf-8")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[{group}]\n{point}\n", encoding="utf-8")
        importlib.invalidate_caches()
        return site

    yield write
    catalogue.cache_clear()
    for module in [m for m in sys.modules if (site / m.partition(".")[0]).is_dir()]:
        del sys.modules[module]
