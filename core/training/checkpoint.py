"""Checkpoints that make a resumed run equal to one that was never stopped, bit for bit."""

import logging
import pickle
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from core.atomic import atomic_write
from core.errors import OperationError
from core.training.method import Method

__all__ = ["ExactCheckpoint", "latest_checkpoint"]

_log = logging.getLogger(__name__)


class ExactCheckpoint(Checkpoint):
    """Write ``last.ckpt`` at epoch ends, keep the one before as ``previous.ckpt``, restore every generator.

    A checkpoint holds weights, optimizer, schedule, loop counters (all Lightning's) and the state of each random
    generator: Python's, NumPy's, torch's and the method's own. Everything is a tensor, a number or a list, so it loads
    with ``weights_only=True`` and no pickle is executed. Files are written aside, flushed and renamed: kill -9 at any
    moment leaves a whole checkpoint. Lightning calls its own kind of checkpoint, as this is, after early stopping has
    counted the epoch.

    Args:
        folder: where the files go.
        seconds: write at the end of the first epoch after so many seconds, and after the last epoch.
    """

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder = folder
        self.seconds = seconds
        self._written = time.monotonic()
        self._restored: dict[str, Any] | None = None

    def state_dict(self) -> dict[str, Any]:
        """The generators, as plain values; Lightning puts them into the checkpoint."""
        kind, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
        version, internal, gauss_next = random.getstate()
        return {
            "torch": torch.get_rng_state(),
            "numpy": [str(kind), torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, gauss],
            "python": [version, list(internal), gauss_next],
            "method": self._generator.get_state(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the generators' states until training begins."""
        self._restored = state_dict

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the method's own generator."""
        self._generator = pl_module.generator if isinstance(pl_module, Method) else torch.default_generator

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set the generators to where the checkpoint left them."""
        if self._restored is None:
            return
        state, self._restored = self._restored, None
        torch.set_rng_state(state["torch"])
        kind, keys, position, has_gauss, gauss = state["numpy"]
        np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, gauss))
        version, internal, gauss_next = state["python"]
        random.setstate((version, tuple(internal), gauss_next))
        self._generator.set_state(state["method"])

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write if it is time. Every process asks, since saving is collective; rank 0's clock decides."""
        last = trainer.max_epochs is not None and trainer.current_epoch + 1 >= trainer.max_epochs
        due = last or trainer.should_stop or time.monotonic() - self._written >= self.seconds
        if trainer.strategy.broadcast(due):
            self.write(trainer)

    def write(self, trainer: Trainer) -> None:
        """Write ``last.ckpt`` now; the one before becomes ``previous.ckpt``."""
        state = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
        if trainer.is_global_zero:
            last = self.folder / "last.ckpt"
            with atomic_write(self.folder / "next.ckpt", "wb") as file:
                torch.save(state, file)
            if last.exists():
                last.replace(self.folder / "previous.ckpt")
            (self.folder / "next.ckpt").replace(last)
        trainer.strategy.barrier("ExactCheckpoint")
        self._written = time.monotonic()


def latest_checkpoint(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """The newest checkpoint that can be read, and its content; None if there is none.

    A damaged ``last.ckpt`` is logged and ``previous.ckpt`` taken instead: resume then repeats some epochs, to the same
    numbers.

    Raises:
        OperationError: there are checkpoints, but none can be read.
    """
    damaged = []
    for name in ("next.ckpt", "last.ckpt", "previous.ckpt"):
        path = folder / name
        if not path.exists():
            continue
        try:
            return path, torch.load(path, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
            damaged.append(path)
            _log.warning("%s is damaged (%s); trying the checkpoint before it", path, type(error).__name__)
    if damaged:
        raise OperationError(
            f"no checkpoint in {folder} can be read ({', '.join(p.name for p in damaged)} damaged); "
            "delete the run folder and train again without --resume"
        )
    return None
