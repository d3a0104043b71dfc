"""One objective of the tables: ours, its plain form, how many views and pairs it takes, and the floor under it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from benchmarks.losses.batch import Batch

__all__ = ["PER_PAIR", "Case", "Form", "stacked", "two"]

Form = Callable[[Tensor, Batch, float], Tensor]
"""(views, batch, temperature) to a scalar with its graph."""

PER_PAIR = "x NTXentLoss per pair of views"


@dataclass(frozen=True)
class Case:
    """One objective.

    Attributes:
        name: the class, with what sets the row apart.
        method: the objective, the same for ours and for the plain form.
        ours: the class from `core.losses`.
        plain: the same from its paper, with whole matrices; None where ours is one line of PyTorch itself.
        family: the picture of growth that it is drawn in.
        views: how many of the batch's views go in.
        floor: the matrices that any exact form has to multiply, as (name of a floor, how many).
        plain_largest: greatest n for the plain form; beyond, its memory passes about 16 GB.
        largest: greatest n for ours; beyond, a step takes minutes.
        tempered: whether it has a temperature.
        bars: metric to the bar that it has to hold from n = 512 on.
        settings: what else distinguishes it.
    """

    name: str
    method: str
    ours: Form
    plain: Form | None
    family: str
    views: int = 2
    floor: tuple[str, int] = ("2n x 2n", 1)
    plain_largest: int = 8192
    largest: int = 2**31
    tempered: bool = True
    bars: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


def two(loss: Callable[[float], nn.Module]) -> Form:
    """A loss of two aligned batches, made for a temperature."""

    def form(z: Tensor, batch: Batch, t: float) -> Tensor:
        value: Tensor = loss(t)(*z.unbind())
        return value

    return form


def stacked(loss: Callable[[float], nn.Module]) -> Form:
    """A loss of stacked views, made for a temperature."""

    def form(z: Tensor, batch: Batch, t: float) -> Tensor:
        value: Tensor = loss(t)(z)
        return value

    return form
