"""BGRL: predict what a slow copy of the encoder says of another view; no negatives."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from core.heads import PredictionHead
from core.losses import negative_cosine
from core.momentum import MomentumEncoder
from core.training.method import MethodSettings
from domains.graphs.methods.base import Graph, GraphMethod
from domains.graphs.methods.corruption import drop_edges, mask_columns
from domains.graphs.models import Adjacency, GraphEncoder, SparseFeatures
from domains.graphs.models.norms import Norm

__all__ = ["BGRL", "BGRLSettings"]


@dataclass(frozen=True)
class BGRLSettings(MethodSettings):
    """Settings of BGRL; widths, rates and momentum follow the released configurations [memory].

    The schedule is the paper's: linear warm-up, then a cosine to 0.

    Attributes:
        hidden: width of the first GCN layer.
        width: of the embeddings.
        predictor: hidden width of the predictor.
        momentum: start of the cosine schedule of the slow copy, in [0, 1].
        warmup: epochs of linear warm-up.
        norm: after each layer.
        drop_edge_1: share of edges missing in the first view, in [0, 1).
        drop_edge_2: share of edges missing in the second view, in [0, 1).
        mask_feature_1: share of feature columns hidden in the first view, in [0, 1).
        mask_feature_2: share of feature columns hidden in the second view, in [0, 1).
    """

    epochs: int = 1000
    lr: float = 5e-4
    weight_decay: float = 1e-5
    schedule: Literal["cosine", "constant"] = "cosine"
    hidden: int = 512
    width: int = 256
    predictor: int = 512
    momentum: float = 0.99
    warmup: int = 100
    norm: Norm = "batch"
    drop_edge_1: float = 0.3
    drop_edge_2: float = 0.4
    mask_feature_1: float = 0.3
    mask_feature_2: float = 0.4


class BGRL(GraphMethod[BGRLSettings]):
    """Bootstrapped graph latents.

    Thakoor et al. 2022, arXiv 2102.06514, eq. 1: BYOL on nodes. Two corrupted views; a predictor on the online code of
    each view points at the slow copy's code of the same node in the other view (negative cosine, both ways). AdamW;
    the slow copy's momentum rises to 1 by a cosine.

    Args:
        settings: see `BGRLSettings`.
        in_dim: width of the node features.
        **rest: ``generator`` (of the corruptions).
    """

    name: ClassVar[str] = "bgrl"

    def __init__(self, settings: BGRLSettings, *, in_dim: int, **rest: Any) -> None:
        super().__init__(settings, in_dim=in_dim, **rest)
        s = settings
        self.encoder = GraphEncoder("gcn", in_dim, s.hidden, 2, out_dim=s.width, norm=s.norm, activation="prelu")
        self.predictor = PredictionHead(s.width, s.predictor)
        self.target = MomentumEncoder(
            self.encoder, momentum=s.momentum, schedule="cosine", total_steps=max(1, s.epochs)
        )

    def training_step(self, batch: Graph, batch_idx: int) -> Tensor:
        """The two predictions' loss; scalar."""
        s = self.settings
        first = self._corrupt(batch, s.drop_edge_1, s.mask_feature_1)
        second = self._corrupt(batch, s.drop_edge_2, s.mask_feature_2)
        one = negative_cosine(self.predictor(self.encoder(*first)), self.target(*second))
        two = negative_cosine(self.predictor(self.encoder(*second)), self.target(*first))
        loss = (one + two) / 2
        self.log("loss", loss, batch_size=1)
        return loss

    def _corrupt(
        self, batch: Graph, edge_rate: float, feature_rate: float
    ) -> tuple[Tensor | SparseFeatures, Adjacency]:
        prepared = self.prepare(batch)
        features = mask_columns(prepared.features, feature_rate, self.generator)
        return features, drop_edges(prepared.adjacency, edge_rate, self.generator)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Move the slow copy after each optimizer step."""
        self.target.update(self.encoder)

    def configure_optimizers(self) -> Any:
        """AdamW on the online parts, linear warm-up, then cosine decay (or none) per epoch."""
        s = self.settings
        online = [*self.encoder.parameters(), *self.predictor.parameters()]
        optimizer = torch.optim.AdamW(online, lr=s.lr, weight_decay=s.weight_decay)

        def factor(epoch: int) -> float:
            if epoch < s.warmup:
                return (epoch + 1) / s.warmup
            if s.schedule == "constant":
                return 1.0
            done = (epoch - s.warmup) / max(1, s.epochs - s.warmup)
            return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}

    def encode(self, graph: Graph) -> Float[Tensor, "n d"]:
        """Output of the online encoder."""
        prepared = self.prepare(graph)
        h: Tensor = self.encoder(prepared.features, prepared.adjacency)
        return h
