"""Peaks belong to the block that caused them; times are those of the clocks."""

import sys
import time
from importlib import import_module

import pytest
import torch

from core.reporting import measure

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the high-water mark resets on Linux only")


def touch(megabytes):
    return float(torch.ones(int(megabytes * 1e6 / 4)).sum())


@linux
def test_peak_is_that_of_the_block():
    with measure() as large:
        touch(120)
    with measure() as small:
        touch(20)
    assert 110 <= large.peak_mb <= 160
    assert 15 <= small.peak_mb <= 60


@linux
def test_what_was_resident_before_is_not_counted():
    kept = torch.ones(int(60e6 / 4))
    with measure() as cost:
        kept.add_(1)
    assert cost.peak_mb < 20


def test_wall_time_runs_while_asleep_and_processor_time_does_not():
    with measure() as cost:
        time.sleep(0.05)
    assert 0.05 <= cost.seconds < 1
    assert cost.cpu_seconds < 0.04


def test_filled_in_when_the_block_raises():
    with pytest.raises(KeyError), measure() as cost:
        raise KeyError("inside")
    assert cost.seconds > 0


@linux
def test_without_leave_to_reset_only_growth_of_the_mark_counts(monkeypatch, tmp_path):
    touch(200)
    monkeypatch.setattr(import_module("core.reporting.measure"), "_RESET", tmp_path / "absent" / "clear_refs")
    with measure() as cost:
        touch(1)
    assert cost.peak_mb < 20
