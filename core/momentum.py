"""A slow copy of an encoder: the exponential moving average of its parameters."""

import copy
import math
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from core.checks import check_at_least, check_choice

__all__ = ["MomentumEncoder"]

Schedule = Literal["constant", "cosine"]


class MomentumEncoder(nn.Module):
    """The key or target encoder of MoCo, BYOL and BGRL.

    MoCo, arXiv 1911.05722, eq. 2: ``target <- m target + (1 - m) online``. BYOL, arXiv 2006.07733, lets m rise to 1
    over K steps: ``m_k = 1 - (1 - m) (cos(pi k / K) + 1) / 2``. Only parameters are averaged. Buffers (BatchNorm's) are
    copied from the online encoder at each update; MoCo's code leaves the key encoder's own, which its training-mode
    forward passes move.

    Args:
        encoder: copied; the copy gets no gradient.
        momentum: m in [0, 1]; MoCo 0.999, BYOL 0.996, BGRL 0.99.
        schedule: "constant", or "cosine" as in BYOL.
        total_steps: K, updates until m is 1; only for "cosine".

    Raises:
        ValueError: momentum outside [0, 1], an unknown schedule, ``total_steps`` missing or useless.

    >>> online = nn.Linear(2, 1)
    >>> target = MomentumEncoder(online, momentum=0.9)
    >>> target.update(online); int(target.steps)
    1
    """

    steps: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        *,
        momentum: float = 0.999,
        schedule: Schedule = "constant",
        total_steps: int | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= momentum <= 1:
            raise ValueError(f"momentum must be in [0, 1], got {momentum!r}; usual values are 0.99 to 0.999")
        check_choice("schedule", schedule, get_args(Schedule))
        if (schedule == "cosine") != (total_steps is not None):
            raise ValueError(f"total_steps belongs to schedule='cosine', got {total_steps!r} with {schedule!r}")
        if total_steps is not None:
            check_at_least("total_steps", total_steps, 1)
        self.base_momentum = momentum
        self.total_steps = total_steps
        self.encoder = copy.deepcopy(encoder).requires_grad_(False)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    @property
    def momentum(self) -> float:
        """The m that the next update takes."""
        if self.total_steps is None:
            return self.base_momentum
        done = min(int(self.steps) / self.total_steps, 1.0)
        return 1 - (1 - self.base_momentum) * (math.cos(math.pi * done) + 1) / 2

    @torch.no_grad()
    def update(self, encoder: nn.Module) -> None:
        """Move towards the online encoder, once per optimizer step and after it.

        Args:
            encoder: the online encoder, of the same structure as the copied one.

        Raises:
            ValueError: parameters or buffers that do not match, named.
        """
        mine, theirs = self.encoder.state_dict(keep_vars=True), encoder.state_dict(keep_vars=True)
        odd = sorted(
            set(mine) ^ set(theirs) or {name for name, value in mine.items() if value.shape != theirs[name].shape}
        )
        if odd:
            raise ValueError(f"the encoder does not match the copy it shall update, at: {', '.join(odd[:5])}")
        weight = 1 - self.momentum
        averaged = dict(self.encoder.named_parameters(remove_duplicate=False))
        done = set()
        for name, value in mine.items():
            if id(value) in done:  # a tied parameter has several names but moves once
                continue
            done.add(id(value))
            if name in averaged:
                value.lerp_(theirs[name], weight)
            else:
                value.copy_(theirs[name])
        self.steps += 1

    @torch.no_grad()
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the slow encoder says, without gradient."""
        return self.encoder(*args, **kwargs)
