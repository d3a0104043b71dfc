"""Losses over several processes: a gather whose backward is right, and a wrapper that uses it.

Each process scores its own anchors against the candidates of all. The gather's backward sums the gradients that all
processes send to a row, so after DDP has averaged parameter gradients the result is that of one process on the joined
batch. Gathers without gradient, or with the local block put back, lose the gradient through the other processes' keys.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float, Shaped
from torch import Tensor, nn

__all__ = ["GatheredLoss", "gather_with_grad", "joined_logsumexp", "rank", "world_size"]

MOST_AXES = 8
AVERAGES = ("mean", "official")
"""Reductions whose shares average to the whole."""


def world_size() -> int:
    """Number of processes; 1 where no process group is running."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Position of this process, 0 to ``world_size() - 1``."""
    return dist.get_rank() if world_size() > 1 else 0


class _Gather(torch.autograd.Function):
    """Joins along the first axis; the backward sums the gradients of all processes and returns the local rows."""

    @staticmethod
    def forward(ctx: Any, local: Tensor) -> Tensor:
        ctx.rows = len(local)
        parts = [torch.empty_like(local) for _ in range(world_size())]
        dist.all_gather(parts, local)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        total = grad.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total[rank() * ctx.rows : (rank() + 1) * ctx.rows]


def gather_with_grad(local: Shaped[Tensor, "..."], *, dim: int = 0) -> Shaped[Tensor, "..."]:
    """Join the tensors of all processes, in the order of their ranks; the tensor itself in a single process.

    The backward adds up the gradients of all processes and hands each its own part. Integers pass without gradient.

    Args:
        local: this process's part; the same shape everywhere, at most eight axes.
        dim: the axis to join along.

    Raises:
        ValueError: the parts differ in shape. Every process raises it.

    >>> x = torch.ones(2, 3)
    >>> gather_with_grad(x) is x
    True
    """
    if world_size() == 1:
        return local
    _check_equal_shapes(local)
    gathered: Tensor = _Gather.apply(local.movedim(dim, 0).contiguous())  # type: ignore[no-untyped-call]
    return gathered.movedim(0, dim)


def _check_equal_shapes(local: Tensor) -> None:
    # One vector of fixed length: tensors of different sizes must not meet in a collective.
    mine = torch.full((MOST_AXES,), -1, dtype=torch.int64, device=local.device)
    mine[: local.dim()] = torch.tensor(local.shape)
    theirs = [torch.empty_like(mine) for _ in range(world_size())]
    dist.all_gather(theirs, mine)
    shapes = [tuple(s for s in shape.tolist() if s >= 0) for shape in theirs]
    if len(set(shapes)) > 1:
        found = ", ".join(f"{shape} on rank {r}" for r, shape in enumerate(shapes))
        raise ValueError(f"every process must bring the same shape, got {found}; drop the last incomplete batch")


def joined_logsumexp(local: Float[Tensor, "..."], *, dim: int = 0) -> Float[Tensor, "..."]:
    """Log-sum-exp along an axis whose entries lie in several processes; ``logsumexp`` in a single one.

    Only the result of each process travels, so shares may differ in length. Differentiable, like the gather.

    Args:
        local: this process's share; the same shape everywhere, the summed axis aside.
        dim: the axis to sum over.

    Raises:
        ValueError: the other axes differ between processes. Every process raises it.

    >>> float(joined_logsumexp(torch.zeros(4)).exp())
    4.0
    """
    share = local.logsumexp(dim)
    return share if world_size() == 1 else gather_with_grad(share[None]).logsumexp(0)


class GatheredLoss(nn.Module):
    """A loss over the joined batch of all processes, each of which scores its own rows.

    The mean of the values over processes, and the DDP average of encoder gradients, equal the wrapped loss of one
    process on the joined batch. In a single process it is the wrapped loss.

    Args:
        loss: a module with ``reduction="mean"``. Where its ``forward`` takes ``rows``, the anchors to score, each
            process scores its own; a loss without anchors, such as Barlow Twins, is computed whole in every process,
            which costs time and changes nothing. A loss whose rows do not meet needs no gathering.

    Raises:
        ValueError: the loss has another reduction; sums and single terms are not averages over processes.

    >>> from core.losses import InfoNCELoss
    >>> loss = GatheredLoss(InfoNCELoss(temperature=1.0))
    >>> round(float(loss(torch.eye(2), torch.eye(2))), 4)
    0.3133
    """

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        if getattr(loss, "reduction", "mean") not in AVERAGES:
            raise ValueError(f"a gathered loss must have reduction='mean', got {loss.reduction!r}")
        self.loss = loss
        self._signature = inspect.signature(loss.forward)

    def forward(self, *batch: Tensor | Sequence[Tensor], **options: Any) -> Tensor:
        """The wrapped loss; what it takes by position is gathered, however it is passed, and so are ``ids``.

        Args:
            *batch: this process's rows, ``(n, ...)``, or ``(v, n, d)`` for stacked views; a list of such tensors is
                gathered tensor by tensor, None stays None.
            **options: the same by name, and the keyword-only arguments of the loss, which are passed on as they are:
                for instance ``negatives``, the same queue in every process, or ``(n, s, d)`` for the local anchors.
        """
        if world_size() == 1:
            value: Tensor = self.loss(*batch, **options)
            return value
        given = self._signature.bind(*batch, **options)
        kinds = self._signature.parameters
        first: Tensor | None = None
        for name, part in given.arguments.items():
            if name != "ids" and kinds[name].kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD:
                continue
            if first is None and part is not None:
                first = part if isinstance(part, Tensor) else part[0]
            given.arguments[name] = _joined(part)
        if "rows" in kinds and first is not None:
            count = first.shape[_row_axis(first)]
            given.arguments["rows"] = slice(rank() * count, (rank() + 1) * count)
        value = self.loss(*given.args, **given.kwargs)
        return value


def _row_axis(tensor: Tensor) -> int:
    return 1 if tensor.dim() == 3 else 0


def _joined(part: Tensor | Sequence[Tensor] | None) -> Tensor | list[Tensor] | None:
    if part is None:
        return None
    if isinstance(part, Tensor):
        return gather_with_grad(part, dim=_row_axis(part))
    return [gather_with_grad(tensor, dim=_row_axis(tensor)) for tensor in part]
