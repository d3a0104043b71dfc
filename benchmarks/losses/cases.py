"""Every objective of the tables: ours, the plain form, how many views and pairs it takes, and the floor under it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from torch import Tensor, nn

from benchmarks.losses import plain
from benchmarks.losses.batch import Batch
from core.losses import (
    CACRLoss,
    CLIPLoss,
    DCLLoss,
    DCLWLoss,
    DHELLoss,
    GroCoLoss,
    InfoNCELoss,
    MVDHELLoss,
    MVInfoNCELoss,
    NTXentLoss,
    PVCLoss,
    SupConLoss,
)

__all__ = ["PER_PAIR", "Case", "Form", "cases"]

Form = Callable[[Tensor, Batch, float], Tensor]
"""(views, batch, temperature) to a scalar with its graph."""

PER_PAIR = "x NTXentLoss per pair of views"
VIEWS = (2, 4)
PAIRS = "Pairs"


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
    tempered: bool = True
    bars: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


def _two(loss: Callable[[float], nn.Module]) -> Form:
    def form(z: Tensor, batch: Batch, t: float) -> Tensor:
        value: Tensor = loss(t)(*z.unbind())
        return value

    return form


def _stacked(loss: Callable[[float], nn.Module]) -> Form:
    def form(z: Tensor, batch: Batch, t: float) -> Tensor:
        value: Tensor = loss(t)(z)
        return value

    return form


def _labelled(loss: Callable[[float], nn.Module]) -> Form:
    def form(z: Tensor, batch: Batch, t: float) -> Tensor:
        value: Tensor = loss(t)(z, batch.labels)
        return value

    return form


def _queue(z: Tensor, batch: Batch, t: float) -> Tensor:
    query, key = z.unbind()
    value: Tensor = InfoNCELoss(temperature=t)(query, key.detach(), negatives=batch.queue)
    return value


def cases() -> list[Case]:
    """Every objective, in the order of the table."""
    return [*_pairs(), *chain.from_iterable(_views(v) for v in VIEWS), *_supervised()]


def _pairs() -> list[Case]:
    two_sided, per_pair = {"x floor": "<= 1.6"}, {PER_PAIR: "<= 1.5"}
    square = ("n x n", 1)
    return [
        Case("NTXentLoss", "NT-Xent", _two(lambda t: NTXentLoss(temperature=t)), plain.nt_xent, PAIRS),
        Case("DCLLoss", "DCL", _two(lambda t: DCLLoss(temperature=t)), plain.dcl, PAIRS, bars=per_pair),
        Case("DCLWLoss", "DCLW", _two(lambda t: DCLWLoss(temperature=t)), plain.dclw, PAIRS, bars=per_pair),
        Case("DHELLoss", "DHEL", _two(lambda t: DHELLoss(temperature=t)), plain.dhel, PAIRS, floor=("n x n", 2)),
        Case(
            "InfoNCELoss",
            "InfoNCE",
            _two(lambda t: InfoNCELoss(temperature=t)),
            plain.info_nce,
            PAIRS,
            floor=square,
            bars=two_sided,
        ),
        Case(
            "CLIPLoss",
            "CLIP",
            _two(lambda t: CLIPLoss(temperature=t, learnable=False)),
            plain.clip,
            PAIRS,
            floor=square,
            bars=two_sided,
        ),
        Case(
            "InfoNCELoss, queue of 4n",
            "InfoNCE, queue",
            _queue,
            plain.queue,
            PAIRS,
            floor=("n x 4n", 1),
            bars=two_sided,
        ),
    ]


def _views(views: int) -> list[Case]:
    pairs = views * (views - 1) // 2
    per_pair = {PER_PAIR: "<= 1.5"}
    everything = ("2n x 2n", views * views // 4)
    largest = 8192 if views == 2 else 2048

    def case(
        loss: Callable[[float], nn.Module],
        method: str,
        form: Form,
        floor: tuple[str, int],
        bars: dict[str, str] = per_pair,
    ) -> Case:
        name = f"{type(loss(1.0)).__name__}, {views} views"
        return Case(
            name,
            method,
            _stacked(loss),
            form,
            f"{views} views",
            views,
            floor,
            largest,
            bars=bars,
            settings={"views": views},
        )

    return [
        case(lambda t: MVInfoNCELoss(temperature=t), "MV-InfoNCE", plain.mv_info_nce, everything),
        case(lambda t: MVDHELLoss(temperature=t), "MV-DHEL", plain.mv_dhel, ("n x n", views)),
        case(lambda t: PVCLoss(temperature=t), "PVC", plain.pvc, everything),
        case(lambda t: CACRLoss(t_pos=1 / t, t_neg=1 / t), "CACR", plain.cacr, ("n x n", pairs)),
        case(lambda t: GroCoLoss(steepness=1 / t), "GroCo", plain.groco, ("n x n", views), {}),
    ]


def _supervised() -> list[Case]:
    return [
        Case(
            "SupConLoss",
            "SupCon",
            _labelled(lambda t: SupConLoss(temperature=t)),
            plain.sup_con,
            "Labels",
            bars={PER_PAIR: "<= 1.2"},
        ),
    ]
