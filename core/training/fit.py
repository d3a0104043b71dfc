"""``fit``: the one place where a Lightning ``Trainer`` is built."""

import logging
import signal
import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import TensorBoardLogger

from core.errors import OperationError
from core.training.checkpoint import ExactCheckpoint, latest_checkpoint
from core.training.epochs import AnnouncedEpochs
from core.training.finite_loss import FiniteLoss
from core.training.memory import reused_memory
from core.training.method import Method
from core.training.metrics_log import MetricsLog
from core.training.progress import TrainingProgress
from core.training.settings import FitSettings

__all__ = ["FitResult", "fit"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FitResult:
    """What a run of `fit` says: epochs done, seconds of this call, and whether it stopped early."""

    epochs: int
    seconds: float
    stopped_early: bool


def fit(
    method: Method[Any],
    loader: Iterable[Any],
    *,
    folder: Path,
    settings: FitSettings | None = None,
    callbacks: Sequence[Callback] = (),
    resume: bool = False,
) -> FitResult:
    """Train a method.

    Args:
        method: the module; ``method.settings.epochs`` passes are made. 0 epochs leave it as it is.
        loader: training batches; where it has ``set_epoch`` (or a sampler that has), that is called each epoch.
        folder: gets ``metrics.csv``, ``tensorboard/`` and ``checkpoints/``.
        settings: how the run is carried out.
        callbacks: further Lightning callbacks, for example online evaluation.
        resume: continue from the newest checkpoint in ``folder``; without one, start from the beginning.

    Returns:
        How it went; the weights are in ``method``.

    Raises:
        OperationError: the folder cannot be written, the loss is not finite, or every checkpoint is damaged.
    """
    settings = settings or FitSettings()
    # Lightning's log lines about the hardware and its adverts go through these two
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    started = time.monotonic()
    found = latest_checkpoint(folder / "checkpoints") if resume else None
    first_epoch = int(found[1]["epoch"]) if found else 0
    if found:
        # `epoch` counts from 0 and was saved at the end of that epoch
        first_epoch += 1
        _log.info("resuming after epoch %d of %d", first_epoch, method.settings.epochs)
    if first_epoch >= method.settings.epochs:
        if found:
            method.load_state_dict(found[1]["state_dict"])
        return FitResult(first_epoch, time.monotonic() - started, stopped_early=False)
    for holder in (loader, getattr(loader, "sampler", None), getattr(loader, "batch_sampler", None)):
        set_epoch = getattr(holder, "set_epoch", None)
        if set_epoch is not None:  # Lightning creates the first iterator before it names the epoch
            set_epoch(first_epoch)
    step = int(found[1]["global_step"]) if found else None
    stopping = [EarlyStopping("loss", patience=settings.patience, mode="min")] if settings.patience else []
    with warnings.catch_warnings():
        # each names a setting that is right here: one full batch per epoch needs neither workers nor more logging
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")
        warnings.filterwarnings("ignore", message=".*GPU available but not used.*")
        warnings.filterwarnings("ignore", message=".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*")
        trainer = Trainer(
            accelerator=settings.accelerator,
            devices=settings.devices,
            num_nodes=settings.nodes,
            strategy=settings.strategy,
            precision=settings.precision,
            max_epochs=method.settings.epochs,
            gradient_clip_val=settings.gradient_clip or None,
            log_every_n_steps=settings.log_every,
            logger=_loggers(folder, step),
            callbacks=[
                FiniteLoss(),
                AnnouncedEpochs(),
                *callbacks,
                *stopping,
                *([TrainingProgress()] if settings.progress else []),
                ExactCheckpoint(folder / "checkpoints", settings.checkpoint_seconds),
            ],
            default_root_dir=folder,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )
        at_interrupt = signal.getsignal(signal.SIGINT)
        try:
            with reused_memory():
                trainer.fit(method, loader, ckpt_path=str(found[0]) if found else None, weights_only=True)
        except OSError as error:
            raise OperationError(f"training stopped, {folder}: {error.strerror or error}") from error
        except SystemExit as error:
            if not isinstance(error.__context__, KeyboardInterrupt):
                raise
            signal.signal(signal.SIGINT, at_interrupt)  # Lightning makes Ctrl-C an exit and ignores further ones
            raise KeyboardInterrupt from error
    return FitResult(trainer.current_epoch, time.monotonic() - started, trainer.should_stop)


def _loggers(folder: Path, step: int | None) -> list[Any]:
    try:
        board = TensorBoardLogger(str(folder), name="tensorboard", version="", purge_step=step)
        return [MetricsLog(folder / "metrics.csv", step), board]
    except OSError as error:
        raise OperationError(f"cannot write into {folder}: {error.strerror or error}") from error
