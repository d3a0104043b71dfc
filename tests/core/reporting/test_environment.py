"""Where a number was measured, against what the system itself says."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

from core.reporting import environment
from tests.core.reporting.example import example


def test_facts_are_those_of_this_machine():
    before = datetime.now(UTC).date().isoformat()
    facts = environment()
    assert set(facts) == {"commit", "versions", "machine", "date"}
    assert facts["date"] in (before, datetime.now(UTC).date().isoformat())
    assert facts["versions"]["python"] == platform.python_version()
    assert facts["versions"]["counterpoint"] == version("counterpoint")
    assert torch.__version__ in (facts["versions"]["torch"], facts["versions"]["torch"].partition("+")[0])
    machine = facts["machine"]
    assert machine["cores"] == os.cpu_count()
    assert machine["system"] == platform.system()
    assert machine["cpu"]
    record = example(**facts)
    assert (record.machine, record.commit) == (machine, facts["commit"])


def test_memory_and_processor_as_the_kernel_reports_them():
    machine = environment()["machine"]
    info = Path("/proc/meminfo")
    if info.exists():
        kilobytes = int(info.read_text().split("MemTotal:")[1].split()[0])
        assert abs(machine["memory_gb"] - kilobytes / 2**20) < 0.06
        named = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        assert machine["cpu"] in (named[0] if named else (platform.processor(), platform.machine()))
    else:
        assert machine["memory_gb"] is None or machine["memory_gb"] > 0


def test_the_commit_is_that_of_the_checkout():
    here = Path(__file__).parent
    done = subprocess.run(["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    found = environment()["commit"]
    if done.returncode:
        assert found == ""
    else:
        assert done.stdout.startswith(found.partition("+")[0])
        assert len(found.partition("+")[0]) == 12
