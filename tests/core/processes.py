"""Two or three real processes against one process on the joined batch: one comparison for every loss and its state."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from core.distributed import rank, world_size
from tests.gloo import GlooPool

__all__ = ["LOCAL", "WIDTH", "Batch", "Outcome", "assert_equal_to_one_process"]

LOCAL = 5
"""Rows of each process."""
WIDTH = 6
"""Width of what the encoder gives."""


class Batch(NamedTuple):
    """Float64 inputs of width 4, first views and second, and what else losses ask for; row by row."""

    first: Tensor
    second: Tensor
    labels: Tensor
    targets: Tensor
    index: Tensor

    @classmethod
    def draw(cls, rows: int) -> "Batch":
        """Labels of which two classes have a single row, targets some of which are equal, indices out of order."""
        draw = torch.Generator().manual_seed(3)
        first, second = torch.randn(2, rows, 4, generator=draw, dtype=torch.float64)
        labels = torch.arange(rows) % 4
        labels[0], labels[-1] = 17, 18
        targets = torch.randint(6, (rows,), generator=draw).double() + 0.25 * (torch.arange(rows) % 2)
        return cls(first, second, labels, targets, torch.randperm(3 * rows, generator=draw)[:rows])

    def part(self, rows: slice) -> "Batch":
        """The rows of one process."""
        return Batch(*(tensor[rows] for tensor in self))


@dataclass(frozen=True)
class Outcome:
    """What a step hands back.

    Attributes:
        value: the loss, with its graph.
        parameters: leaves besides the encoder's that must get the same gradient, averaged over processes.
        states: tensors that every process must hold alike after the step.
    """

    value: Tensor
    parameters: list[Tensor] = field(default_factory=list)
    states: dict[str, Tensor] = field(default_factory=dict)


Step = Callable[..., Outcome]


def _encoder() -> nn.Linear:
    encoder = nn.Linear(4, WIDTH, bias=False, dtype=torch.float64)
    with torch.no_grad():
        encoder.weight.copy_(torch.randn(WIDTH, 4, generator=torch.Generator().manual_seed(4), dtype=torch.float64))
    return encoder


def _measure(
    step: Step, args: tuple[object, ...], world: int
) -> tuple[Tensor, Tensor, list[Tensor], dict[str, Tensor]]:
    """Value and gradients of this process's share, averaged over all processes as DDP does."""
    batch, encoder = Batch.draw(world * LOCAL), _encoder()
    model: nn.Module = encoder
    if world_size() > 1:
        batch = batch.part(slice(rank() * LOCAL, (rank() + 1) * LOCAL))
        model = nn.parallel.DistributedDataParallel(encoder)
    outcome = step(model, batch, *args)
    outcome.value.backward()
    value, gradients = outcome.value.detach().clone(), [p.grad for p in outcome.parameters]
    assert encoder.weight.grad is not None
    if world_size() > 1:
        for tensor in (value, *gradients):
            dist.all_reduce(tensor)
            tensor /= world
    return value, encoder.weight.grad, gradients, outcome.states


def assert_equal_to_one_process(pool: GlooPool, step: Step, *args: object) -> None:
    """Value, gradients and state of ``step`` in every process of the pool equal those of one process.

    Args:
        pool: from the fixture ``gloo_pool``.
        step: ``step(encoder, batch, *args) -> Outcome``, a function of a module, so that processes can import it. The
            batch is this process's share, or the joined one in a single process, where `core.distributed.GatheredLoss`
            is the loss that it wraps.
        *args: whatever can be pickled.
    """
    value, gradient, others, states = _measure(step, args, pool.world)
    for theirs in pool.run(_measure, step, args, pool.world):
        torch.testing.assert_close(theirs[0], value, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(theirs[1], gradient, rtol=1e-9, atol=1e-12)
        for found, expected in zip(theirs[2], others, strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)
        assert theirs[3].keys() == states.keys()
        for name, state in states.items():
            torch.testing.assert_close(theirs[3][name], state, rtol=1e-6, atol=1e-8)
