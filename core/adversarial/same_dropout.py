"""One dropout mask for all passes over a batch, so that only the perturbation differs between them."""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["SameDropout"]


class SameDropout:
    """Calls a model with the random state that it had at the first call.

    Make one for each batch and use it for the clean and for all adversarial passes. Afterwards torch's random state is
    as if the model had been called once.

    Args:
        forward: the model, or any function of a tensor that draws from torch's default generators.

    >>> forward = SameDropout(torch.nn.Dropout(0.5))
    >>> x = torch.ones(4, 8)
    >>> torch.equal(forward(x), forward(x))
    True
    """

    def __init__(self, forward: Callable[[Tensor], Tensor]) -> None:
        self.forward = forward
        self._start: list[Tensor] | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """What the model says of x."""
        now = _states(x.device)
        if self._start is None:
            self._start = now
            return self.forward(x)
        _restore(self._start, x.device)
        try:
            return self.forward(x)
        finally:
            _restore(now, x.device)


def _states(device: torch.device) -> list[Tensor]:
    own = [] if device.type == "cpu" else [torch.get_device_module(device).get_rng_state(device)]
    return [torch.get_rng_state(), *own]


def _restore(states: list[Tensor], device: torch.device) -> None:
    torch.set_rng_state(states[0])
    if len(states) > 1:
        torch.get_device_module(device).set_rng_state(states[1], device)
