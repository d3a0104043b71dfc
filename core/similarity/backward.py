"""What the backward passes of the kernels have in common."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

__all__ = ["plain_backward", "scale_of_rows"]

R = TypeVar("R")


def plain_backward(backward: Callable[[Any, Tensor], R]) -> Callable[[Any, Tensor], R]:
    """Run a backward pass outside autocast, and refuse to be differentiated a second time.

    ``torch.autograd.function.once_differentiable`` treats the gradient as a constant wherever the incoming one is, so
    a second derivative through a mean would be wrong in silence. Here ``create_graph=True`` is an error.
    """

    @functools.wraps(backward)
    def run(ctx: Any, grad: Tensor) -> R:
        if torch.is_grad_enabled():
            raise RuntimeError(
                "similarity_logsumexp is differentiable once, so create_graph=True does not work; "
                "for second derivatives take (query @ key.T / temperature).logsumexp(1)"
            )
        with torch.autocast(grad.device.type, enabled=False):
            return backward(ctx, grad)

    return run


def scale_of_rows(grad: Tensor, total: Tensor) -> Tensor:
    """What exp(S - maximum) is multiplied by to become a row's gradient; 0 in rows without candidates."""
    return torch.where(total > 0, grad / total, 0)
