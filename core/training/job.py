"""One training job from the data to the scored artifact: the same for every domain."""

import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback
from lightning.pytorch.utilities import rank_zero_only

from core.errors import UserError
from core.registry import Registry
from core.training.artifact import package_versions, save_method
from core.training.fit import fit
from core.training.method import Method, MethodSettings
from core.training.run_folder import RunFolder
from core.training.seeding import seed_everything
from core.training.settings import FitSettings
from core.training.task import ReadingTask, Task, WatchedTask

__all__ = ["RunResult", "commit", "train"]


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        folder: the run folder; the model is in ``folder / "model"``.
        scores: by metric name.
        seconds: of training, this call's part.
    """

    folder: Path
    scores: dict[str, float]
    seconds: float


def commit() -> str:
    """Commit of the checkout this code runs from, with "+changes" if it differs; "" outside a checkout."""
    here = str(Path(__file__).parent)
    try:
        sha = subprocess.run(
            ["git", "-C", here, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        dirty = subprocess.run(
            ["git", "-C", here, "status", "--porcelain", "--untracked-files=no"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f"{sha}+changes" if dirty else sha


def train(
    task: Task,
    registry: Registry,
    name: str,
    *,
    data: str | None,
    given: Any = None,
    settings: MethodSettings,
    evaluation: Any,
    fit_settings: FitSettings,
    folder: Path,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
) -> RunResult:
    """Load, build, fit, evaluate, save.

    Args:
        task: the domain's side of the job.
        registry: the domain's methods.
        name: registered name of the method.
        data: catalogue name or path; None is the domain's embedded default.
        given: data that are in memory already; then ``data`` only names them.
        settings: of the method.
        evaluation: settings of the domain's protocol, of type ``task.evaluation_settings``.
        fit_settings: how the run is carried out.
        folder: the run folder, new or (with ``resume``) the one to continue.
        resume: continue an interrupted run; of a finished one the stored result is returned.
        callbacks: Lightning callbacks beside the task's own.

    Raises:
        UserError: bad data, or a folder that is taken. OperationError: it could not be written.
    """
    run = RunFolder(folder)
    config = {
        "method": name,
        "data": data,
        "settings": asdict(settings),
        "evaluate": asdict(evaluation),
        "fit": asdict(fit_settings),
    }
    if isinstance(task, ReadingTask):
        config["read"] = asdict(task.reading)
    # data, module and loader come before the folder, so that bad data and bad settings leave nothing behind
    loaded = task.load(data) if given is None else given
    generator = seed_everything(fit_settings.seed)
    try:
        method = task.build(name, settings, loaded, generator)
        loader = task.loader(method, loaded, evaluation, fit_settings.seed)
    except ValueError as error:
        raise UserError(str(error)) from error
    rank_zero_only(run.open)(config, resume=resume)  # the other processes would find the folder taken by the first
    finished = run.read_result() if resume else None
    if finished:
        return RunResult(folder, finished["scores"], finished["seconds"])
    watching: Sequence[Callback] = ()
    if isinstance(task, WatchedTask):
        watching = task.callbacks(method, loaded, evaluation, fit_settings.seed)
    started = time.monotonic()
    result = fit(
        method,
        loader,
        folder=folder,
        settings=fit_settings,
        callbacks=[*watching, *callbacks],
        resume=resume,
    )
    seconds = time.monotonic() - started
    scores = task.evaluate(method, loaded, evaluation, fit_settings.seed)
    if method.global_rank == 0:
        _save(run, method, registry, {"data": task.describe(loaded), "scores": scores, "config": config})
        run.write_result(
            {
                "method": name,
                "data": data,
                "scores": scores,
                "epochs": result.epochs,
                "stopped_early": result.stopped_early,
                "seconds": round(seconds, 3),
                "seed": fit_settings.seed,
                "commit": commit(),
                "versions": package_versions(),
            }
        )
    return RunResult(folder, scores, seconds)


def _save(run: RunFolder, method: Method[Any], registry: Registry, metadata: dict[str, Any]) -> None:
    paper = registry.describe(method.name).paper
    save_method(method, run.path / "model", {"paper": paper, "commit": commit(), **metadata})
