"""The progress bar of a training run: one line on a terminal, nothing in a pipe."""

import sys
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

__all__ = ["TrainingProgress"]


class TrainingProgress(Callback):
    """Epochs done, epochs per second, time left and the last loss, on stderr if that is a terminal."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._seen = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the bar."""
        if not (trainer.is_global_zero and sys.stderr.isatty()):
            return
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("epochs  {task.fields[rate]}  loss {task.fields[loss]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            refresh_per_second=4,
        )
        name = getattr(pl_module, "name", type(pl_module).__name__)
        self._task = self._bar.add_task(
            name, total=trainer.max_epochs, completed=trainer.current_epoch, rate="", loss=""
        )
        self._bar.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Advance by this batch's part of the epoch."""
        if self._bar is None:
            return
        task = self._bar.tasks[self._task]
        done = trainer.current_epoch + (batch_idx + 1) / max(1, int(trainer.num_training_batches))
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        rate = f"{task.speed:.1f}/s" if task.speed else ""
        self._bar.update(self._task, completed=round(done, 2), rate=rate, loss=f"{float(loss):.4f}")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the finished line."""
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the terminal back."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
