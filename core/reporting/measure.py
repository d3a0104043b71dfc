"""Time and peak memory of a block of code."""

import ctypes
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Measurement", "measure"]

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")
_LINUX = sys.platform.startswith("linux")


@dataclass
class Measurement:
    """What a block cost; filled in when the block ends, whether it returns or raises.

    Attributes:
        seconds: wall time.
        cpu_seconds: processor time of all threads of this process.
        peak_mb: growth of resident memory at its highest, in units of 1e6 bytes, above where the block began. None
            where the platform does not tell.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mb: float | None = None


@contextmanager
def measure() -> Iterator[Measurement]:
    """Measure the block under ``with``.

    On Linux the kernel's high-water mark is reset first, and memory that earlier code freed but the allocator kept is
    given back, so that blocks in one process do not hide each other. Elsewhere the mark covers the whole life of the
    process, and ``peak_mb`` is only what the block added to it. Children of the process are not counted. Blocks must
    not be nested: the inner one resets the mark of the outer.

    >>> with measure() as cost:
    ...     total = sum(range(1000))
    >>> cost.seconds > 0
    True
    """
    cost = Measurement()
    start = _begin()
    wall, processor = time.perf_counter(), time.process_time()
    try:
        yield cost
    finally:
        cost.seconds = time.perf_counter() - wall
        cost.cpu_seconds = time.process_time() - processor
        peak = _high_water()
        if start is not None and peak is not None:
            cost.peak_mb = max(0.0, peak - start) / 1e6


def _begin() -> float | None:
    """Bytes to count from: what is resident now where the mark can be reset, else the mark itself."""
    if not _LINUX:
        return _high_water()
    _return_freed_memory()
    try:
        _RESET.write_text("5")
    except OSError:  # some containers mount /proc read-only
        return _high_water()
    return _status("VmRSS")


def _return_freed_memory() -> None:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl does not
    if trim is not None:
        trim(0)


def _status(field: str) -> float:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
    return float(line.split()[1]) * 1024


def _high_water() -> float | None:
    if _LINUX:
        return _status("VmHWM")
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
