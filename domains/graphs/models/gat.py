"""Graph attention (Velickovic et al. 2018), in the variant that GraphMAE's released code builds."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, linear

from domains.graphs.models.adjacency import Adjacency
from domains.graphs.models.aggregate import aggregate, edge_softmax
from domains.graphs.models.dropout import dropout
from domains.graphs.models.features import Features, drop, project

__all__ = ["GATConv"]


class GATConv(nn.Module):
    """One attention layer; heads are concatenated.

    Velickovic et al. 2018, arXiv 1710.10903. Per head of width d: ``h = W x`` (no bias),
    ``e_ij = LeakyReLU(a_l' h_j + a_r' h_i)``, ``alpha`` = softmax over the incoming edges of i, dropout on alpha,
    ``out_i = sum_j alpha_ij h_j``; then + bias, + residual.

    Args:
        in_dim: width of the input.
        out_dim: width of the output, all heads together; a multiple of ``heads``.
        heads: number of heads.
        feat_drop: dropout rate on the input, in [0, 1).
        attn_drop: dropout rate on alpha, in [0, 1).
        negative_slope: of the LeakyReLU.
        residual: add the input (through a Linear without bias where widths differ).

    Notes:
        Initialised as GraphMAE's DGL branch does it: Xavier normal with gain sqrt(2) for W, a_l, a_r and the residual,
        bias 0. (Its PyG branch takes Glorot uniform.) The adjacency brings the self-loops; none are added here.

        A single head whose output is wider than its input aggregates before it projects: sum_j a_ij W z_j =
        W sum_j a_ij z_j and a' W z = (W'a)' z, the same numbers for less work.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        *,
        heads: int = 1,
        feat_drop: float = 0.0,
        attn_drop: float = 0.0,
        negative_slope: float = 0.2,
        residual: bool = False,
    ) -> None:
        super().__init__()
        if out_dim % heads:
            raise ValueError(f"the width of a GAT layer ({out_dim}) must be a multiple of its heads ({heads})")
        self.heads = heads
        self.feat_drop = feat_drop
        self.attn_drop = attn_drop
        self.negative_slope = negative_slope
        self.weight = nn.Parameter(torch.empty(out_dim, in_dim))
        self.attend_source = nn.Parameter(torch.empty(heads, out_dim // heads))
        self.attend_target = nn.Parameter(torch.empty(heads, out_dim // heads))
        self.bias = nn.Parameter(torch.zeros(out_dim))
        self.skip: nn.Module | None = None
        if residual:
            self.skip = nn.Identity() if in_dim == out_dim else nn.Linear(in_dim, out_dim, bias=False)
        self._initialise()

    def _initialise(self) -> None:
        gain = math.sqrt(2)
        nn.init.xavier_normal_(self.weight, gain)
        for attention in (self.attend_source, self.attend_target):
            nn.init.xavier_normal_(attention.unsqueeze(0), gain)  # fans of DGL's (1, heads, d)
        if isinstance(self.skip, nn.Linear):
            nn.init.xavier_normal_(self.skip.weight, gain)

    def forward(
        self, x: Features, adjacency: Adjacency, generator: torch.Generator | None = None
    ) -> Float[Tensor, "t out"]:
        """Rows of ``adjacency``'s targets.

        Args:
            x: features of all its sources.
            adjacency: edges with self-loops.
            generator: of the dropout draws.
        """
        x = drop(x, self.feat_drop if self.training else 0.0, generator)
        if self.heads == 1 and isinstance(x, Tensor) and x.shape[1] < self.weight.shape[0]:
            scorers = torch.cat([self.attend_source, self.attend_target]) @ self.weight  # (2, in)
            alpha = self._alpha(linear(x, scorers), adjacency, generator)
            out = linear(aggregate(x.unsqueeze(1), adjacency, alpha).squeeze(1), self.weight, self.bias)
        else:
            h = project(x, self.weight)  # (n, out)
            scorers = torch.cat([_block_diagonal(self.attend_source), _block_diagonal(self.attend_target)])
            alpha = self._alpha(linear(h, scorers), adjacency, generator)
            out = aggregate(h.view(len(h), self.heads, -1), adjacency, alpha).flatten(1) + self.bias
        if self.skip is None:
            return out
        if isinstance(self.skip, nn.Linear):
            return out + adjacency.rows(project(x, self.skip.weight))
        return out + adjacency.rows(x if isinstance(x, Tensor) else x.dense())

    def _alpha(self, scores: Tensor, adjacency: Adjacency, generator: torch.Generator | None) -> Tensor:
        """(e, h) attention of each edge; ``scores`` is (n, 2h): how each node speaks, how it listens."""
        speak, listen = scores[:, : self.heads], scores[:, self.heads :]
        logit = speak.index_select(0, adjacency.source) + adjacency.rows(listen).index_select(0, adjacency.target)
        alpha = edge_softmax(leaky_relu(logit, self.negative_slope), adjacency)
        return dropout(alpha, self.attn_drop if self.training else 0.0, generator)


def _block_diagonal(per_head: Tensor) -> Tensor:
    """(h, d) vectors as the (h, h d) matrix that scores all heads in one product."""
    heads, width = per_head.shape
    spread: Tensor = torch.eye(heads, device=per_head.device, dtype=per_head.dtype).unsqueeze(2) * per_head
    return spread.reshape(heads, heads * width)
