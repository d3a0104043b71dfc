"""Logits of a block of rows against all keys, for losses that weigh single pairs and so cannot take the kernel."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from core.similarity.backward import plain_backward

__all__ = ["block_logits"]


class _BlockLogits(torch.autograd.Function):
    """``rows @ keys.T``; an autograd function only so that autocast cannot round its backward pass."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, keys: Tensor) -> Tensor:
        ctx.save_for_backward(rows, keys)
        with torch.autocast(rows.device.type, enabled=False):
            return rows @ keys.T

    @staticmethod
    @plain_backward
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        rows, keys = ctx.saved_tensors
        grad_rows = grad @ keys if ctx.needs_input_grad[0] else None
        grad_keys = grad.T @ rows if ctx.needs_input_grad[1] else None
        return grad_rows, grad_keys


block_logits: Callable[[Tensor, Tensor], Tensor] = _BlockLogits.apply
"""``(rows (b, d), keys (m, d))`` of one type to their inner products (b, m), which the caller's block holds."""
