"""A GCN or GAT trained with the labels: what the label-free methods are measured against."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy

from core.training.method import MethodSettings
from domains.graphs.data.graph import GraphData
from domains.graphs.methods.base import Graph, GraphMethod
from domains.graphs.models import GATConv, GCNConv

__all__ = ["Supervised", "SupervisedSettings"]


@dataclass(frozen=True)
class SupervisedSettings(MethodSettings):
    """Settings of the supervised baselines; defaults are those of the GCN paper.

    Attributes:
        encoder: "gcn" (Kipf and Welling) or "gat" (Velickovic et al.: 8 heads of 8, ELU, dropout 0.6, lr 0.005).
        hidden: width of the hidden layer, all heads together.
        heads: attention heads (GAT).
        dropout: on the input of both layers, in [0, 1); GAT also drops attention at this rate.
    """

    epochs: int = 200
    lr: float = 0.01
    weight_decay: float = 5e-4
    encoder: Literal["gcn", "gat"] = "gcn"
    hidden: int = 16
    heads: int = 8
    dropout: float = 0.5


class Supervised(GraphMethod[SupervisedSettings]):
    """Two layers, cross-entropy on the training nodes.

    Kipf and Welling 2017, arXiv 1609.02907; Velickovic et al. 2018, arXiv 1710.10903. The papers stop early on the
    validation part; here every seed does the same number of epochs and the last one counts. ``embed`` returns the
    logits. The L2 penalty acts on both layers
    (the GCN paper's on the first only).

    Args:
        settings: see `SupervisedSettings`.
        in_dim: width of the node features.
        num_classes: number of classes.
        **rest: ``generator`` (of the dropout draws).
    """

    name: ClassVar[str] = "supervised"

    def __init__(self, settings: SupervisedSettings, *, in_dim: int, num_classes: int, **rest: Any) -> None:
        super().__init__(settings, in_dim=in_dim, num_classes=num_classes, **rest)
        s = settings
        if s.encoder == "gcn":
            self.first: GCNConv | GATConv = GCNConv(in_dim, s.hidden, feat_drop=s.dropout)
            self.second: GCNConv | GATConv = GCNConv(s.hidden, num_classes, feat_drop=s.dropout)
        else:
            self.first = GATConv(in_dim, s.hidden, heads=s.heads, feat_drop=s.dropout, attn_drop=s.dropout)
            self.second = GATConv(s.hidden, num_classes, feat_drop=s.dropout, attn_drop=s.dropout)

    def training_step(self, batch: GraphData, batch_idx: int) -> Tensor:
        """Cross-entropy of the labelled training nodes; scalar."""
        if batch.y is None or batch.train_index is None:
            raise ValueError("supervised training needs labels and a training part")
        index = batch.train_index[batch.y[batch.train_index] >= 0]
        loss = cross_entropy(self.encode(batch)[index], batch.y[index])
        self.log("loss", loss, batch_size=1)
        return loss

    def encode(self, graph: Graph) -> Float[Tensor, "n c"]:
        """Logits of all nodes."""
        prepared = self.prepare(graph)
        h = self.first(prepared.features, prepared.adjacency, self.generator)
        h = torch.relu(h) if self.settings.encoder == "gcn" else torch.nn.functional.elu(h)
        logits: Tensor = self.second(h, prepared.adjacency, self.generator)
        return logits

    def predict(self, graph: Graph) -> Tensor:
        """``(|V|,)`` class of each node."""
        return self.node_embeddings(graph).argmax(1)
