"""Freed memory is kept inside the block and given back after it."""

import resource
import sys
from pathlib import Path

import pytest
import torch

from core.training.memory import reused_memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
MEGABYTES = 24


def _faults(steps: int = 20) -> int:
    """Pages that the system had to map while blocks were allocated, filled and freed."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(steps):
        blocks = [torch.ones(MEGABYTES << 18) for _ in range(2)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def test_steps_inside_map_no_pages_again() -> None:
    with reused_memory():
        _faults(2)  # maps them once
        inside = _faults()
    pages = MEGABYTES * 2 * (1 << 20) // resource.getpagesize()
    assert inside < 4 * pages  # of the 20 times as many without; other blocks may come to lie between once or twice


def test_memory_is_given_back() -> None:
    before = _resident()
    with reused_memory():
        held = torch.ones(256 << 18)
        del held
        assert _resident() - before > 200 << 20
    assert _resident() - before < 50 << 20
