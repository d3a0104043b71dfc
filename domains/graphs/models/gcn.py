"""Graph convolution (Kipf and Welling 2017) and GraphSAGE's mean (Hamilton et al. 2017)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear

from domains.graphs.models.adjacency import Adjacency
from domains.graphs.models.aggregate import aggregate
from domains.graphs.models.features import Features, drop, project

__all__ = ["GCNConv", "SAGEConv"]


class GCNConv(nn.Module):
    """``out = D^-1/2 (A + I) D^-1/2 X W' + b``.

    Kipf and Welling 2017, arXiv 1609.02907, eq. 2. Glorot uniform weights, bias 0.

    Args:
        in_dim: width of the input.
        out_dim: width of the output.
        feat_drop: dropout rate on the input, in [0, 1).
        residual: add the input through a Linear without bias.
    """

    def __init__(self, in_dim: int, out_dim: int, *, feat_drop: float = 0.0, residual: bool = False) -> None:
        super().__init__()
        self.feat_drop = feat_drop
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(out_dim, in_dim)))
        self.bias = nn.Parameter(torch.zeros(out_dim))
        self.skip = nn.Linear(in_dim, out_dim, bias=False) if residual else None

    def forward(
        self, x: Features, adjacency: Adjacency, generator: torch.Generator | None = None
    ) -> Float[Tensor, "n out"]:
        """Rows of all nodes; the adjacency must not be restricted, since its degrees set the weights."""
        x = drop(x, self.feat_drop if self.training else 0.0, generator)
        weight = adjacency.gcn_weight.unsqueeze(1)
        if isinstance(x, Tensor) and x.shape[1] < self.weight.shape[0]:
            out = linear(aggregate(x.unsqueeze(1), adjacency, weight).squeeze(1), self.weight)
        else:
            out = aggregate(project(x, self.weight).unsqueeze(1), adjacency, weight).squeeze(1)
        out = out + self.bias
        return out if self.skip is None else out + project(x, self.skip.weight)


class SAGEConv(nn.Module):
    """``out_i = W_self x_i + W_near mean_j x_j + b``, the mean aggregator of GraphSAGE.

    Hamilton et al. 2017, arXiv 1706.02216, algorithm 1 with the concatenation written as two matrices. The adjacency's
    self-loop takes part in the mean, so an isolated node has one.

    Args:
        in_dim: width of the input.
        out_dim: width of the output.
        feat_drop: dropout rate on the input, in [0, 1).
        residual: add the input through one more Linear without bias.
    """

    def __init__(self, in_dim: int, out_dim: int, *, feat_drop: float = 0.0, residual: bool = False) -> None:
        super().__init__()
        self.feat_drop = feat_drop
        self.near = nn.Parameter(nn.init.xavier_uniform_(torch.empty(out_dim, in_dim)))
        self.own = nn.Parameter(nn.init.xavier_uniform_(torch.empty(out_dim, in_dim)))
        self.bias = nn.Parameter(torch.zeros(out_dim))
        self.skip = nn.Linear(in_dim, out_dim, bias=False) if residual else None

    def forward(
        self, x: Features, adjacency: Adjacency, generator: torch.Generator | None = None
    ) -> Float[Tensor, "t out"]:
        """Rows of the adjacency's targets."""
        x = drop(x, self.feat_drop if self.training else 0.0, generator)
        size = (adjacency.pointer[1:] - adjacency.pointer[:-1]).clamp(min=1).unsqueeze(1)
        near = aggregate(project(x, self.near).unsqueeze(1), adjacency).squeeze(1) / size
        out = near + adjacency.rows(project(x, self.own)) + self.bias
        return out if self.skip is None else out + adjacency.rows(project(x, self.skip.weight))
