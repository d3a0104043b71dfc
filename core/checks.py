"""Checks of arguments that losses, heads and samplers share: one wording for one mistake.

PyTorch is imported by those that look at tensors, when they do: settings without tensors are checked here too, in
commands that would wait for it.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "check_at_least",
    "check_choice",
    "check_embeddings",
    "check_labels",
    "check_not_negative",
    "check_paired",
    "check_positive",
    "check_rate",
    "check_targets",
    "check_temperature",
]


def check_embeddings(name: str, value: Tensor, *, dims: Collection[int] = (2,)) -> None:
    """Refuse what is not a floating tensor with the right number of axes and a width of at least 1.

    Args:
        name: the argument's name, for the message.
        value: what came.
        dims: the numbers of axes that are allowed.

    Raises:
        TypeError: not a tensor, or not of a floating type.
        ValueError: another number of axes, or rows of width 0.

    >>> import torch
    >>> check_embeddings("query", torch.ones(3, 2, dtype=torch.long))
    Traceback (most recent call last):
    TypeError: query must be a floating tensor, got torch.int64; convert it with .float()
    """
    from torch import Tensor

    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}")
    if not value.is_floating_point():
        raise TypeError(f"{name} must be a floating tensor, got {value.dtype}; convert it with .float()")
    if value.dim() not in dims:
        allowed = " or ".join(str(d) for d in dims)
        raise ValueError(f"{name} must have {allowed} axes, the last one the width, got shape {tuple(value.shape)}")
    if value.shape[-1] == 0:
        raise ValueError(f"{name} has rows of width 0 (shape {tuple(value.shape)})")


def check_paired(first: Tensor, second: Tensor, names: tuple[str, str] = ("query", "key")) -> None:
    """Refuse two batches that are not aligned row by row: row i of one is the positive of row i of the other.

    Raises:
        TypeError: not floating tensors.
        ValueError: not 2-D, or of different shapes.
    """
    check_embeddings(names[0], first)
    check_embeddings(names[1], second)
    if first.shape != second.shape:
        raise ValueError(
            f"{names[0]} and {names[1]} must have the same shape, because their rows are pairs; "
            f"got {tuple(first.shape)} and {tuple(second.shape)}"
        )


def check_labels(labels: Tensor, count: int, *, name: str = "labels") -> None:
    """Refuse labels that are not one int64 per row.

    Raises:
        TypeError: not int64.
        ValueError: not of shape ``(count,)``.
    """
    import torch

    if not isinstance(labels, torch.Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(labels).__name__}; pass torch.as_tensor({name})")
    if labels.dtype != torch.int64:
        raise TypeError(f"{name} must be int64, got {labels.dtype}; convert them with .long()")
    if labels.shape != (count,):
        raise ValueError(f"{name} must have shape ({count},), one per row, got {tuple(labels.shape)}")


def check_targets(targets: Tensor, count: int, *, name: str = "targets") -> None:
    """Refuse regression targets that are not one finite number per row; a last axis of length 1 is allowed.

    Raises:
        TypeError: not of a floating type.
        ValueError: not of shape ``(count,)`` or ``(count, 1)``, or a number that is infinite or NaN.
    """
    if not targets.is_floating_point():
        raise TypeError(f"{name} must be a floating tensor, got {targets.dtype}; convert with .float()")
    if targets.shape not in ((count,), (count, 1)):
        raise ValueError(
            f"{name} must have shape ({count},) or ({count}, 1), one number per row, got {tuple(targets.shape)}"
        )
    wrong = (~targets.isfinite()).flatten()
    if bool(wrong.any()):
        row = int(wrong.nonzero()[0])
        raise ValueError(
            f"{name} must be finite, got {float(targets.flatten()[row])} in row {row} ({int(wrong.sum())} such rows)"
        )


def check_temperature(value: float | Tensor) -> None:
    """Refuse a temperature that is not a positive finite number or a positive scalar tensor.

    Raises:
        ValueError: zero, negative, infinite or NaN, or a tensor with axes.
    """
    from torch import Tensor

    if isinstance(value, Tensor) and value.dim():
        raise ValueError(f"temperature must be a number or a scalar tensor, got shape {tuple(value.shape)}")
    check_positive("temperature", value.detach().item() if isinstance(value, Tensor) else value, usual="0.05 to 0.5")


def check_positive(name: str, value: float, *, usual: str = "") -> None:
    """Refuse what is not finite and above 0; ``usual`` names values that people take.

    Raises:
        ValueError: with the name, what is allowed and what came.
    """
    if not (math.isfinite(value) and value > 0):
        hint = f"; usual values are {usual}" if usual else ""
        raise ValueError(f"{name} must be finite and > 0, got {value!r}{hint}")


def check_not_negative(name: str, value: float) -> None:
    """Refuse what is not finite and at least 0, as weights of terms must be.

    Raises:
        ValueError: with the name, what is allowed and what came.
    """
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be finite and >= 0, got {value!r}")


def check_at_least(name: str, value: int, least: int, why: str = "") -> None:
    """Refuse a count below ``least``; ``why`` ends the message.

    Raises:
        ValueError: with the name, what is allowed and what came.
    """
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}{': ' + why if why else ''}")


def check_rate(name: str, value: float, *, zero: bool = True) -> None:
    """Refuse a share outside [0, 1), or outside (0, 1) where ``zero`` is not allowed.

    Raises:
        ValueError: with the name, what is allowed and what came.
    """
    if not (0 <= value < 1) or (value == 0 and not zero):
        raise ValueError(f"{name} must be in {'[' if zero else '('}0, 1), got {value!r}")


def check_choice(name: str, value: str | None, allowed: Collection[str | None]) -> None:
    """Refuse a word that is not one of ``allowed``.

    Raises:
        ValueError: with the name, the words allowed and what came.
    """
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(repr(a) for a in allowed)}, got {value!r}")
