"""Node features as layers receive them: dense, sparse, or sparse with some rows hidden behind a token.

Bag-of-words features are 98 to 99 % zeros (Cora, Citeseer). Their first projection then costs less than any later
layer, if the zeros are never touched: dropout acts on the stored values, the weight's gradient on the stored columns.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding_bag, linear

from core.masking import NodeMask
from domains.graphs.models.dropout import dropout

__all__ = ["Features", "SparseFeatures", "TokenMasked", "drop", "mask_features", "num_rows", "project", "to_features"]

_DENSITY = 0.05  # below this share of non-zeros the sparse product is faster than the dense one


@dataclass(frozen=True, eq=False)
class SparseFeatures:
    """A CSR matrix of node features.

    Attributes:
        pointer: ``(n + 1,)`` int64, column ``(z,)`` int64, value ``(z,)`` float: the stored entries, row by row.
        width: number of columns.
    """

    pointer: Int64[Tensor, " rows"]
    column: Int64[Tensor, " z"]
    value: Float[Tensor, " z"]
    width: int

    @cached_property
    def row(self) -> Int64[Tensor, " z"]:
        """Row of each stored entry."""
        size = self.pointer[1:] - self.pointer[:-1]
        return torch.repeat_interleave(torch.arange(size.numel(), device=size.device), size)

    @cached_property
    def by_column(self) -> tuple[Tensor, Tensor]:
        """Entry numbers grouped by column, and the pointer over the columns: the order of the weight's gradient."""
        pointer = torch.zeros(self.width + 1, dtype=torch.int64, device=self.column.device)
        torch.cumsum(torch.bincount(self.column, minlength=self.width), 0, out=pointer[1:])
        return torch.argsort(self.column, stable=True), pointer

    def rows(self, index: Int64[Tensor, " k"]) -> "SparseFeatures":
        """The rows at ``index``, in that order; a negative number stands for an empty row."""
        size = self.pointer[1:] - self.pointer[:-1]
        size = torch.where(index < 0, 0, size[index.clamp(min=0)])
        pointer = torch.zeros(index.numel() + 1, dtype=torch.int64, device=index.device)
        torch.cumsum(size, 0, out=pointer[1:])
        row = torch.repeat_interleave(torch.arange(index.numel(), device=index.device), size)
        entry = torch.arange(row.numel(), device=index.device) - pointer[row] + self.pointer[index[row]]
        return SparseFeatures(pointer, self.column[entry], self.value[entry], self.width)

    def drop(self, rate: float, generator: torch.Generator | None) -> "SparseFeatures":
        """Dropout; what is zero stays zero, so only stored values are drawn for."""
        return SparseFeatures(self.pointer, self.column, dropout(self.value, rate, generator), self.width)

    def project(self, weight: Float[Tensor, "out d"]) -> Float[Tensor, "n out"]:
        """``X W'`` as ``torch.nn.functional.linear`` means it; gradient to the weight."""
        result: Tensor = _SparseLinear.apply(weight, self)  # type: ignore[no-untyped-call]
        return result

    def dense(self) -> Float[Tensor, "n d"]:
        """The full matrix."""
        out = self.value.new_zeros(self.pointer.numel() - 1, self.width)
        return out.index_put_((self.row, self.column), self.value, accumulate=True)


class _SparseLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, features: SparseFeatures) -> Tensor:
        ctx.features = features
        table = weight.t().contiguous()
        return embedding_bag(
            features.column, table, features.pointer[:-1], mode="sum", per_sample_weights=features.value
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        features: SparseFeatures = ctx.features
        order, pointer = features.by_column
        transposed = embedding_bag(
            features.row[order],
            gradient.contiguous(),
            pointer[:-1],
            mode="sum",
            per_sample_weights=features.value[order],
        )
        return transposed.t(), None


@dataclass(frozen=True, eq=False)
class TokenMasked:
    """Sparse features of which some rows show a learnable token instead.

    Attributes:
        sparse: all rows; those of ``index`` are empty.
        token: ``(k, d)`` what the hidden rows show, one row each (an expanded view until dropout makes them differ).
        index: ``(k,)`` hidden rows.
    """

    sparse: SparseFeatures
    token: Float[Tensor, "k d"]
    index: Int64[Tensor, " k"]

    def drop(self, rate: float, generator: torch.Generator | None) -> "TokenMasked":
        """Dropout on the stored values and, for each hidden row on its own, on the token."""
        return TokenMasked(self.sparse.drop(rate, generator), dropout(self.token, rate, generator), self.index)

    def project(self, weight: Float[Tensor, "out d"]) -> Float[Tensor, "n out"]:
        """``X W'``."""
        return self.sparse.project(weight).index_add(0, self.index, linear(self.token, weight))

    def dense(self) -> Float[Tensor, "n d"]:
        """The full matrix."""
        return self.sparse.dense().index_copy(0, self.index, self.token)


Features = Tensor | SparseFeatures | TokenMasked


def to_features(x: Tensor) -> Tensor | SparseFeatures:
    """Dense or ``torch.sparse_csr`` features in the form that is faster for them."""
    if x.layout == torch.sparse_csr:
        filled = x.values().numel() / max(1, x.shape[0] * x.shape[1])
        if filled > _DENSITY:
            return x.to_dense()
        return SparseFeatures(x.crow_indices().long(), x.col_indices().long(), x.values(), x.shape[1])
    row, column = x.nonzero(as_tuple=True)
    if row.numel() > _DENSITY * x.numel():
        return x
    pointer = torch.zeros(x.shape[0] + 1, dtype=torch.int64, device=x.device)
    torch.cumsum(torch.bincount(row, minlength=x.shape[0]), 0, out=pointer[1:])
    return SparseFeatures(pointer, column, x[row, column], x.shape[1])


def mask_features(x: Tensor | SparseFeatures, mask: NodeMask, token: Float[Tensor, "1 d"]) -> Features:
    """Hide the nodes of ``mask``: token rows show ``token``, noise rows another node's features."""
    if isinstance(x, Tensor):
        return mask.apply(x, token)
    index = torch.arange(x.pointer.numel() - 1, device=x.pointer.device)
    index[mask.noise_index] = mask.noise_source
    index[mask.token_index] = -1
    return TokenMasked(x.rows(index), token.expand(len(mask.token_index), -1), mask.token_index)


def drop(x: Features, rate: float, generator: torch.Generator | None) -> Features:
    """Dropout on any kind of features."""
    if rate == 0.0:
        return x
    return dropout(x, rate, generator) if isinstance(x, Tensor) else x.drop(rate, generator)


def project(x: Features, weight: Float[Tensor, "out d"]) -> Float[Tensor, "n out"]:
    """``X W'`` for any kind of features."""
    return linear(x, weight) if isinstance(x, Tensor) else x.project(weight)


def num_rows(x: Features) -> int:
    """Number of nodes."""
    if isinstance(x, Tensor):
        return int(x.shape[0])
    sparse = x.sparse if isinstance(x, TokenMasked) else x
    return int(sparse.pointer.numel()) - 1
