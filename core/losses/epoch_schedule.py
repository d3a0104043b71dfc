"""Settings that change from epoch to epoch."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from core.checks import check_at_least

__all__ = ["CosineSchedule", "Schedule", "at_epoch"]

Schedule = Callable[[int], float]
"""The value of a setting in an epoch, counted from 0."""


@dataclass(frozen=True)
class CosineSchedule:
    """Half a cosine from ``start`` to ``end`` over some epochs, then ``end``.

    ``CosineSchedule(start=1.0, end=0.2, epochs=...)`` is the gamma schedule of LibAUC's SogCLR, whose tutorial takes
    half of all epochs::

        value(e) = end + (start - end) (1 + cos(pi e / epochs)) / 2        e < epochs

    Args:
        start: value in epoch 0.
        end: value from epoch ``epochs`` on.
        epochs: how long the way is, >= 1.

    Raises:
        ValueError: fewer than 1 epoch.

    >>> gamma = CosineSchedule(start=1.0, end=0.2, epochs=4)
    >>> [round(gamma(epoch), 3) for epoch in range(6)]
    [1.0, 0.883, 0.6, 0.317, 0.2, 0.2]
    """

    start: float
    end: float
    epochs: int

    def __post_init__(self) -> None:
        check_at_least("epochs", self.epochs, 1)

    def __call__(self, epoch: int) -> float:
        """The value in an epoch, counted from 0."""
        if epoch >= self.epochs:
            return self.end
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * epoch / self.epochs)) / 2


def at_epoch(setting: float | Schedule, epoch: int) -> float:
    """A setting's value in an epoch: the number itself, or what its schedule says.

    >>> at_epoch(0.9, 3), at_epoch(lambda epoch: 0.5**epoch, 3)
    (0.9, 0.125)
    """
    return setting(epoch) if callable(setting) else setting
