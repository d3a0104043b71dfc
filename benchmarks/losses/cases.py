"""Every objective of the tables: ours, the plain form, how many views and pairs it takes, and the floor under it."""

from collections.abc import Callable
from itertools import chain

from torch import Tensor, nn

from benchmarks.losses import plain
from benchmarks.losses.batch import Batch
from benchmarks.losses.case import PER_PAIR, Case, Form, stacked, two
from benchmarks.losses.further_cases import further_cases
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
)

__all__ = ["cases"]

VIEWS = (2, 4)
PAIRS = "Pairs"


def _queue(z: Tensor, batch: Batch, t: float) -> Tensor:
    query, key = z.unbind()
    value: Tensor = InfoNCELoss(temperature=t)(query, key.detach(), negatives=batch.queue)
    return value


def cases() -> list[Case]:
    """Every objective, in the order of the table."""
    return [*_pairs(), *chain.from_iterable(_views(v) for v in VIEWS), *further_cases()]


def _pairs() -> list[Case]:
    two_sided, per_pair = {"x floor": "<= 1.6"}, {PER_PAIR: "<= 1.5"}
    square = ("n x n", 1)
    return [
        Case("NTXentLoss", "NT-Xent", two(lambda t: NTXentLoss(temperature=t)), plain.nt_xent, PAIRS),
        Case("DCLLoss", "DCL", two(lambda t: DCLLoss(temperature=t)), plain.dcl, PAIRS, bars=per_pair),
        Case("DCLWLoss", "DCLW", two(lambda t: DCLWLoss(temperature=t)), plain.dclw, PAIRS, bars=per_pair),
        Case("DHELLoss", "DHEL", two(lambda t: DHELLoss(temperature=t)), plain.dhel, PAIRS, floor=("n x n", 2)),
        Case(
            "InfoNCELoss",
            "InfoNCE",
            two(lambda t: InfoNCELoss(temperature=t)),
            plain.info_nce,
            PAIRS,
            floor=square,
            bars=two_sided,
        ),
        Case(
            "CLIPLoss",
            "CLIP",
            two(lambda t: CLIPLoss(temperature=t, learnable=False)),
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
            stacked(loss),
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
