"""What the benchmark times: our losses, the floor under them, five lines of PyTorch, and a peer."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from core.losses import CLIPLoss, DCLLoss, InfoNCELoss, NTXentLoss, SupConLoss
from core.similarity import similarity_logsumexp

__all__ = [
    "BFLOAT16",
    "FIVE_LINES",
    "NT_XENT",
    "TEMPERATURE",
    "Batch",
    "System",
    "five_lines",
    "kernel_nt_xent",
    "peer_installed",
    "systems",
]

TEMPERATURE = 0.1
QUEUE = 4  # keys in the queue for each query
CLASSES = 10
FIVE_LINES, NT_XENT, BFLOAT16 = "five lines of PyTorch", "NTXentLoss", "NT-Xent, bfloat16 products"


@dataclass(frozen=True)
class Batch:
    """Two views of ``n`` instances, and what queues and labels need besides.

    Attributes:
        query, key: (n, d) raw embeddings of the two views.
        queue: (4 n, d) unit rows.
        labels: (2 n,) classes of both views.
    """

    query: Tensor
    key: Tensor
    queue: Tensor
    labels: Tensor

    @classmethod
    def draw(cls, count: int, width: int, seed: int) -> "Batch":
        """Views that resemble each other (cosine about 0.7), so that gradients are as in training."""
        generator = torch.Generator().manual_seed(seed)
        common, first, second = (torch.randn(count, width, generator=generator) for _ in range(3))
        queue = normalize(torch.randn(QUEUE * count, width, generator=generator), dim=1)
        labels = torch.randint(CLASSES, (count,), generator=generator).repeat(2)
        return cls(common + 0.65 * first, common + 0.65 * second, queue, labels)

    def leaves(self) -> tuple[Tensor, Tensor]:
        """Fresh copies of both views that collect gradients."""
        return self.query.clone().requires_grad_(), self.key.clone().requires_grad_()

    def views(self) -> Tensor:
        """Both views below each other, (2 n, d)."""
        return torch.cat([self.query, self.key])


@dataclass(frozen=True)
class System:
    """One row of the table.

    Attributes:
        name: its label.
        method: the objective it computes.
        role: method, baseline or ablation.
        step: one forward and backward pass; returns the loss, or None for a floor.
        floor: label of the floor to divide by, empty for none.
        largest: greatest n at which it is run; beyond, its memory would pass about 6 GB.
        bars: metric to the bar that it has to hold, from n = 2048 on.
        settings: what else distinguishes it.
    """

    name: str
    method: str
    role: Literal["method", "baseline", "ablation"]
    step: Callable[[Batch], Tensor | None]
    floor: str = ""
    largest: int = 2**31
    bars: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


def peer_installed() -> bool:
    """Whether the extra ``peers`` is there."""
    return find_spec("pytorch_metric_learning") is not None


def systems() -> list[System]:
    """Every system in the order of the table."""
    wide, narrow = "three products, 2n x 2n", "three products, n x n"
    queue = f"two products, n x {QUEUE}n"
    two_sided = {"x floor": "<= 1.6"}
    half = partial(kernel_nt_xent, matmul_dtype=torch.bfloat16)
    rows = [
        System(wide, "floor", "baseline", _floor_of_views),
        System(FIVE_LINES, "NT-Xent", "baseline", _paired(five_lines), wide),
        System(
            NT_XENT,
            "NT-Xent",
            "method",
            _paired(NTXentLoss(temperature=TEMPERATURE)),
            wide,
            bars={"x floor": "<= 0.85", "times faster than five lines": ">= 3.5"},
        ),
        System(
            "NTXentLoss, temperature 0.01",
            "NT-Xent",
            "ablation",
            _paired(NTXentLoss(temperature=0.01)),
            wide,
            settings={"temperature": 0.01},
        ),
        System(BFLOAT16, "NT-Xent", "ablation", _paired(half), wide, settings={"matmul_dtype": "bfloat16"}),
        System("DCLLoss", "DCL", "method", _paired(DCLLoss(temperature=TEMPERATURE)), wide),
        System("SupConLoss", "SupCon", "method", _sup_con, wide, bars={"x NTXentLoss": "<= 1.2"}),
        System(narrow, "floor", "baseline", _floor_of_pairs),
        System(
            "InfoNCELoss", "InfoNCE", "method", _paired(InfoNCELoss(temperature=TEMPERATURE)), narrow, bars=two_sided
        ),
        System("CLIPLoss", "CLIP", "method", _paired(CLIPLoss(temperature=TEMPERATURE)), narrow, bars=two_sided),
        System(queue, "floor", "baseline", _floor_of_queue),
        System(f"InfoNCELoss, queue of {QUEUE}n", "InfoNCE", "method", _queue, queue, bars=two_sided),
    ]
    return rows + _peers(wide) if peer_installed() else rows


def five_lines(query: Tensor, key: Tensor) -> Tensor:
    """NT-Xent as everybody writes it."""
    z = normalize(torch.cat([query, key]), dim=1)
    logits = torch.mm(z, z.T) / TEMPERATURE
    logits = logits.masked_fill(torch.eye(len(z), dtype=torch.bool), -torch.inf)
    partner = torch.arange(len(z)).roll(len(query))
    return cross_entropy(logits, partner)


def kernel_nt_xent(query: Tensor, key: Tensor, *, matmul_dtype: torch.dtype | None = None) -> Tensor:
    """NT-Xent from the kernel, to reach the kernel's own options."""
    z = normalize(torch.cat([query, key]), dim=1)
    own = torch.arange(len(z))
    total = similarity_logsumexp(z, z, temperature=TEMPERATURE, exclude=own, matmul_dtype=matmul_dtype)
    return total.mean() - (z[: len(query)] * z[len(query) :]).sum() / TEMPERATURE / len(query)


