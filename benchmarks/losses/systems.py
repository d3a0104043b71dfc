"""What the table of times runs: floors, our losses, their plain forms, and peers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.losses.batch import Batch
from benchmarks.losses.case import Form
from benchmarks.losses.cases import cases
from core.losses import NTXentLoss
from core.similarity import similarity_logsumexp

__all__ = ["BFLOAT16", "NT_XENT", "TEMPERATURE", "System", "kernel_nt_xent", "peer_forms", "systems"]

TEMPERATURE = 0.1
NT_XENT, BFLOAT16 = "NTXentLoss", "NT-Xent, bfloat16 products"
RIVALS = "NT-Xent"
"""The picture of growth that shows floor, ours, plain form and peers of one objective."""


@dataclass(frozen=True)
class System:
    """One row of the table.

    Attributes:
        name: its label.
        method: the objective that it computes, "floor" for none.
        role: method, baseline or ablation.
        step: one forward and backward pass; returns the loss, or None for a floor.
        floor: (name of the floor to divide by, how many of it); empty for none.
        plain: name of the plain form to be compared with; empty for none.
        pairs: pairs of views, for the comparison with NT-Xent, which has one.
        largest: greatest n at which it is run; beyond, it would take more memory than the machine has, or minutes.
        bars: metric to the bar that it has to hold from n = 2048 on, ratios to NTXentLoss from 512 on.
        settings: what else distinguishes it; "figure" names the picture of growth that it is drawn in.
    """

    name: str
    method: str
    role: Literal["method", "baseline", "ablation"]
    step: Callable[[Batch], Tensor | None]
    floor: tuple[str, int] = ("", 0)
    plain: str = ""
    pairs: int = 0
    largest: int = 2**31
    bars: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


def systems() -> list[System]:
    """Every system in the order of the table."""
    return [*_floors(), *_forms(), *_ablations(), *_peers()]


def _floors() -> list[System]:
    products = {"2n x 2n": _floor_of_views, "n x n": _floor_of_pairs, "n x 4n": _floor_of_queue}
    return [
        System(name, "floor", "baseline", step, settings={"figure": RIVALS} if name == "2n x 2n" else {})
        for name, step in products.items()
    ]


def _forms() -> list[System]:
    rows = []
    for case in cases():
        label = f"{case.method}, plain" + (f", {case.views} views" if "views" in case.settings else "")
        pairs = case.views * (case.views - 1) // 2
        rows.append(
            System(
                case.name,
                case.method,
                "method",
                partial(step, case.ours, case.views),
                case.floor,
                label if case.plain else "",
                pairs,
                case.largest,
                bars=case.bars,
                settings={"figure": RIVALS if case.name == NT_XENT else case.family, **case.settings},
            )
        )
        if case.plain:
            rows.append(
                System(
                    label,
                    case.method,
                    "baseline",
                    partial(step, case.plain, case.views),
                    case.floor,
                    pairs=pairs,
                    largest=case.plain_largest,
                    settings={"figure": RIVALS} if case.name == NT_XENT else {},
                )
            )
    return rows


def _ablations() -> list[System]:
    def cold(z: Tensor, batch: Batch, t: float) -> Tensor:
        value: Tensor = NTXentLoss(temperature=t / 10)(*z.unbind())
        return value

    def half(z: Tensor, batch: Batch, t: float) -> Tensor:
        return kernel_nt_xent(z, t, matmul_dtype=torch.bfloat16)

    wide = ("2n x 2n", 1)
    return [
        System(
            "NTXentLoss, temperature 0.01",
            "NT-Xent",
            "ablation",
            partial(step, cold, 2),
            wide,
            settings={"temperature": TEMPERATURE / 10},
        ),
        System(BFLOAT16, "NT-Xent", "ablation", partial(step, half, 2), wide, settings={"matmul_dtype": "bfloat16"}),
    ]


def step(form: Form, views: int, batch: Batch) -> Tensor:
    """Forward and backward of one form."""
    value = form(batch.leaf(views), batch, TEMPERATURE)
    value.backward()
    return value.detach()


def kernel_nt_xent(z: Tensor, t: float, *, matmul_dtype: torch.dtype | None = None) -> Tensor:
    """NT-Xent of two views from the kernel, to reach the kernel's own options."""
    n, z = z.shape[1], normalize(z.flatten(0, 1), dim=1)
    total = similarity_logsumexp(z, z, temperature=t, exclude=torch.arange(2 * n), matmul_dtype=matmul_dtype)
    return total.mean() - (z[:n] * z[n:]).sum() / t / n


def _floor_of_views(batch: Batch) -> None:
    z = batch.views[:2].flatten(0, 1)
    logits = torch.mm(z, z.T)
    torch.mm(logits, z)
    torch.mm(logits.T, z)


def _floor_of_pairs(batch: Batch) -> None:
    query, key = batch.views[:2]
    logits = torch.mm(query, key.T)
    torch.mm(logits, key)
    torch.mm(logits.T, query)


def _floor_of_queue(batch: Batch) -> None:
    torch.mm(torch.mm(batch.views[0], batch.queue.T), batch.queue)


def peer_forms() -> dict[str, tuple[str, Form, int]]:
    """Losses of other libraries by name: the objective, the form, and the greatest n. Only what is installed."""
    found: dict[str, tuple[str, Form, int]] = {}
    if find_spec("pytorch_metric_learning") is not None:
        from pytorch_metric_learning import losses

        def instances(loss: Callable[[float], Any]) -> Form:
            def form(z: Tensor, batch: Batch, t: float) -> Tensor:
                value: Tensor = loss(t)(z.flatten(0, 1), torch.arange(z.shape[1]).repeat(len(z)))
                return value

            return form

        def classes(z: Tensor, batch: Batch, t: float) -> Tensor:
            value: Tensor = losses.SupConLoss(temperature=t)(z.flatten(0, 1), batch.labels.repeat(len(z)))
            return value

        # With one label per instance both of the first are NT-Xent; NTXentLoss makes a matrix of positive by negative
        # pairs, 8 n^3 numbers.
        name = "pytorch-metric-learning"
        found[f"{name} NTXentLoss"] = "NT-Xent", instances(lambda t: losses.NTXentLoss(temperature=t)), 256
        found[f"{name} SupConLoss, instances"] = "NT-Xent", instances(lambda t: losses.SupConLoss(temperature=t)), 2048
        found[f"{name} SupConLoss"] = "SupCon", classes, 2048
    if find_spec("monai") is not None:
        from monai.losses import ContrastiveLoss

        def monai(z: Tensor, batch: Batch, t: float) -> Tensor:
            value: Tensor = ContrastiveLoss(temperature=t)(*z.unbind())
            return value

        # the broadcast behind its cosines is (2n, 2n, d)
        found["MONAI ContrastiveLoss"] = "NT-Xent", monai, 512
    return found


def _peers() -> list[System]:
    return [
        System(
            name,
            method,
            "baseline",
            partial(step, form, 2),
            ("2n x 2n", 1),
            pairs=1,
            largest=largest,
            settings={"figure": RIVALS} if method == "NT-Xent" else {},
        )
        for name, (method, form, largest) in peer_forms().items()
    ]
