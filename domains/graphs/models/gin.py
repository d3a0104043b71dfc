"""Graph isomorphism layers (Xu et al. 2019) as GraphMAE's released code builds them, and the control without edges."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.heads.activation import make_activation
from domains.graphs.models.adjacency import Adjacency
from domains.graphs.models.aggregate import aggregate
from domains.graphs.models.features import Features, drop, project
from domains.graphs.models.norms import Activation, Norm, make_norm

__all__ = ["GINConv", "LinearLayer"]


class GINConv(nn.Module):
    """``out_i = MLP((1 + eps) h_i + sum_j h_j)`` with eps fixed at 0 and MLP = Linear, norm, activation, Linear.

    Xu et al. 2019, arXiv 1810.00826, eq. 4.1. The sum runs over the adjacency's edges, a self-loop among them,
    so a node counts twice: 2 h_i + neighbours. GraphMAE's released code behaves like that, and so do we.

    Args:
        in_dim: width of the input.
        out_dim: width of the output.
        feat_drop: dropout rate on the input, in [0, 1).
        norm: inside the MLP: "batch", "layer" or "none".
        activation: inside the MLP: "prelu", "relu" or "elu".
        residual: add the input through a Linear without bias. (GraphMAE's PyG branch takes the option and ignores it.)
        hidden: width of the hidden layer of the MLP; None means ``out_dim``.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        *,
        feat_drop: float = 0.0,
        norm: Norm = "batch",
        activation: Activation = "relu",
        residual: bool = False,
        hidden: int | None = None,
    ) -> None:
        super().__init__()
        self.feat_drop = feat_drop
        hidden = hidden or out_dim
        self.mlp = nn.Sequential(
            nn.Linear(in_dim, hidden),
            make_norm(norm, hidden),
            make_activation(activation),
            nn.Linear(hidden, out_dim),
        )
        self.skip = nn.Linear(in_dim, out_dim, bias=False) if residual else None

    def forward(
        self, x: Features, adjacency: Adjacency, generator: torch.Generator | None = None
    ) -> Float[Tensor, "t out"]:
        """Rows of the adjacency's targets."""
        x = drop(x, self.feat_drop if self.training else 0.0, generator)
        dense = x if isinstance(x, Tensor) else x.dense()
        own = adjacency.rows(dense)
        out: Tensor = self.mlp(own + aggregate(dense.unsqueeze(1), adjacency).squeeze(1))
        return out if self.skip is None else out + self.skip(own)


class LinearLayer(nn.Module):
    """A Linear that looks at no edge: the layer of the MLP encoder (the control) and of the linear and MLP decoders.

    Args:
        in_dim: width of the input.
        out_dim: width of the output.
        feat_drop: dropout rate on the input, in [0, 1).
        hidden: put a hidden layer as wide as the input, and its activation, before the output.
        activation: of the hidden layer.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        *,
        feat_drop: float = 0.0,
        hidden: bool = False,
        activation: Activation = "prelu",
    ) -> None:
        super().__init__()
        self.feat_drop = feat_drop
        width = in_dim if hidden else out_dim
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(width, in_dim)))
        self.bias = nn.Parameter(torch.zeros(width))
        self.rest = nn.Sequential(make_activation(activation), nn.Linear(width, out_dim)) if hidden else nn.Identity()

    def forward(
        self, x: Features, adjacency: Adjacency, generator: torch.Generator | None = None
    ) -> Float[Tensor, "t out"]:
        """Rows of the adjacency's targets; its edges are not read."""
        x = drop(x, self.feat_drop if self.training else 0.0, generator)
        out: Tensor = self.rest(adjacency.rows(project(x, self.weight)) + self.bias)
        return out
