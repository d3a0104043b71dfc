"""Where data sets live: the folder that the user names, else the platform's cache."""

import sys
from pathlib import Path

import pytest

from core.data import catalogue, data_root, folder_of, is_present
from core.errors import UserError

CACHE = {"darwin": "Library/Caches/counterpoint", "linux": ".cache/counterpoint"}


def test_the_variable_names_the_root(tmp_path, monkeypatch):
    monkeypatch.setenv("COUNTERPOINT_DATA", str(tmp_path / "not there yet"))
    assert data_root() == tmp_path / "not there yet"
    assert not (tmp_path / "not there yet").exists()
    entry = catalogue()[0]
    assert folder_of(entry) == tmp_path / "not there yet" / entry.domain / entry.name


def test_a_home_sign_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COUNTERPOINT_DATA", "~/sets")
    assert data_root() == tmp_path / "sets"


@pytest.mark.parametrize("value", [None, ""])
def test_without_it_the_platform_has_a_cache_folder(tmp_path, monkeypatch, value):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if value is None:
        monkeypatch.delenv("COUNTERPOINT_DATA", raising=False)
    else:
        monkeypatch.setenv("COUNTERPOINT_DATA", value)
    assert data_root() == tmp_path / CACHE[sys.platform]


def test_a_file_is_no_root(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("COUNTERPOINT_DATA", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"COUNTERPOINT_DATA is .*file, which is a file; it must name a folder"):
        data_root()


def test_present_means_every_prepared_file(tmp_path, monkeypatch):
    monkeypatch.setenv("COUNTERPOINT_DATA", str(tmp_path))
    entry = catalogue()[0]
    folder = Path(tmp_path, entry.domain, entry.name)
    assert not is_present(entry)
    folder.mkdir(parents=True)
    (folder / entry.files[0].name).mkdir()
    assert not is_present(entry)
    (folder / entry.files[0].name).rmdir()
    for file in entry.files:
        assert not is_present(entry)
        (folder / file.name).write_bytes(b"")
    assert is_present(entry)
