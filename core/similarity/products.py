"""Blocks of rows, and matrix products in a chosen precision."""

import torch
from torch import Tensor

__all__ = ["add_product", "blocks", "multiply", "product_into"]


def blocks(values: Tensor, size: int) -> list[Tensor]:
    """Views of ``size`` consecutive rows each; the last may be shorter."""
    return [values[first : first + size] for first in range(0, len(values), size)]


def multiply(left: Tensor, right: Tensor, dtype: torch.dtype) -> Tensor:
    """``left @ right`` in the type of the operands, as a new tensor of type ``dtype``."""
    return torch.mm(left, right).to(dtype)


def product_into(out: Tensor, left: Tensor, right: Tensor) -> None:
    """``out = left @ right``, multiplied in the type of the operands, without a new tensor where that is ``out``'s."""
    if left.dtype == out.dtype:
        torch.mm(left, right, out=out)
    else:
        out.copy_(torch.mm(left, right))


def add_product(out: Tensor, weights: Tensor, rows: Tensor) -> None:
    """``out += weights @ rows``, multiplied in the type of the rows and summed in that of ``out``."""
    if rows.dtype == out.dtype:
        out.addmm_(weights, rows)
    else:
        out.add_(torch.mm(weights.to(rows.dtype), rows))
