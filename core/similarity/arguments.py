"""Checks of what :func:`core.similarity.similarity_logsumexp` is given, and its arguments in one form."""

import torch
from torch import Tensor

from core.checks import check_at_least, check_embeddings, check_positive

__all__ = [
    "check_columns",
    "check_options",
    "check_shapes",
    "checked_exclude",
    "inverse_temperature",
    "plain_is_faster",
    "tile_size",
    "working_types",
]

# Entries up to which keeping the matrix was faster than tiles on two cores: 2048 x 2048 (16 MB in float32), and
# 1024 x 1024 where the keys need no gradient and tiles are formed once.
_PLAIN = 2**22
_PLAIN_FROZEN = 2**20
_CPU_TILE = 512  # a float32 tile of 1 MB and its scratch stay in the second-level cache
_DEVICE_TILE = 4096  # elsewhere fewer, larger launches


def check_shapes(query: Tensor, key: Tensor, extra: Tensor | None) -> None:
    """Refuse embeddings that are not floating, not of one width, or leave nothing to sum over."""
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


def check_options(tile: int | None, matmul_dtype: torch.dtype | None) -> None:
    """Refuse a tile below 1 and a type of products that is not offered."""
    if tile is not None:
        check_at_least("tile", tile, 1, "None chooses")
    if matmul_dtype not in (None, torch.bfloat16):
        raise TypeError(f"matmul_dtype must be None (the inputs' type) or torch.bfloat16, got {matmul_dtype}")


def plain_is_faster(query: Tensor, key: Tensor) -> bool:
    """Whether the whole matrix is so small that keeping it is faster than tiles."""
    return len(query) * len(key) <= (_PLAIN if key.requires_grad else _PLAIN_FROZEN)


def tile_size(query: Tensor) -> int:
    """Rows and columns of a tile where the caller leaves the choice."""
    return _CPU_TILE if query.device.type == "cpu" else _DEVICE_TILE


def working_types(query: Tensor, key: Tensor, matmul_dtype: torch.dtype | None) -> tuple[torch.dtype, torch.dtype]:
    """The type of logits and sums, at least float32, and the type of the operands of products."""
    dtype = torch.promote_types(torch.promote_types(query.dtype, key.dtype), torch.float32)
    return dtype, dtype if matmul_dtype is None else matmul_dtype


def inverse_temperature(temperature: float | Tensor, like: Tensor, dtype: torch.dtype) -> Tensor:
    """1 / temperature as a scalar or (n, 1) tensor on the device of ``like``, with gradient if there is one.

    Raises:
        TypeError: an integer tensor.
        ValueError: not finite and above 0, or neither one number nor one per row of ``like``.
    """
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


def checked_exclude(exclude: Tensor | None, count: int, keys: int, *, emptiable: bool) -> Tensor | None:
    """The excluded columns as (n, e).

    Args:
        exclude: (n,) or (n, e) int64, -1 for none.
        count: number of queries, n.
        keys: number of keys, m.
        emptiable: whether a row may lose all its keys, because it has candidates of its own.

    Raises:
        TypeError: not int64.
        ValueError: another shape, an index outside -1 .. m - 1, or a row without any candidate.
    """
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