def _paired(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Batch], Tensor]:
    def step(batch: Batch) -> Tensor:
        query, key = batch.leaves()
        value = loss(query, key)
        value.backward()
        return value.detach()

    return step


def _floor_of_views(batch: Batch) -> None:
    z = batch.views()
    logits = torch.mm(z, z.T)
    torch.mm(logits, z)
    torch.mm(logits.T, z)


def _floor_of_pairs(batch: Batch) -> None:
    logits = torch.mm(batch.query, batch.key.T)
    torch.mm(logits, batch.key)
    torch.mm(logits.T, batch.query)


def _floor_of_queue(batch: Batch) -> None:
    torch.mm(torch.mm(batch.query, batch.queue.T), batch.queue)


def _sup_con(batch: Batch) -> Tensor:
    z = batch.views().requires_grad_()
    value: Tensor = SupConLoss(temperature=TEMPERATURE)(z, batch.labels)
    value.backward()
    return value.detach()


def _queue(batch: Batch) -> Tensor:
    query, _ = batch.leaves()
    value: Tensor = InfoNCELoss(temperature=TEMPERATURE)(query, batch.key, negatives=batch.queue)
    value.backward()
    return value.detach()


def _peers(floor: str) -> list[System]:
    from pytorch_metric_learning import losses

    def step(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Batch], Tensor]:
        def run(batch: Batch) -> Tensor:
            query, key = batch.leaves()
            value = loss(torch.cat([query, key]), torch.arange(len(query)).repeat(2))
            value.backward()
            return value.detach()

        return run

    # With one label per instance both are NT-Xent; the first builds a matrix of positive by negative pairs.
    pairs, rows = losses.NTXentLoss(temperature=TEMPERATURE), losses.SupConLoss(temperature=TEMPERATURE)
    return [
        System("pytorch-metric-learning NTXentLoss", "NT-Xent", "baseline", step(pairs), floor, largest=256),
        System("pytorch-metric-learning SupConLoss", "NT-Xent", "baseline", step(rows), floor, largest=4096),
    ]
