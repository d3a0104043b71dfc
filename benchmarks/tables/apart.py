"""Run a function in a process of its own, with a time limit: it may be slow or take memory without hurting us."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from core.errors import OperationError

__all__ = ["DidNotFinish", "run_apart"]


_HASHES = "PYTHONHASHSEED"


class DidNotFinish(Exception):  # noqa: N818 (it is a result, not an error)
    """The time limit came first."""


def run_apart(function: Callable[..., Any], *arguments: Any, limit: float) -> tuple[Any, float]:
    """Call a function of a module in a fresh process.

    Args:
        function: defined at the top of a module.
        *arguments: that can be pickled.
        limit: seconds after which the process and its children are killed.

    Returns:
        What the function returned, and the processor seconds of the call, all threads and children counted.

    Raises:
        DidNotFinish: the limit came first.
        OperationError: the function raised, which its process prints, or the process died.
    """
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(theirs, function, arguments))
    with _fixed_hashes():
        process.start()
    theirs.close()
    ended = time.monotonic() + limit
    try:
        if not ours.poll(limit):
            raise DidNotFinish
        answer = ours.recv()
    except EOFError:
        raise OperationError(f"the process of {function.__module__} died without an answer, see above") from None
    finally:
        ours.close()
        process.join(max(0.0, min(5.0, ended - time.monotonic())))
        if process.is_alive() and process.pid is not None:
            with suppress(ProcessLookupError):  # it has no group of its own yet
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.join()
    result: tuple[Any, float] = answer
    return result


@contextmanager
def _fixed_hashes() -> Iterator[None]:
    """Processes started meanwhile order sets of text in one way: peers that go through sets draw alike each time."""
    before = os.environ.get(_HASHES)
    os.environ[_HASHES] = "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_HASHES]
        else:
            os.environ[_HASHES] = before


def _work(pipe: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    os.setsid()  # its children die with it
    try:
        before = _processor_seconds()
        found = function(*arguments)
        pipe.send((found, _processor_seconds() - before))
    finally:
        pipe.close()


def _processor_seconds() -> float:
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)
