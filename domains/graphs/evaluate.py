"""The domain's standard protocols: a linear probe for nodes, a cross-validated SVM for graphs."""

import logging
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from core.errors import UserError
from core.evaluation import (
    KnnEvaluator,
    LinearProbe,
    cluster_agreement,
    effective_rank,
    svm_cross_validation,
    uniformity,
)
from domains.graphs.data.graph import GraphData
from domains.graphs.data.splits import random_split

__all__ = ["EvaluationSettings", "evaluate_graphs", "evaluate_nodes", "node_split"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluationSettings:
    """How frozen embeddings are scored.

    Attributes:
        probe_lr: learning rate of the linear probe, > 0.
        probe_weight_decay: L2 coefficient of the linear probe, >= 0.
        probe_epochs: full-batch steps of the linear probe, >= 1.
        split: "public" takes the split that came with the data (random where there is none); "random" draws one.
        train_share: share of the nodes in a random training part.
        val_share: share of the nodes in a random validation part; all others test.
        knn: neighbours of the kNN score; 0 leaves it out.
        clustering: also compare k-means with the classes (NMI, ARI).
        folds: outer folds of the SVM on graphs, >= 2.
        svm_seed: of the SVM's outer shuffling; the papers keep it at 0 for all seeds.
    """

    probe_lr: float = 0.01
    probe_weight_decay: float = 1e-4
    probe_epochs: int = 300
    split: Literal["public", "random"] = "public"
    train_share: float = 0.1
    val_share: float = 0.1
    knn: int = 20
    clustering: bool = False
    folds: int = 10
    svm_seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("probe_weight_decay", 0), ("probe_epochs", 1), ("knn", 0), ("folds", 2), ("svm_seed", 0)):
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} must be >= {least}, got {getattr(self, name)}")
        if not self.probe_lr > 0:
            raise ValueError(f"probe_lr must be > 0, got {self.probe_lr}")
        if not (self.train_share > 0 and self.val_share > 0 and self.train_share + self.val_share < 1):
            raise ValueError(
                "train_share and val_share must be > 0 and leave something for the test part, "
                f"got {self.train_share} and {self.val_share}"
            )


def node_split(graph: GraphData, settings: EvaluationSettings, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """The positions of the three parts; nodes without a label (-1) are in none.

    Args:
        graph: with labels.
        settings: which split.
        seed: of a random split.

    Raises:
        UserError: a part without a labelled node.
    """
    given = (graph.train_index, graph.val_index, graph.test_index)
    train, val, test = given
    if settings.split == "public" and train is not None and val is not None and test is not None:
        parts = (train, val, test)
    else:
        if graph.y is None:
            raise ValueError("a split needs labels")
        parts = random_split(graph.y, train=settings.train_share, val=settings.val_share, seed=seed)
    if graph.y is None:
        return parts
    train, val, test = (part[graph.y[part] >= 0] for part in parts)
    for name, part in (("train", train), ("val", val), ("test", test)):
        if not len(part):
            raise UserError(
                f"{graph.name}: no node of the {name} part has a label; label some, or choose another split"
            )
    return train, val, test


def evaluate_nodes(
    h: Float[Tensor, "n d"], graph: GraphData, settings: EvaluationSettings, seed: int
) -> dict[str, float]:
    """Scores of node embeddings.

    GraphMAE's protocol: full-batch Adam on one linear layer; ``accuracy`` is the test accuracy after the last epoch and
    ``accuracy at best val`` the one at the best validation epoch. Both are in [0, 1], like the others.

    Args:
        h: embeddings of all nodes.
        graph: its labels and split.
        settings: the protocol.
        seed: of the probe's start and of a random split.
    """
    scores: dict[str, float] = {}
    labelled = graph.y is not None and bool((graph.y >= 0).any())
    if labelled and graph.y is not None:
        train, val, test = node_split(graph, settings, seed)
        probe = LinearProbe(
            lr=settings.probe_lr,
            weight_decay=settings.probe_weight_decay,
            epochs=settings.probe_epochs,
            generator=torch.Generator().manual_seed(seed),
        ).fit(h, graph.y, train=train, val=val, test=test)
        scores["accuracy"] = probe.last
        scores["accuracy at best val"] = probe.at_best_val
        scores["macro F1"] = probe.macro_f1
        if settings.knn:
            knn = KnnEvaluator(k=settings.knn).fit(h[train], graph.y[train])
            scores["kNN accuracy"] = knn.score(h[test], graph.y[test])
        if settings.clustering:
            known = graph.y >= 0
            agreement = cluster_agreement(h[known], graph.y[known], seed=seed)
            scores["NMI"], scores["ARI"] = agreement.nmi, agreement.ari
    else:
        _log.info("%s has no labels: only label-free scores", graph.name)
    return {**scores, **_geometry(h)}


def evaluate_graphs(h: Float[Tensor, "g d"], y: Tensor | None, settings: EvaluationSettings) -> dict[str, float]:
    """Scores of graph embeddings: mean accuracy over the folds of a nested cross-validation, in [0, 1].

    Args:
        h: one row per graph.
        y: class of each graph, or None.
        settings: the protocol.

    Raises:
        UserError: a class with fewer graphs than there are folds.
    """
    scores: dict[str, float] = {}
    if y is not None:
        smallest = int(y.unique(return_counts=True)[1].min())
        if smallest < settings.folds:
            way_out = f"give --evaluate.folds {smallest}" if smallest > 1 else "leave that class out, or add graphs"
            raise UserError(
                f"the smallest class has {smallest} graphs, and {settings.folds} folds need as many of each: {way_out}"
            )
        result = svm_cross_validation(h, y, folds=settings.folds, seed=settings.svm_seed)
        scores = {"accuracy": result.mean, "deviation over folds": result.std}
    return {**scores, **_geometry(h)}


def _geometry(h: Tensor) -> dict[str, float]:
    if len(h) < 2 or not bool(h.any()):
        return {}
    return {"effective rank": effective_rank(h), "uniformity": float(uniformity(h))}
