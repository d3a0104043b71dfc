"""Parts of a method that change from epoch to epoch are told which one begins."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

__all__ = ["AnnouncedEpochs"]


class AnnouncedEpochs(Callback):
    """Call ``set_epoch(epoch)``, counted from 0, on every part of the method that has it.

    Losses with schedules, for instance the gamma of `core.losses.SogCLRLoss`, would otherwise stay at their start.
    """

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell the parts."""
        for part in pl_module.modules():
            set_epoch: Any = getattr(part, "set_epoch", None)
            if callable(set_epoch):
                set_epoch(trainer.current_epoch)
