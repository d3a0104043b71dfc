"""Bars are drawn on a terminal and nowhere else."""

import os
import pty
import subprocess
import sys

import pytest

SCRIPT = """
import time
from core.progress import watched, working
with working("thinking"):
    time.sleep(0.3)
for outer in watched(range(2), "outer", 2):
    for inner in watched(range(2), "inner", 2):
        time.sleep(0.15)
print("done")
"""


def on_a_terminal():
    reading, writing = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        stdout=subprocess.PIPE,
        stderr=writing,
        text=True,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(writing)
    shown = b""
    try:
        while part := os.read(reading, 65536):
            shown += part
    except OSError:  # Linux says so when the other end is closed
        os.close(reading)
    return done, shown.decode()


def test_a_terminal_sees_the_work_also_where_one_bar_runs_inside_another():
    done, shown = on_a_terminal()
    assert done.returncode == 0
    assert done.stdout == "done\n"
    for word in ("thinking", "outer", "inner", "2/2"):
        assert word in shown


def test_a_pipe_gets_nothing():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


@pytest.mark.parametrize("items", [[], ["a"], ["a", "b"]])
def test_the_items_pass_unchanged(items):
    from core.progress import watched

    assert list(watched(iter(items), "items", len(items))) == items
