"""A stack of graph layers with a norm and an activation after each."""

from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.heads.activation import make_activation
from domains.graphs.models.adjacency import Adjacency
from domains.graphs.models.features import Features, num_rows
from domains.graphs.models.gat import GATConv
from domains.graphs.models.gcn import GCNConv, SAGEConv
from domains.graphs.models.gin import GINConv, LinearLayer
from domains.graphs.models.norms import Activation, Norm, make_norm

__all__ = ["Conv", "GraphEncoder", "make_layer"]

Conv = Literal["gat", "gcn", "gin", "sage", "mlp"]


def make_layer(
    conv: Conv,
    in_dim: int,
    out_dim: int,
    *,
    heads: int = 1,
    feat_drop: float = 0.0,
    attn_drop: float = 0.0,
    negative_slope: float = 0.2,
    norm: Norm = "none",
    activation: Activation = "prelu",
    residual: bool = False,
) -> nn.Module:
    """One layer by name; ``heads``, ``attn_drop``, ``negative_slope`` are for GAT, ``norm``, ``activation`` for GIN."""
    if conv == "gat":
        return GATConv(
            in_dim,
            out_dim,
            heads=heads,
            feat_drop=feat_drop,
            attn_drop=attn_drop,
            negative_slope=negative_slope,
            residual=residual,
        )
    if conv == "gin":
        return GINConv(in_dim, out_dim, feat_drop=feat_drop, norm=norm, activation=activation, residual=residual)
    if conv == "mlp":
        return LinearLayer(in_dim, out_dim, feat_drop=feat_drop)
    kind = GCNConv if conv == "gcn" else SAGEConv
    return kind(in_dim, out_dim, feat_drop=feat_drop, residual=residual)


class GraphEncoder(nn.Module):
    """GAT, GCN, GIN, GraphSAGE or (the control) MLP, ``layers`` deep.

    Args:
        conv: kind of layer.
        in_dim: width of the node features.
        hidden: width of every layer, all heads together.
        layers: number of layers, >= 1.
        out_dim: width of the last layer; None means ``hidden``.
        heads: attention heads of GAT.
        feat_drop: dropout rate on each layer's input, in [0, 1).
        attn_drop: dropout rate on the attention, in [0, 1).
        negative_slope: of GAT's LeakyReLU.
        norm: after each layer (and inside GIN's MLP).
        activation: after each layer, the last one too.
        residual: residual connections inside the layers.
        concat_hidden: return all layers' outputs side by side.

    Shape:
        ``(n, out)`` with out = ``hidden``, ``out_dim``, or ``layers * hidden`` with ``concat_hidden``.
    """

    def __init__(
        self,
        conv: Conv,
        in_dim: int,
        hidden: int,
        layers: int,
        *,
        out_dim: int | None = None,
        heads: int = 1,
        feat_drop: float = 0.0,
        attn_drop: float = 0.0,
        negative_slope: float = 0.2,
        norm: Norm = "none",
        activation: Activation = "prelu",
        residual: bool = False,
        concat_hidden: bool = False,
    ) -> None:
        super().__init__()
        if layers < 1:
            raise ValueError(f"an encoder needs at least one layer, got layers={layers}")
        widths = [in_dim] + [hidden] * (layers - 1) + [out_dim or hidden]
        self.out_dim = sum(widths[1:]) if concat_hidden else widths[-1]
        self.concat_hidden = concat_hidden
        self.layers = nn.ModuleList(
            make_layer(
                conv,
                before,
                after,
                heads=heads,
                feat_drop=feat_drop,
                attn_drop=attn_drop,
                negative_slope=negative_slope,
                norm=norm,
                activation=activation,
                residual=residual,
            )
            for before, after in pairwise(widths)
        )
        self.norms = nn.ModuleList(make_norm(norm, width) for width in widths[1:])
        self.activations = nn.ModuleList(make_activation(activation) for _ in widths[1:])
        # GCN's weights need all degrees, BatchNorm all rows: then no layer may leave rows out
        self.rows_are_independent = conv != "gcn" and norm != "batch" and not concat_hidden

    def forward(
        self,
        x: Features,
        adjacency: Adjacency,
        generator: torch.Generator | None = None,
        last: Adjacency | None = None,
    ) -> Float[Tensor, "n out"]:
        """Embeddings of all nodes.

        Args:
            x: node features.
            adjacency: the edges, self-loops included.
            generator: of the dropout draws.
            last: the adjacency restricted to the targets that the caller will read; the last layer then computes only
                those rows. Only allowed where ``rows_are_independent``.
        """
        if num_rows(x) != adjacency.num_sources:
            raise ValueError(f"{num_rows(x)} rows of features, but the edges count over {adjacency.num_sources} nodes")
        h: Features = x
        outputs: list[Tensor] = []
        for number, (layer, norm, activation) in enumerate(
            zip(self.layers, self.norms, self.activations, strict=True), 1
        ):
            edges = last if last is not None and number == len(self.layers) else adjacency
            out: Tensor = activation(norm(layer(h, edges, generator)))
            outputs.append(out)
            h = out
        return torch.cat(outputs, 1) if self.concat_hidden else outputs[-1]
