"""Real processes in a gloo group: started once for a test run, they execute module-level functions on every rank."""

from __future__ import annotations

import multiprocessing
import pickle
import tempfile
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

PATIENCE = 120
"""Seconds until a pool that does not answer counts as hung."""


class GlooPool:
    """``world`` processes that form one group, until `close`.

    ``run(function, *args)`` calls the function, which must be importable by name, in each process and returns the
    results by rank. An exception in any process is raised here with its traceback.
    """

    def __init__(self, world: int) -> None:
        self.world = world
        self._folder = tempfile.TemporaryDirectory()
        # One server imports torch once (_dynamo is what DDP pulls in) and forks every rank from there: 0.1 s a process
        # instead of 5.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.gloo", "core.losses", "core.distributed", "torch._dynamo", "pytest"])
        self._pipes: list[Connection] = []
        self._processes = []
        for rank in range(world):
            here, there = context.Pipe()
            process = context.Process(target=_serve, args=(rank, world, str(Path(self._folder.name) / "store"), there))
            process.daemon = True
            process.start()
            there.close()
            self._pipes.append(here)
            self._processes.append(process)

    def close(self) -> None:
        """End the processes."""
        for pipe, process in zip(self._pipes, self._processes, strict=True):
            if process.is_alive():
                pipe.send_bytes(b"")
        for process in self._processes:
            process.join(timeout=5)
            if process.is_alive():
                process.kill()
        self._folder.cleanup()

    def run(self, function: Callable[..., Any], *args: Any) -> list[Any]:
        """Results of ``function(*args)`` by rank."""
        for pipe in self._pipes:
            pipe.send_bytes(pickle.dumps((function, args)))
        answers = []
        for rank, pipe in enumerate(self._pipes):
            if not pipe.poll(PATIENCE):
                self.close()
                raise TimeoutError(f"rank {rank} gave no answer in {PATIENCE} s")
            answers.append(pickle.loads(pipe.recv_bytes()))
        for rank, (ok, answer) in enumerate(answers):
            if not ok:
                raise RuntimeError(f"rank {rank} of {self.world} failed:\n{answer}")
        return [answer for _, answer in answers]


def _serve(rank: int, world: int, store: str, pipe: Connection) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world)
    while message := _receive(pipe):
        function, args = pickle.loads(message)
        try:
            answer = (True, function(*args))
        except Exception:
            answer = (False, traceback.format_exc())
        pipe.send_bytes(pickle.dumps(answer))
    dist.destroy_process_group()


def _receive(pipe: Connection) -> bytes:
    try:
        return pipe.recv_bytes()
    except EOFError:  # the test run is gone, and so is the reason to wait
        return b""
