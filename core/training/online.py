"""Watch a representation while it is being learned."""

from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from core.training.method import Method

__all__ = ["OnlineEvaluation"]


class OnlineEvaluation(Callback):
    """Call a function every few epochs and log what it returns as ``<name>/<metric>``.

    Args:
        name: prefix of the logged names.
        every: epochs between two calls, >= 1; the last of the planned ones is always evaluated.
        function: from the method to scores by name, for example a kNN score of ``method.embed(...)`` or its effective
            rank (a fall shows collapse). It must not draw from the method's generator.

    Raises:
        ValueError: ``every`` below 1.
    """

    def __init__(self, name: str, every: int, function: Callable[[Method[Any]], dict[str, float]]) -> None:
        if every < 1:
            raise ValueError(f"every must be >= 1 epochs, got {every}")
        self.name = name
        self.every = every
        self.function = function

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Evaluate if it is time."""
        epoch = trainer.current_epoch + 1
        if epoch % self.every and epoch != trainer.max_epochs:
            return
        if isinstance(pl_module, Method):
            for metric, value in self.function(pl_module).items():
                pl_module.log(f"{self.name}/{metric}", value, batch_size=1)
