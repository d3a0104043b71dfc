"""End a run whose loss is no longer a number."""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from core.errors import OperationError

__all__ = ["FiniteLoss"]


class FiniteLoss(Callback):
    """Raise at the first loss that is NaN or infinite; the checkpoint before it stays.

    Raises:
        OperationError: naming epoch and step.
    """

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look at the loss of one step."""
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        if isinstance(loss, torch.Tensor) and not bool(torch.isfinite(loss)):
            raise OperationError(
                f"the loss is {float(loss)} in epoch {trainer.current_epoch + 1}, step {batch_idx + 1}; lower lr, clip "
                "the gradient (gradient_clip), or look for extreme values in the data"
            )
