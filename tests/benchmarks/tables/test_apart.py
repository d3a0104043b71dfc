"""A function in a process of its own: its answer, its failure, its end."""

import os
import time

import pytest

from benchmarks.tables.apart import DidNotFinish, run_apart
from core.errors import OperationError


def work(value):
    return value * 2, os.getpid()


def hashes():
    return hash("one text"), os.environ["PYTHONHASHSEED"]


def fail():
    raise ValueError("nothing here")


def die():
    os._exit(3)


def sleep(path):
    path.write_text(str(os.getpid()))
    time.sleep(60)


@pytest.mark.slow
def test_the_answer_comes_from_another_process():
    (value, process), seconds = run_apart(work, 21, limit=60)
    assert value == 42
    assert process != os.getpid()
    assert 0 <= seconds < 60


@pytest.mark.slow
def test_text_is_hashed_alike_each_time_and_the_environment_stays(monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    found = [run_apart(hashes, limit=60)[0] for _ in range(2)]
    assert found[0] == found[1]
    assert os.environ["PYTHONHASHSEED"] == "7"


@pytest.mark.slow
def test_a_failure_is_told():
    with pytest.raises(OperationError, match="died without an answer"):
        run_apart(fail, limit=60)
    with pytest.raises(OperationError, match="died without an answer"):
        run_apart(die, limit=60)


@pytest.mark.slow
def test_a_process_that_takes_too_long_is_ended(tmp_path):
    path = tmp_path / "pid"
    with pytest.raises(DidNotFinish):
        run_apart(sleep, path, limit=6)
    pid = int(path.read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
