"""What mutual information machines are given: one log-density a sample, from models that they do not hold."""

from torch import Tensor

__all__ = ["check_densities"]


def check_densities(**densities: Tensor) -> None:
    """Refuse what is not one floating number a sample, for the same samples in every argument.

    Raises:
        TypeError: not of a floating type.
        ValueError: not of shape ``(n,)``, no samples, or different numbers of them.

    >>> import torch
    >>> check_densities(log_qz=torch.zeros(4, 2))
    Traceback (most recent call last):
    ValueError: log_qz must have shape (n,), one number a sample, got (4, 2); sum over the other axes
    """
    count = None
    for name, value in densities.items():
        if not value.is_floating_point():
            raise TypeError(f"{name} must be a floating tensor, got {value.dtype}")
        if value.dim() != 1 or not len(value):
            raise ValueError(
                f"{name} must have shape (n,), one number a sample, got {tuple(value.shape)}; sum over the other axes"
            )
        count = len(value) if count is None else count
        if len(value) != count:
            raise ValueError(f"{name} must have {count} numbers, as {next(iter(densities))} has, got {len(value)}")
