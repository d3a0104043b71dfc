"""A head with no learned weights: feature i times kappa^-i, so that the loss weighs features unevenly."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.checks import check_at_least, check_choice, check_embeddings
from core.losses.normalisation import full_precision

__all__ = ["ReweightingHead"]

LARGEST = 709.0
"""exp of more is infinite in float64."""


class ReweightingHead(nn.Module):
    """Multiplies feature i by kappa^-i, i = 0 .. dim - 1. Train the loss on its output, use what goes into it.

    Xue et al. 2024, arXiv 2403.11391: a projection head weighs features more unevenly than the layer below, and this
    fixed diagonal has the same effect without parameters. Before a cosine only the ratios of weights matter. Keep the
    order of the features: it means nothing at the start and something after training.

    Give the ratio of first to last weight, or kappa; kappa = ratio^(1 / (dim - 1)). With a given kappa look at the
    ratio that it makes: the released 1.05 spans 1e43 over 2048 features, more than float32 holds, and all features but
    the first few hundred get next to no gradient.

    Args:
        dim: number of features, >= 1.
        kappa: > 1; 1.05 in the released training script.
        ratio: > 1, first weight by last; 1000 if neither is given.

    Shape:
        ``(..., dim)`` to the same, in float32 or better.

    Attributes:
        weights: the diagonal, in float64.
        kappa: as given, or as it follows.
        ratio: as given, or as it follows.

    Raises:
        TypeError: integer features.
        ValueError: both kappa and ratio, one that is not finite and > 1, another width.

    Relations:
        The identity as kappa goes to 1; the gradient of feature i is multiplied by kappa^-i too.

    >>> ReweightingHead(4, ratio=8.0)(torch.ones(1, 4)).tolist()
    [[1.0, 0.5, 0.25, 0.125]]
    """

    stages = ("backbone", "projection")
    """What `encode` can be asked for, from input to output."""

    def __init__(self, dim: int, kappa: float | None = None, ratio: float | None = None) -> None:
        super().__init__()
        check_at_least("dim", dim, 1)
        if kappa is not None and ratio is not None:
            raise ValueError(f"give kappa or ratio, not both: each follows from the other; got {kappa!r} and {ratio!r}")
        for name, value in (("kappa", kappa), ("ratio", ratio)):
            if value is not None and not (math.isfinite(value) and value > 1):
                raise ValueError(f"{name} must be finite and > 1, got {value!r}; ratio=1000 is a start")
        self.dim = dim
        rate = math.log(1000.0 if ratio is None else ratio) / max(dim - 1, 1) if kappa is None else math.log(kappa)
        self._rate = rate
        self.kappa = math.exp(rate) if kappa is None else kappa
        span = rate * (dim - 1)
        self.ratio = math.exp(span) if span < LARGEST else math.inf

    @property
    def weights(self) -> Float[Tensor, " dim"]:
        """kappa^-i, from 1 down."""
        return self._weights(torch.float64, torch.device("cpu"))

    def _weights(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        # Not a buffer: a model in half precision would round it, and there is nothing to save.
        return (torch.arange(self.dim, dtype=dtype, device=device) * -self._rate).exp()

    def extra_repr(self) -> str:
        """Width, kappa, and the ratio of first to last weight."""
        return f"dim={self.dim}, kappa={self.kappa:.6g}, ratio={self.ratio:.6g}"

    def encode(self, x: Float[Tensor, "*batch d"], stage: str = "projection") -> Float[Tensor, "*batch d"]:
        """The feature before or after the weights.

        Args:
            x: encoder output.
            stage: "backbone" (``x`` itself) or "projection".

        Raises:
            TypeError: integer features.
            ValueError: an unknown stage, another width.
        """
        check_choice("stage", stage, self.stages)
        check_embeddings("x", x, dims=(max(x.dim(), 1),))
        if x.shape[-1] != self.dim:
            raise ValueError(f"x must have dim={self.dim} features, got shape {tuple(x.shape)}")
        if stage == "backbone":
            return x
        x = full_precision(x)
        return x * self._weights(x.dtype, x.device)

    def forward(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        """The reweighted features."""
        return self.encode(x)
