"""Many images in one array: order, blocks moved over gaps, the temporary file, and no room for it."""

import gc
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import OperationError, UserError
from domains.vision.data import assemble as module
from domains.vision.data.assemble import assemble
from domains.vision.data.decode import BrokenImageError


def pixels(count, side=4):
    return [np.full((side, side, 3), row % 256, dtype=np.uint8) for row in range(count)]


def names(sources):
    return [f"image {row}" for row in range(len(sources))]


def test_order_is_kept_over_many_chunks():
    sources = pixels(1000)
    done = assemble(sources, names(sources), what="set")
    assert done.images.shape == (1000, 3, 4, 4)
    assert done.images.is_contiguous()
    assert torch.equal(done.images[:, 2, 3, 1].long(), torch.arange(1000) % 256)
    assert torch.equal(done.kept, torch.arange(1000))


@pytest.fixture
def in_file(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "IN_MEMORY", 1000)
    monkeypatch.setattr(module, "_BLOCK", 16)
    monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path))
    return tmp_path


def mapped(path):
    """Bytes of this process mapped from files below a folder."""
    lines = [line.split() for line in Path("/proc/self/maps").read_text().splitlines() if str(path) in line]
    return sum(int(end, 16) - int(start, 16) for start, end in (line[0].split("-") for line in lines))


@pytest.mark.parametrize("missing", [[], [0, 5, 99], list(range(40))])
def test_large_sets_live_in_a_temporary_file(in_file, missing, monkeypatch):
    sources = pixels(100)
    for row in missing:
        sources[row] = b"nonsense"
    done = assemble(sources, names(sources), what="set", skip_broken=True)
    rows = [row for row in range(100) if row not in missing]
    assert done.images[:, 0, 0, 0].tolist() == rows
    assert done.kept.tolist() == rows
    assert os.listdir(in_file) == []  # it has no name, so nothing can be left behind
    if Path("/proc/self/maps").exists():
        assert mapped(in_file) >= len(rows) * 48
        done.images.add_(0)  # writable
        del done
        gc.collect()
        assert mapped(in_file) == 0


def test_damage_that_shows_late_is_taken_out_in_place(in_file, monkeypatch):
    sources = pixels(100)
    decode = module.decode

    def fails(source, *, name, size):
        if int(name.split()[1]) % 7 == 3:
            raise BrokenImageError(f"{name} is torn")
        return decode(source, name=name, size=size)

    monkeypatch.setattr(module, "decode", fails)
    done = assemble(sources, names(sources), what="set", skip_broken=True)
    rows = [row for row in range(100) if row % 7 != 3]
    assert done.images[:, 1, 2, 3].tolist() == rows
    assert done.kept.tolist() == rows
    with pytest.raises(BrokenImageError, match=r"set: 14 of 100 .*image 3 is torn; image 10 is torn; .*and 11 more"):
        assemble(sources, names(sources), what="set")


def test_no_room_for_the_file_is_said_before_it_is_made(in_file, monkeypatch):
    usage = type("Usage", (), {"free": 100})
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(OperationError, match=f"100 images of 4 x 4 pixels need 4800 bytes in {in_file}.*TMPDIR"):
        assemble(pixels(100), names(pixels(100)), what="set")


def test_errors_that_are_no_broken_image_pass_through(monkeypatch):
    def stops(source, *, name, size):
        raise KeyError("a mistake of ours")

    monkeypatch.setattr(module, "decode", stops)
    with pytest.raises(KeyError):
        assemble(pixels(100), names(pixels(100)), what="set", skip_broken=True)


def test_bad_calls():
    with pytest.raises(UserError, match="size must be >= 1"):
        assemble(pixels(1), ["a"], size=0, what="set")
    with pytest.raises(UserError, match="set has no images"):
        assemble([], [], what="set")
