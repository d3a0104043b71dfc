"""Checks of what the public functions of `core.similarity` are given, and their arguments in one form."""

from typing import NamedTuple

import torch
from torch import Tensor

from core.checks import check_at_least, check_embeddings, check_positive

__all__ = ["Arguments", "check_columns", "prepare"]

# Entries up to which keeping the matrix was faster than tiles on two cores: 2048 x 2048 (16 MB in float32), and
# 1024 x 1024 where the keys need no gradient and tiles are formed once.
_PLAIN = 2**22
_PLAIN_FROZEN = 2**20
_CPU_TILE = 512  # a float32 tile of 1 MB and its scratch stay in the second-level cache
_DEVICE_TILE = 4096  # elsewhere fewer, larger launches


class Arguments(NamedTuple):
    """What was given, in one form.

    Attributes:
        inverse: 1 / temperature, a scalar or (n, 1), with gradient if the temperature has one.
        exclude: (n, e) column indices with -1 for none, or None.
        dtype: type of logits and sums, at least float32.
        matmul_dtype: type of the operands of products.
        plain: whether the whole matrix is so small that keeping it is faster than tiles, and no tile was asked for.
        tile: rows and columns of a tile.
    """

    inverse: Tensor
    exclude: Tensor | None
    dtype: torch.dtype
    matmul_dtype: torch.dtype
    plain: bool
    tile: int


def prepare(
    query: Tensor,
    key: Tensor,
    *,
    temperature: float | Tensor,
    exclude: Tensor | None,
    tile: int | None,
    matmul_dtype: torch.dtype | None,
    extra: Tensor | None = None,
) -> Arguments:
    """Check the arguments of the public functions and bring them into one form; errors are theirs."""
    _check_shapes(query, key, extra)
    if tile is not None:
        check_at_least("tile", tile, 1, "None chooses")
    if matmul_dtype not in (None, torch.bfloat16):
        raise TypeError(f"matmul_dtype must be None (the inputs' type) or torch.bfloat16, got {matmul_dtype}")
    dtype = torch.promote_types(torch.promote_types(query.dtype, key.dtype), torch.float32)
    return Arguments(
        inverse=_inverse_temperature(temperature, query, dtype),
        exclude=_checked_exclude(exclude, len(query), len(key), emptiable=extra is not None and extra.shape[1] > 0),
        dtype=dtype,
        matmul_dtype=dtype if matmul_dtype is None else matmul_dtype,
        plain=tile is None and len(query) * len(key) <= (_PLAIN if key.requires_grad else _PLAIN_FROZEN),
        tile=tile or (_CPU_TILE if query.device.type == "cpu" else _DEVICE_TILE),
    )


def _check_shapes(query: Tensor, key: Tensor, extra: Tensor | None) -> None:
    check_embeddings("query", query)
    check_embeddings("key", key)
    if query.shape[1] != key.shape[1]:
        raise ValueError(
            f"query and key must have the same width, got {query.shape[1]} and {key.shape[1]}; "
            "candidates are rows of key, so pass key, not key.T"
        )
    for name, rows in (("query", query), ("key", key)):
        check_at_least(f"the rows of {name}", len(rows), 1, "there would be nothing to sum")
    if extra is None:
        return
    check_embeddings("extra", extra, dims=(3,))
    if (extra.shape[0], extra.shape[2]) != tuple(query.shape):
        raise ValueError(
            f"extra must have shape (n, s, d) with n, d = {tuple(query.shape)} as in query, got {tuple(extra.shape)}; "
            "candidates that all rows share belong into key"
        )


def _inverse_temperature(temperature: float | Tensor, like: Tensor, dtype: torch.dtype) -> Tensor:
    if not isinstance(temperature, Tensor):
        check_positive("temperature", temperature, usual="0.05 to 0.5")
        return torch.tensor(1 / temperature, dtype=dtype, device=like.device)
    if not temperature.is_floating_point():
        raise TypeError(f"temperature must be a number or a floating tensor, got {temperature.dtype}")
    if temperature.shape not in ((), (len(like),)):
        raise ValueError(
            f"temperature must be one number or one per query, shape () or ({len(like)},), "
            f"got {tuple(temperature.shape)}"
        )
    if not bool(((temperature > 0) & (temperature < torch.inf)).all()):
        raise ValueError("temperature must be finite and > 0 in every row; usual values are 0.05 to 0.5")
    inverse = temperature.to(device=like.device, dtype=dtype).reciprocal()
    return inverse[:, None] if inverse.dim() else inverse


def _checked_exclude(exclude: Tensor | None, count: int, keys: int, *, emptiable: bool) -> Tensor | None:
    if exclude is None:
        return None
    if exclude.dtype != torch.int64:
        raise TypeError(f"exclude must be int64 column indices, got {exclude.dtype}; a mask is not taken")
    if exclude.dim() not in (1, 2) or len(exclude) != count:
        raise ValueError(f"exclude must have shape ({count},) or ({count}, e), got {tuple(exclude.shape)}")
    exclude = exclude.reshape(count, -1)
    if exclude.numel() == 0:
        return None
    if int(exclude.min()) < -1 or int(exclude.max()) >= keys:
        raise ValueError(
            f"exclude must hold column indices from 0 to {keys - 1}, or -1 for none, "
            f"got {int(exclude.min())} to {int(exclude.max())}"
        )
    if not emptiable and exclude.shape[1] >= keys:  # fewer slots than keys cannot name them all
        named = torch.zeros(count, keys + 1, dtype=torch.bool, device=exclude.device)
        named.scatter_(1, torch.where(exclude < 0, keys, exclude), True)  # the last column stands for "none"
        empty = named[:, :keys].all(1)
        if bool(empty.any()):
            raise ValueError(
                f"exclude leaves no candidate to row {int(empty.nonzero()[0])} (and {int(empty.sum()) - 1} more): "
                f"all {keys} keys are excluded; add keys or extra candidates, or drop the row"
            )
    return exclude


def check_columns(exclude: Tensor | None, count: int, keys: int) -> None:
    """Refuse a key that every one of the ``count`` queries excludes."""
    if exclude is None:
        return
    uses = torch.bincount(exclude[exclude >= 0], minlength=keys)
    suspects = (uses >= count).nonzero().squeeze(1)
    for column in suspects.tolist():  # a column that is named as often as there are rows: rare unless repeated
        if bool((exclude == column).any(1).all()):
            raise ValueError(f"exclude leaves no query to key {column}: all {count} queries exclude it; drop the key")
