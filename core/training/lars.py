"""LARS: SGD whose step in each tensor is scaled by the tensor's norm over its gradient's."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from core.checks import check_not_negative, check_positive, check_rate

__all__ = ["LARS"]


class LARS(torch.optim.Optimizer):
    """Layer-wise adaptive rate scaling.

    You et al. 2017, arXiv 1708.03888, as SimCLR and BYOL use it: with weight w, gradient g and weight decay b,
    ``d = (g + b w) * eta |w| / |g + b w|``, then ``m <- momentum m + d; w <- w - lr m``. Tensors with one axis (biases,
    BatchNorm) are plain SGD with momentum and without weight decay, as is usual for self-supervised training. The paper
    has |g| + b |w| below the fraction; SimCLR's code, which this follows, has |g + b w|.

    Args:
        params: parameters, or groups of them.
        lr: learning rate, > 0.
        momentum: in [0, 1).
        weight_decay: b, >= 0.
        eta: trust coefficient, > 0; SimCLR 0.001, solo-learn's CIFAR recipes 0.02.
        clip: scale by min(1, eta |w| / (lr |g + b w|)), so that no tensor moves by more than plain SGD would; LARC and
            solo-learn's recipes clip.

    Raises:
        ValueError: a value out of range.

    >>> w = torch.nn.Parameter(torch.tensor([[3.0, 4.0]])); w.grad = torch.tensor([[0.0, 2.0]])
    >>> LARS([w], lr=1.0, momentum=0.0, eta=0.1).step(); w.data
    tensor([[3.0000, 3.5000]])
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        eta: float = 0.001,
        clip: bool = False,
    ) -> None:
        check_positive("lr", lr)
        check_rate("momentum", momentum)
        check_not_negative("weight_decay", weight_decay)
        check_positive("eta", eta)
        settings = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "eta": eta, "clip": clip}
        super().__init__(params, settings)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update; returns what ``closure`` does."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, weight.grad, group)
        return loss

    def _update(self, weight: Tensor, direction: Tensor, group: dict[str, Any]) -> None:
        if weight.dim() > 1:
            direction = direction.add(weight, alpha=group["weight_decay"])
            size, slope = weight.norm(), direction.norm()
            trust = torch.where((size > 0) & (slope > 0), group["eta"] * size / slope, torch.ones_like(size))
            if group["clip"]:
                trust = (trust / group["lr"]).clamp(max=1)
            direction = direction * trust
        state = self.state[weight]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(weight)
        weight.sub_(state["momentum"].mul_(group["momentum"]).add_(direction), alpha=group["lr"])
