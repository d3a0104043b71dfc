"""DGI: tell the nodes of the graph from those of a shuffled one, given a summary of the graph."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.losses import binary_discrimination
from core.training.method import MethodSettings
from domains.graphs.methods.base import Graph, GraphMethod
from domains.graphs.methods.corruption import shuffle_rows
from domains.graphs.models import GraphEncoder

__all__ = ["DGI", "DGISettings"]


@dataclass(frozen=True)
class DGISettings(MethodSettings):
    """Settings of DGI; width and learning rate from the paper.

    The released code stops early on the training loss (patience 20); the default here is a fixed number of epochs, so
    that every seed does the same work (``--patience 20`` gives the other).

    Attributes:
        hidden: width of the one GCN layer.
    """

    epochs: int = 300
    lr: float = 1e-3
    hidden: int = 512


class DGI(GraphMethod[DGISettings]):
    """Deep graph infomax.

    Velickovic et al. 2019, arXiv 1809.10341, eq. 1: a one-layer GCN with PReLU encodes the graph and a copy whose
    feature rows are shuffled; the summary is the sigmoid of the mean of the true codes; a bilinear critic ``h' W s``
    shall say yes to true nodes and no to shuffled ones (binary cross-entropy).

    Args:
        settings: see `DGISettings`.
        in_dim: width of the node features.
        **rest: ``generator`` (of the shuffling).
    """

    name: ClassVar[str] = "dgi"

    def __init__(self, settings: DGISettings, *, in_dim: int, **rest: Any) -> None:
        super().__init__(settings, in_dim=in_dim, **rest)
        self.encoder = GraphEncoder("gcn", in_dim, settings.hidden, 1, activation="prelu")
        self.critic = nn.Parameter(nn.init.xavier_uniform_(torch.empty(settings.hidden, settings.hidden)))

    def training_step(self, batch: Graph, batch_idx: int) -> Tensor:
        """The critic's cross-entropy; scalar."""
        prepared = self.prepare(batch)
        true = self.encoder(prepared.features, prepared.adjacency, self.generator)
        shuffled = shuffle_rows(prepared.features, self.generator)
        false = self.encoder(shuffled, prepared.adjacency, self.generator)
        scorer = self.critic @ true.mean(0).sigmoid()  # (hidden,)
        loss = binary_discrimination(true @ scorer, false @ scorer)
        self.log("loss", loss, batch_size=1)
        return loss

    def encode(self, graph: Graph) -> Float[Tensor, "n d"]:
        """Encoder output."""
        prepared = self.prepare(graph)
        h: Tensor = self.encoder(prepared.features, prepared.adjacency, self.generator)
        return h
