"""Train on data that are already in memory: what a domain's `train` function does besides reading."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.registry import Registry
from core.training.job import RunResult, train
from core.training.presets import read_preset
from core.training.settings import FitSettings, resolve_settings
from core.training.task import Task

__all__ = ["train_in_memory"]


def train_in_memory(
    task: Task,
    registry: Registry,
    method: str,
    given: Any,
    *,
    package: str,
    data: str,
    folder: str | Path,
    preset: str | None,
    seed: int,
    resume: bool,
    progress: bool,
    evaluate: Mapping[str, Any] | None,
    settings: Mapping[str, Any],
) -> RunResult:
    """Run `core.training.train` with data in place of what the task would read.

    Args:
        task: the domain's; it reads nothing.
        registry: the domain's methods.
        method: registered name.
        given: the data.
        package: of the domain, where its presets are.
        data: name for the records.
        folder: run folder.
        preset: settings of a data set to start from; None takes the method's defaults.
        seed: of every random draw.
        resume: continue the run in the folder.
        progress: show a progress bar on a terminal.
        evaluate: what differs from the defaults of the task's protocol.
        settings: what differs from the preset.

    Raises:
        UserError: unknown method, preset or setting, a value out of range, or a folder that is taken.
    """
    layers = read_preset(package, preset, method) if preset is not None else ({}, {})
    name = f"preset {preset}"
    return train(
        task,
        registry,
        method,
        data=data,
        given=given,
        settings=resolve_settings(registry.settings(method), (name, layers[0]), ("settings", settings)),
        evaluation=resolve_settings(task.evaluation_settings, (name, layers[1]), ("evaluate", evaluate or {})),
        fit_settings=FitSettings(seed=seed, progress=progress),
        folder=Path(folder),
        resume=resume,
    )
