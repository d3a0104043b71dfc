"""What a domain tells the engine about one training job. The engine owns the loop; the domain owns the data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from lightning.pytorch import Callback

from core.training.method import Method, MethodSettings

__all__ = ["ReadingTask", "Task", "WatchedTask"]


@runtime_checkable
class Task(Protocol):
    """One object per domain, named in the domain's `core.plugins.Domain`.

    ``data`` is whatever the domain's reader returns; the engine never looks inside.
    """

    evaluation_settings: type
    """Frozen dataclass of the domain's evaluation protocol (``--evaluate.FIELD`` on the command line)."""

    def load(self, data: str | None) -> Any:
        """Read a catalogue name or a path; ``None`` is the embedded default, which needs no download."""

    def build(self, method: str, settings: MethodSettings, data: Any, generator: torch.Generator) -> Method[Any]:
        """Make the untrained method for this data."""

    def loader(self, method: Method[Any], data: Any, evaluation: Any, seed: int) -> Iterable[Any]:
        """Training batches. The order of epoch e must depend on ``(seed, e)`` only, so that resume is exact.

        Of the evaluation settings only the split may matter, and only to methods that see labels.
        """

    def evaluate(self, method: Method[Any], data: Any, settings: Any, seed: int) -> dict[str, float]:
        """Scores of the frozen method under the domain's standard protocol, by metric name."""

    def describe(self, data: Any) -> dict[str, Any]:
        """Facts for the artifact's metadata: name, shapes, ranges, licence. JSON-able."""


@runtime_checkable
class WatchedTask(Task, Protocol):
    """A task that also watches the training of its methods."""

    def callbacks(self, method: Method[Any], data: Any, evaluation: Any, seed: int) -> Sequence[Callback]:
        """What looks on while a method learns, such as a cheap score every few epochs (`OnlineEvaluation`)."""


@runtime_checkable
class ReadingTask(Task, Protocol):
    """A task whose reader can be told something: ``--read.FIELD`` on the command line, stored with the run."""

    read_settings: type
    """Frozen dataclass of what the reader can be told."""
    reading: Any
    """What ``load`` follows, of type ``read_settings``."""
