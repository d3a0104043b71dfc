"""A module whose buffers keep the precision that they were made in."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["LastingState"]


class LastingState(nn.Module):
    """Base of queues and per-sample states: ``.half()`` and ``.bfloat16()`` pass them over, devices do not.

    A moving average in bfloat16 stops as soon as its steps are below 1/256 of it, and a queue would round what losses
    read in float32. So a model that is cast as a whole, as the precision "bf16-true" does, keeps these buffers.

    >>> state = LastingState()
    >>> state.register_buffer("log_partition", torch.zeros(3)); state.half().log_partition.dtype
    torch.float32
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "LastingState":
        kept = dict(self._buffers)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, before in kept.items():
            after = self._buffers[name]
            if before is None or after is None:
                continue
            if torch.promote_types(before.dtype, after.dtype) != after.dtype:  # it was narrowed
                self._buffers[name] = before.to(after.device)
        return self
