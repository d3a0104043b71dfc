"""GraphMAE as one writes it with PyTorch Geometric: the rival of the speed comparison, not crippled and not tuned."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, normalize

__all__ = ["PlainGraphMAE"]


class PlainGraphMAE(nn.Module):
    """Cora's official size: two GAT layers of 4 x 128, a bridge, a one-head GAT decoder, on dense features.

    Every row is encoded and decoded, as the released PyG branch does.

    Args:
        in_dim: width of the node features.
        hidden: width of the code, all heads together.
        heads: attention heads.
    """

    def __init__(self, in_dim: int, hidden: int = 512, heads: int = 4) -> None:
        super().__init__()
        from torch_geometric.nn import GATConv

        options: dict[str, Any] = {"dropout": 0.1, "negative_slope": 0.2}
        self.first = GATConv(in_dim, hidden // heads, heads, **options)
        self.second = GATConv(hidden, hidden // heads, heads, **options)
        self.activations = nn.ModuleList([nn.PReLU(), nn.PReLU()])
        self.bridge = nn.Linear(hidden, hidden, bias=False)
        self.decoder = GATConv(hidden, in_dim, 1, **options)
        self.token = nn.Parameter(torch.zeros(1, in_dim))

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Loss of one fresh mask: half of the nodes, 5 % of them noise."""
        nodes = len(x)
        masked = torch.randperm(nodes)[: nodes // 2]
        noisy = masked[: int(0.05 * len(masked))]
        token = masked[len(noisy) :]
        corrupted = x.clone()
        corrupted[noisy] = x[torch.randperm(nodes)[: len(noisy)]]
        corrupted[token] = 0.0
        corrupted[token] += self.token
        h = self.activations[0](self.first(dropout(corrupted, 0.2), edge_index))
        h = self.activations[1](self.second(dropout(h, 0.2), edge_index))
        code = self.bridge(h)
        code[masked] = 0.0
        rebuilt = self.decoder(dropout(code, 0.2), edge_index)
        cosine = (normalize(rebuilt[masked], dim=-1) * normalize(x[masked], dim=-1)).sum(-1)
        return (1 - cosine).pow(3).mean()
