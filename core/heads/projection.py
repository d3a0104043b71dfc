"""Heads between encoder and loss: projection, and the predictor of methods without negatives."""

import re
from itertools import pairwise
from typing import Literal, get_args

from jaxtyping import Float
from torch import Tensor, nn

from core.checks import check_at_least, check_choice
from core.heads.activation import make_activation

__all__ = ["PredictionHead", "ProjectionHead"]

Norm = Literal["batch", "layer"]
Init = Literal["default", "identity"]
NORMS: dict[str, type[nn.BatchNorm1d] | type[nn.LayerNorm]] = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


class ProjectionHead(nn.Module):
    """A small MLP whose output the loss sees; downstream use takes what goes into it.

    SimCLR (arXiv 2002.05709, section 4.2) is ``layers=2``; MoCo v2 the same without norm; GRACE takes ELU. What the
    head is good for, and when its output is the better feature: Xue et al. 2024, arXiv 2403.11391. A hidden layer is
    Linear (without bias before a norm), norm, activation; the last layer is Linear with bias.

    Args:
        in_dim: width of the encoder's output.
        hidden_dim: width of hidden layers; ``None`` takes ``in_dim``.
        out_dim: width of the output; ``None`` takes ``in_dim``.
        layers: linear layers; 0 is no head at all, and then ``out_dim`` must be ``in_dim``.
        norm: of hidden layers, "batch", "layer" or ``None``. In eval mode, as probes must, BatchNorm uses its averages.
        activation: of hidden layers: relu, elu, gelu, prelu, tanh, symmetric_relu.
        init: "identity" starts every matrix as the identity and every bias at 0, and needs equal widths.

    Shape:
        ``(n, in_dim)`` to ``(n, out_dim)``.

    Raises:
        ValueError: a width below 1, unknown names, identity or no layer with unequal widths.

    >>> ProjectionHead(8, 16, 4).stages
    ('backbone', 'hidden:1', 'projection')
    """

    def __init__(
        self,
        in_dim: int,
        hidden_dim: int | None = None,
        out_dim: int | None = None,
        *,
        layers: int = 2,
        norm: Norm | None = None,
        activation: str = "relu",
        init: Init = "default",
    ) -> None:
        super().__init__()
        hidden_dim = in_dim if hidden_dim is None else hidden_dim
        out_dim = in_dim if out_dim is None else out_dim
        for name, width in (("in_dim", in_dim), ("hidden_dim", hidden_dim), ("out_dim", out_dim)):
            check_at_least(name, width, 1)
        check_at_least("layers", layers, 0)
        check_choice("norm", norm, (*NORMS, None))
        check_choice("init", init, get_args(Init))
        make_activation(activation)  # refuses an unknown name, also where no hidden layer would use it
        if norm is not None and layers < 2:
            raise ValueError(
                f"norm={norm!r} is for hidden layers, and a head with layers={layers} has none; leave it out"
            )
        widths = [in_dim, *[hidden_dim] * (layers - 1), out_dim]
        if (layers == 0 or init == "identity") and len(set(widths)) > 1:
            what = "a head without layers" if layers == 0 else "init='identity'"
            raise ValueError(f"{what} needs equal widths, got {' -> '.join(map(str, widths))}")
        self.in_dim, self.out_dim, self.layers = in_dim, out_dim, layers
        self.hidden = nn.ModuleList()
        for wide, narrow in pairwise(widths[:-1]):
            parts: list[nn.Module] = [nn.Linear(wide, narrow, bias=norm is None)]
            if norm is not None:
                parts.append(NORMS[norm](narrow))
            self.hidden.append(nn.Sequential(*parts, make_activation(activation)))
        self.last = nn.Linear(widths[-2], out_dim) if layers else nn.Identity()
        if init == "identity":
            for module in self.modules():
                if isinstance(module, nn.Linear):
                    nn.init.eye_(module.weight)
                    if module.bias is not None:
                        nn.init.zeros_(module.bias)

    @property
    def stages(self) -> tuple[str, ...]:
        """What `encode` can be asked for, from input to output."""
        return ("backbone", *(f"hidden:{k + 1}" for k in range(len(self.hidden))), "projection")

    def encode(self, x: Float[Tensor, "n d"], stage: str = "projection") -> Float[Tensor, "n e"]:
        """The feature at one depth of the head.

        Args:
            x: encoder output.
            stage: "backbone" (``x`` itself), "hidden:k" (after the k-th activation, from 1) or "projection".

        Raises:
            ValueError: an unknown stage.
        """
        check_choice("stage", stage, self.stages)
        if stage == "backbone":
            return x
        match = re.fullmatch(r"hidden:(\d+)", stage)
        for module in self.hidden[: int(match[1]) if match else None]:
            x = module(x)
        return x if match else self.last(x)

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n e"]:
        """The projection."""
        return self.encode(x)


class PredictionHead(ProjectionHead):
    """The predictor of BYOL, SimSiam and BGRL: one hidden layer, output as wide as the input.

    BYOL (arXiv 2006.07733) widens it (hidden 4096, BatchNorm), SimSiam (arXiv 2011.10566) narrows it to a quarter, BGRL
    (arXiv 2102.06514) takes 512 with PReLU.

    Args:
        dim: width of input and output.
        hidden_dim: width in between; ``None`` takes ``dim``.
        norm: of the hidden layer.
        activation: of the hidden layer.
    """

    def __init__(
        self, dim: int, hidden_dim: int | None = None, *, norm: Norm | None = "batch", activation: str = "relu"
    ) -> None:
        super().__init__(dim, hidden_dim, dim, norm=norm, activation=activation)
