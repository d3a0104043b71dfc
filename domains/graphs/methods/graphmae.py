"""GraphMAE: hide the features of some nodes and rebuild them from the others."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from core.losses import scaled_cosine_error
from core.masking import NodeFeatureMasker, NodeMask
from core.training.method import MethodSettings
from domains.graphs.methods.base import Graph, GraphMethod
from domains.graphs.methods.corruption import drop_edges
from domains.graphs.models import Adjacency, Conv, GATConv, GINConv, GraphEncoder, LinearLayer, Pooling, make_layer
from domains.graphs.models.features import mask_features
from domains.graphs.models.norms import Activation, Norm

__all__ = ["Decoder", "GraphMAE", "GraphMAESettings"]

Decoder = Literal["gat", "gcn", "gin", "sage", "mlp", "linear"]


@dataclass(frozen=True)
class GraphMAESettings(MethodSettings):
    """Settings of GraphMAE; the defaults are the paper's for Cora (other data sets: the presets).

    Attributes:
        encoder: kind of encoder layer.
        decoder: kind of the one decoder layer; "mlp" and "linear" do not look at neighbours, so nothing is re-masked.
        hidden: width of each encoder layer, all heads together.
        layers: encoder layers, >= 1.
        heads: attention heads of the encoder (GAT).
        out_heads: attention heads of the decoder (GAT).
        mask_rate: share of nodes hidden at each step, in (0, 1).
        replace_rate: share of hidden nodes that show another node's features instead of the token, in [0, 1).
        gamma: power of the scaled cosine error, >= 1.
        drop_edge: share of edges the encoder does not see, in [0, 1); the decoder sees all.
        feat_drop: dropout rate on each layer's input, in [0, 1).
        attn_drop: dropout rate on the attention, in [0, 1).
        negative_slope: of GAT's LeakyReLU.
        norm: after each encoder layer.
        activation: after each encoder layer.
        residual: residual connections in the encoder.
        concat_hidden: embed with all layers side by side.
        loss: "sce" (the paper's), or "mse" as the ablation.
        remask: hide the masked nodes' code from the decoder again (the paper's), or not as the ablation.
        pooling: of node embeddings for whole graphs.
        batch_size: graphs in a batch, for sets of graphs.
    """

    epochs: int = 1500
    lr: float = 1e-3
    weight_decay: float = 2e-4
    schedule: Literal["cosine", "constant"] = "cosine"
    encoder: Conv = "gat"
    decoder: Decoder = "gat"
    hidden: int = 512
    layers: int = 2
    heads: int = 4
    out_heads: int = 1
    mask_rate: float = 0.5
    replace_rate: float = 0.05
    gamma: float = 3.0
    drop_edge: float = 0.0
    feat_drop: float = 0.2
    attn_drop: float = 0.1
    negative_slope: float = 0.2
    norm: Norm = "none"
    activation: Activation = "prelu"
    residual: bool = False
    concat_hidden: bool = False
    loss: Literal["sce", "mse"] = "sce"
    remask: bool = True
    pooling: Pooling = "mean"
    batch_size: int = 32


class GraphMAE(GraphMethod[GraphMAESettings]):
    """Masked graph autoencoder.

    Hou et al. 2022, arXiv 2205.10803, section 3. Per step: draw the masked nodes M; encode the graph with their
    features hidden; map the code through a bias-free linear bridge; set the code of M to zero (re-mask); decode with
    one graph layer; score the rows of M by the scaled cosine error.

    Args:
        settings: see `GraphMAESettings`.
        in_dim: width of the node features, which is also what the decoder rebuilds.
        **rest: ``level`` ("node", or "graph" for sets of graphs, where masks are drawn over all nodes of the batch
            together), ``generator`` (of masks, noise, dropped edges and dropout).

    Notes:
        Rows that nobody reads are not computed: with re-masking the last encoder layer and the bridge run on the
        visible nodes only, the decoder on M only. Loss and gradients are the same.

        Paper and code: edges are dropped for the encoder only, loops never (the DGL code drops and re-adds loops, which
        doubles surviving ones; its PyG branch lets the decoder lose edges too). Of M round(r |M|) nodes get noise and
        the rest the token (the code floors both). The token starts at zero, as in the code.
    """

    name: ClassVar[str] = "graphmae"

    def __init__(self, settings: GraphMAESettings, *, in_dim: int, **rest: Any) -> None:
        super().__init__(settings, in_dim=in_dim, **rest)
        s = settings
        self.encoder = GraphEncoder(
            s.encoder,
            in_dim,
            s.hidden,
            s.layers,
            heads=s.heads,
            feat_drop=s.feat_drop,
            attn_drop=s.attn_drop,
            negative_slope=s.negative_slope,
            norm=s.norm,
            activation=s.activation,
            residual=s.residual,
            concat_hidden=s.concat_hidden,
        )
        self.bridge = nn.Linear(self.encoder.out_dim, s.hidden, bias=False)
        self.decoder = self._make_decoder(in_dim)
        self.token = nn.Parameter(torch.zeros(1, in_dim))
        self.masker = NodeFeatureMasker(s.mask_rate, s.replace_rate, self.generator)

    def _make_decoder(self, in_dim: int) -> nn.Module:
        s = self.settings
        if s.decoder == "mlp" or s.decoder == "linear":  # "in" would not narrow the type
            return LinearLayer(s.hidden, in_dim, hidden=s.decoder == "mlp")
        if s.decoder == "gin":  # the released code's decoder keeps the norm inside its MLP
            return GINConv(
                s.hidden, in_dim, hidden=s.hidden, feat_drop=s.feat_drop, norm=s.norm, activation=s.activation
            )
        return make_layer(
            s.decoder,
            s.hidden,
            in_dim,
            heads=s.out_heads,
            feat_drop=s.feat_drop,
            attn_drop=s.attn_drop,
            negative_slope=s.negative_slope,
        )

    def training_step(self, batch: Graph, batch_idx: int) -> Tensor:
        """Loss of one freshly drawn mask; scalar."""
        mask = self.masker.draw(batch.num_nodes)
        hidden = torch.zeros(batch.num_nodes, dtype=torch.bool)
        hidden[mask.mask_index] = True
        prediction = self._decode_hidden(batch, mask, hidden)
        features = self.prepare(batch).features
        rows = hidden.nonzero().squeeze(1)
        target = features[rows] if isinstance(features, Tensor) else features.rows(rows).dense()
        if self.settings.loss == "mse":
            loss = mse_loss(prediction, target)
        else:
            loss = scaled_cosine_error(prediction, target, gamma=self.settings.gamma)
        self.log("loss", loss, batch_size=1)
        return loss

    def reconstruct(self, batch: Graph, mask: NodeMask) -> Float[Tensor, "m d"]:
        """What the decoder says of the masked nodes, in ascending order of their numbers."""
        hidden = torch.zeros(batch.num_nodes, dtype=torch.bool)
        hidden[mask.mask_index] = True
        return self._decode_hidden(batch, mask, hidden)

    def _decode_hidden(self, batch: Graph, mask: NodeMask, hidden: Bool[Tensor, " n"]) -> Float[Tensor, "m d"]:
        s = self.settings
        prepared = self.prepare(batch)
        adjacency = prepared.adjacency
        read = self._rows_the_decoder_reads(hidden)
        edges = drop_edges(adjacency, s.drop_edge, self.generator)
        x = mask_features(prepared.features, mask, self.token)
        if read is not None and self.encoder.rows_are_independent:
            code = self.encoder(x, edges, self.generator, last=edges.restrict(read))
        else:
            code = self.encoder(x, edges, self.generator)
            code = code if read is None else code[read]
        code = self.bridge(code)
        if s.decoder in ("mlp", "linear"):  # rows of M alone, and no edge is read
            empty = adjacency.subset(torch.zeros(adjacency.num_edges, dtype=torch.bool)).restrict(hidden)
            rebuilt: Tensor = self.decoder(code, _unrestricted(empty), self.generator)
            return rebuilt
        if read is not None:
            full = code.new_zeros(batch.num_nodes, code.shape[1])
            code = full.index_copy(0, read.nonzero().squeeze(1), code)
        if isinstance(self.decoder, GATConv) or (isinstance(self.decoder, GINConv) and s.norm != "batch"):
            rebuilt = self.decoder(code, adjacency.restrict(hidden), self.generator)
            return rebuilt
        rebuilt = self.decoder(code, adjacency, self.generator)[hidden]
        return rebuilt

    def _rows_the_decoder_reads(self, hidden: Bool[Tensor, " n"]) -> Bool[Tensor, " n"] | None:
        """Nodes whose code has any influence; None means all."""
        if self.settings.decoder in ("mlp", "linear"):
            return hidden
        return ~hidden if self.settings.remask else None

    def encode(self, graph: Graph) -> Float[Tensor, "n d"]:
        """Encoder output on unmasked features; bridge, decoder and token play no part."""
        prepared = self.prepare(graph)
        h: Tensor = self.encoder(prepared.features, prepared.adjacency, self.generator)
        return h


def _unrestricted(adjacency: Adjacency) -> Adjacency:
    """The same rows counted from 0, for a code that holds only them."""
    return Adjacency(adjacency.source, adjacency.target, adjacency.pointer, adjacency.num_targets)
