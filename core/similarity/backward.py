"""What the backward passes of the kernels have in common."""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["plain_backward", "scale_of_rows"]


def plain_backward(backward: Callable[..., tuple[Tensor | None, ...]]) -> Callable[..., tuple[Tensor | None, ...]]:
    """Run a backward pass outside autocast, free of denormal numbers, and refuse to be differentiated a second time.

    Incoming gradients are divided by their largest entry for the pass, and entries below about 1e-16 of it (float32)
    become 0: at low temperatures the gradients of learnt pairs sink to 1e-38, and processors take a hundred times
    longer over denormal numbers.

    ``torch.autograd.function.once_differentiable`` treats the gradient as a constant wherever the incoming one is, so
    a second derivative through a mean would be wrong in silence. Here ``create_graph=True`` is an error.
    """

    @functools.wraps(backward)
    def run(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise RuntimeError(
                "similarity_logsumexp is differentiable once, so create_graph=True does not work; "
                "for second derivatives take (query @ key.T / temperature).logsumexp(1)"
            )
        with torch.autocast(grads[0].device.type, enabled=False):
            peak = torch.stack([grad.abs().amax() for grad in grads]).amax()
            peak = torch.where(peak > 0, peak, 1)
            least = torch.finfo(peak.dtype).tiny ** 0.42
            relative = [torch.nn.functional.hardshrink(grad / peak, least) for grad in grads]
            return tuple(None if result is None else result.mul_(peak) for result in backward(ctx, *relative))

    return run


def scale_of_rows(grad: Tensor, total: Tensor) -> Tensor:
    """What exp(S - maximum) is multiplied by to become a row's gradient; 0 in rows without candidates."""
    return torch.where(total > 0, grad / total, 0)
