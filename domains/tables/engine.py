"""Where the stages that work block by block are run: in this process, or on the machines of a Ray cluster."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from core.errors import OperationError, UserError, unknown_name
from core.progress import watched

__all__ = ["LOCAL", "Engine", "LocalEngine", "RayEngine", "engine_of"]

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")


@runtime_checkable
class Engine(Protocol):
    """Runs a function on blocks. The results do not depend on the engine nor on the number of workers."""

    def map(self, function: Callable[[S, T], R], shared: S, blocks: Sequence[T], what: str) -> Iterator[R]:
        """Results in the order of the blocks.

        Args:
            function: of what all blocks share and of one block; defined at the top of a module.
            shared: sent to each worker once.
            blocks: what differs.
            what: the work, in a word or two.
        """


@dataclass(frozen=True)
class LocalEngine:
    """One block after another in this process."""

    def map(self, function: Callable[[S, T], R], shared: S, blocks: Sequence[T], what: str) -> Iterator[R]:
        """See `Engine.map`."""
        for block in watched(blocks, what, len(blocks)):
            yield function(shared, block)


LOCAL = LocalEngine()
"""Where nothing else was asked for."""


@dataclass(frozen=True)
class RayEngine:
    """Blocks as tasks of a Ray cluster, some ahead of those that are waited for.

    Every machine needs this package at the same version. The cluster is joined at the first block, and left when the
    process ends.

    Attributes:
        address: of the cluster, as ``ray start`` prints it; empty for the environment variable ``RAY_ADDRESS``, and
            without that for a cluster of this machine's processors alone.
        workers: processors that a cluster of this machine alone takes; 0 for all.
    """

    address: str = ""
    workers: int = 0

    def map(self, function: Callable[[S, T], R], shared: S, blocks: Sequence[T], what: str) -> Iterator[R]:
        """See `Engine.map`.

        Raises:
            UserError: Ray is not installed, or there is no cluster at the address.
            OperationError: a worker failed.
        """
        ray = self._joined()
        place = ray.put(shared)
        task = ray.remote(max_retries=2)(_run)
        waiting: deque[Any] = deque()
        ahead = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
        left = iter(blocks)
        for _ in watched(blocks, what, len(blocks)):
            while len(waiting) < ahead and (block := next(left, _END)) is not _END:
                waiting.append(task.remote(function, place, block))
            try:
                found: R = ray.get(waiting.popleft())
            except ray.exceptions.RayError as error:
                raise OperationError(f"{what}: a worker of the Ray cluster failed ({error})") from error
            yield found

    def _joined(self) -> Any:
        try:
            import ray
        except ImportError as error:
            raise UserError("the engine ray needs ray; install counterpoint[ray]") from error
        if not ray.is_initialized():
            address = self.address or os.environ.get("RAY_ADDRESS") or None
            options: dict[str, Any] = {} if address else {"num_cpus": self.workers or None, "include_dashboard": False}
            try:
                ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **options)
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise UserError(f"there is no Ray cluster at {address or 'this machine'} ({error})") from error
        return ray


_END = object()


def _run(function: Callable[[Any, Any], Any], shared: Any, block: Any) -> Any:
    return function(shared, block)


def engine_of(name: str) -> Engine:
    """An engine by name: ``local``, ``ray``, or ``ray:ADDRESS``.

    Args:
        name: as on the command line.

    Raises:
        UserError: another name.

    >>> engine_of("local")
    LocalEngine()
    """
    kind, _, address = name.partition(":")
    if kind == "ray":
        return RayEngine(address)
    if name != "local":
        raise unknown_name("engine", name, ("local", "ray", "ray:ADDRESS"))
    return LOCAL
