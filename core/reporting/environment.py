"""Where a number was measured."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.training.artifact import package_versions
from core.training.job import commit

__all__ = ["environment"]


def environment() -> dict[str, Any]:
    """``commit``, ``versions``, ``machine`` and ``date``, as the fields of a result record."""
    return {
        "commit": commit(),
        "versions": package_versions(),
        "machine": {"cpu": _cpu(), "cores": os.cpu_count(), "memory_gb": _memory(), "system": platform.system()},
        "date": datetime.now(UTC).date().isoformat(),
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return None
