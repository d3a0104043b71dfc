"""Logits of candidates that belong to one row alone."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from core.similarity.backward import plain_backward

__all__ = ["own_logits"]


class _OwnLogits(torch.autograd.Function):
    """``<rows_i, extra_is>`` as (n, s); an autograd function only so that autocast cannot round its backward pass."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, extra: Tensor) -> Tensor:
        ctx.save_for_backward(rows, extra)
        return torch.bmm(extra, rows[:, :, None]).squeeze(2)

    @staticmethod
    @plain_backward
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        rows, extra = ctx.saved_tensors
        grad_rows = grad_extra = None
        if ctx.needs_input_grad[0]:
            grad_rows = torch.bmm(grad[:, None], extra).squeeze(1)
        if ctx.needs_input_grad[1]:
            grad_extra = grad[:, :, None] * rows[:, None]
        return grad_rows, grad_extra


own_logits: Callable[[Tensor, Tensor], Tensor] = _OwnLogits.apply
"""``(rows (n, d), extra (n, s, d))`` to the logits (n, s)."""
