"""Dropout whose draws come from a generator that the caller owns."""

import torch
from torch import Tensor

__all__ = ["dropout"]

_LEVELS = 1 << 16


def dropout(x: Tensor, rate: float, generator: torch.Generator | None) -> Tensor:
    """Zero each element with probability ``rate`` and divide the others by ``1 - rate``.

    Four elements share one 64-bit draw, 16 bits each: a quarter of the time of ``bernoulli_``, which draws once per
    element on one core. The rate is therefore a multiple of 1/65536, and the divisor is the rate that was drawn.

    Args:
        x: any floating tensor.
        rate: in [0, 1); 0 returns ``x`` itself. Callers pass 0 outside training.
        generator: CPU generator of the draws; None takes torch's default one.

    >>> dropout(torch.ones(4), 0.0, None)
    tensor([1., 1., 1., 1.])
    """
    cut = round(rate * _LEVELS)
    if cut == 0:
        return x
    count = x.numel()
    draws = torch.empty((count + 3) // 4, dtype=torch.int64).random_(-(2**63), None, generator=generator)
    kept = draws.view(torch.int16)[:count] >= cut - _LEVELS // 2
    factor = kept.view(x.shape).to(x.dtype).mul_(_LEVELS / (_LEVELS - cut))
    return x * factor.to(x.device)
