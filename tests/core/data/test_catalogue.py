"""Every entry says what, whose, from where and how large; what it says is true of the files that are here."""

import hashlib
import re
import shutil
import tomllib
from importlib.resources import files

import numpy as np
import pytest

from core.data import catalogue, content_digest, find, lookup
from core.errors import UserError
from core.plugins import domains
from core.registry import resolve

ENTRIES = catalogue()
each_entry = pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: f"{e.domain}/{e.name}")
SHA256 = re.compile(r"[0-9a-f]{64}")
KEYS = {"title", "licence", "source", "citation", "converter", "counts", "files", "raw"}


def test_every_entry_of_every_file_is_listed_once():
    listed = [(e.domain, e.name) for e in ENTRIES]
    assert len(set(listed)) == len(listed)
    stored = []
    for domain in domains().values():
        text = (files(domain.catalogue) / "catalogue.toml").read_text(encoding="utf-8")
        stored += [(domain.name, name) for name in tomllib.loads(text)]
    assert listed == stored
    assert ("graphs", "cora") in listed


@each_entry
def test_an_entry_is_complete(entry):
    text = (files(domains()[entry.domain].catalogue) / "catalogue.toml").read_text(encoding="utf-8")
    assert KEYS <= set(tomllib.loads(text)[entry.name]) <= KEYS | {"facts"}
    assert min(len(entry.title), len(entry.licence)) > 2
    assert entry.source.startswith("https://")
    assert re.search(r"\b(19|20)\d\d\b", entry.citation)
    assert callable(resolve(entry.converter))
    assert all(count > 0 for count in entry.counts.values())
    names = [file.name for file in (*entry.files, *entry.raw)]
    assert len(set(names)) == len(names)
    assert not any("/" in name or name.startswith(".") for name in names)
    for file in entry.files:
        assert file.bytes > 0
        assert SHA256.fullmatch(file.sha256)
        assert SHA256.fullmatch(file.content)
        assert "data" in file.varies or not file.varies, "only what an encoder wrote may vary"
    for raw in entry.raw:
        assert raw.url.startswith("https://")
        packed_on_request = re.fullmatch(r"https://codeload\.github\.com/.*/tar\.gz/[0-9a-f]{40}", raw.url)
        if packed_on_request:
            assert (raw.bytes, raw.sha256) == (0, "")
            continue
        assert raw.bytes > 0
        assert SHA256.fullmatch(raw.sha256)
        pinned = r"/[0-9a-f]{40}/|registry\.npmjs\.org/.*-\d+\.\d+\.\d+\.tgz$"
        assert re.search(pinned, raw.url), "the address must name a commit or version: a branch changes under us"
    assert entry.files
    assert entry.raw
    assert entry.bytes == sum(file.bytes for file in entry.files)


@pytest.mark.data
@each_entry
def test_an_entry_agrees_with_the_files_that_are_here(data_folder, entry):
    folder = data_folder / entry.domain / entry.name
    found = [file for file in (*entry.files, *entry.raw) if (folder / file.name).is_file()]
    assert set(entry.files) <= set(found), f"{folder} lacks prepared files"
    for file in found:
        content = (folder / file.name).read_bytes()
        assert len(content) == file.bytes
        assert hashlib.sha256(content).hexdigest() == file.sha256
    for file in entry.files:
        assert content_digest(folder / file.name, skip=file.varies) == file.content


@pytest.mark.data
def test_converters_make_the_prepared_arrays_from_the_raw_files(data_folder, tmp_path):
    here = [
        entry
        for entry in ENTRIES
        if all((data_folder / entry.domain / entry.name / r.name).is_file() for r in entry.raw)
    ]
    if not here:
        pytest.skip("no data set in COUNTERPOINT_DATA has its raw files beside it")
    for entry in here:
        folder, copy = data_folder / entry.domain / entry.name, tmp_path / entry.name
        copy.mkdir()
        for raw in entry.raw:
            shutil.copyfile(folder / raw.name, copy / raw.name)
        for file in entry.files:
            resolve(entry.converter)(copy, copy / file.name)
            if not file.name.endswith(".npz"):
                assert content_digest(copy / file.name) == file.content
                continue
            with np.load(copy / file.name) as made, np.load(folder / file.name) as published:
                assert sorted(made) == sorted(published)
                for name in published:
                    assert made[name].dtype == published[name].dtype
                    np.testing.assert_array_equal(made[name], published[name], strict=True)


def test_names_are_found_in_any_case_with_or_without_domain():
    mutag = lookup("graphs", "mutag")
    assert mutag is not None
    assert find("mutag") is find("MUTAG") is find("graphs/MUTAG") is find("graphs/Mutag") is mutag
    assert lookup("graphs", "cora") is find("graphs/cora")
    assert lookup("graphs", "corra") is None
    assert lookup("vision", "cora") is None


@pytest.mark.parametrize(
    ("name", "near"),
    [("corra", "cora"), ("imdb binary", "IMDB-BINARY"), ("graphs/amazonphoto", "graphs/amazon-photo")],
)
def test_a_name_that_is_not_known_brings_near_ones(name, near):
    with pytest.raises(
        UserError, match=f"unknown data set '{name}'; did you mean '{near}'.* known: .*amazon-computers"
    ):
        find(name)
