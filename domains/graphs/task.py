"""The domain's side of a training job."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from core.errors import UserError
from core.training.loader import full_batch, shuffled
from core.training.method import Method, MethodSettings
from domains.graphs import METHODS
from domains.graphs.data.edges import normalise_rows, standardise_columns
from domains.graphs.data.graph import GraphData, GraphSet
from domains.graphs.data.read import read_graph
from domains.graphs.data.sampler import SubgraphLoader
from domains.graphs.evaluate import EvaluationSettings, evaluate_graphs, evaluate_nodes, node_split
from domains.graphs.methods.base import GraphMethod
from domains.graphs.methods.supervised import Supervised

__all__ = ["EMBED_BATCH", "GraphTask", "check_fits", "embed_set", "prepare"]

EMBED_BATCH = 256
"""Graphs that are embedded together."""


def prepare(data: GraphData | GraphSet) -> GraphData | GraphSet:
    """Features as the data set's usual preparation has them: ``facts["normalise"]`` is "rows", "columns" or absent.

    The citation graphs are scaled to rows of sum 1. Your own graph is left as it is, unless you say otherwise when you
    read it.
    """
    how = data.facts.get("normalise")
    if how is None or data.x.layout != torch.strided:
        return data
    return replace(data, x=normalise_rows(data.x) if how == "rows" else standardise_columns(data.x))


def check_fits(method: GraphMethod[Any], data: GraphData | GraphSet) -> None:
    """Refuse data that the model was not made for.

    Raises:
        UserError: another number of features, or nodes where these are graphs.
    """
    if data.num_features != method.in_dim:
        raise UserError(
            f"the model was trained on {method.in_dim} node features, {data.name} has {data.num_features}; "
            "train a model on data with these features"
        )
    if isinstance(data, GraphSet) and method.level == "node":
        raise UserError(f"the model represents nodes, {data.name} is a set of graphs; train one on a set of graphs")
    if isinstance(data, GraphData) and method.level == "graph":
        raise UserError(f"the model represents whole graphs, {data.name} is one graph; train one on a single graph")


def embed_set(method: GraphMethod[Any], data: GraphSet) -> Tensor:
    """``(g, d)`` embeddings of all graphs of a set, a few at a time."""
    parts = torch.arange(len(data)).split(EMBED_BATCH)
    return torch.cat([method.embed(data.select(part)) for part in parts])


class GraphTask:
    """Load, build, batch, score: what `core.training.Task` asks of a domain.

    Attributes:
        evaluation_settings: the dataclass of the protocol.
        nodes_per_batch: a graph with more nodes is trained on random subgraphs of about so many.
    """

    evaluation_settings: type = EvaluationSettings
    nodes_per_batch = 20_000

    def load(self, data: str | None) -> GraphData | GraphSet:
        """A catalogue name, a path, or (None) the k-nearest-neighbour graph of scikit-learn's digits."""
        return prepare(read_graph(data or "digits-knn"))

    def build(
        self, method: str, settings: MethodSettings, data: GraphData | GraphSet, generator: torch.Generator
    ) -> Method[Any]:
        """The untrained method.

        Raises:
            UserError: the method represents nodes and the data are many graphs, or the other way round.
        """
        level = "node" if isinstance(data, GraphData) else "graph"
        allowed = METHODS.describe(method).facts["level"]
        if allowed not in (level, "both"):
            fitting = [entry.name for entry in METHODS if entry.facts["level"] in (level, "both")]
            kind = "one graph" if level == "node" else "a set of graphs"
            raise UserError(
                f"{method} represents {allowed}s, but {data.name} is {kind}; choose from {', '.join(fitting)}"
            )
        rest: dict[str, Any] = {}
        if method == "supervised":
            if data.num_classes < 2:
                raise UserError(f"supervised training needs labels with two classes or more; {data.name} has none")
            rest["num_classes"] = data.num_classes
        built: Method[Any] = METHODS.get(method)(
            settings, in_dim=data.num_features, level=level, generator=generator, **rest
        )
        return built

    def loader(
        self, method: Method[Any], data: GraphData | GraphSet, evaluation: EvaluationSettings, seed: int
    ) -> Iterable[Any]:
        """The whole graph each epoch; random subgraphs of a large one; shuffled mini-batches of a set."""
        if isinstance(data, GraphSet):
            return shuffled(len(data), method.settings.batch_size, seed, data.select)
        if method.name == "supervised":
            train, _, _ = node_split(data, evaluation, seed)
            data = replace(data, train_index=train)
        if data.num_nodes > self.nodes_per_batch:
            return SubgraphLoader(data, self.nodes_per_batch, seed)
        return full_batch(data)

    def evaluate(
        self, method: Method[Any], data: GraphData | GraphSet, settings: EvaluationSettings, seed: int
    ) -> dict[str, float]:
        """The domain's protocol; of a supervised model the accuracy of its own answers.

        Raises:
            UserError: data that the model was not made for, or that the protocol cannot score.
        """
        if not isinstance(method, GraphMethod):
            raise UserError(f"{method.name} is no method of the graphs domain")
        check_fits(method, data)
        if isinstance(data, GraphSet):
            return evaluate_graphs(embed_set(method, data), data.y, settings)
        if isinstance(method, Supervised) and data.y is not None:
            _, val, test = node_split(data, settings, seed)  # the split it was trained on, see loader()
            right = method.predict(data) == data.y
            return {"accuracy": float(right[test].float().mean()), "val accuracy": float(right[val].float().mean())}
        return evaluate_nodes(method.embed(data), data, settings, seed)

    def describe(self, data: GraphData | GraphSet) -> dict[str, Any]:
        """Facts for the artifact."""
        shown: dict[str, Any] = {
            "name": data.name,
            "nodes": int(data.x.shape[0]),
            "directed edges": int(data.edge_index.shape[1]),
            "features": data.num_features,
            "classes": data.num_classes,
        }
        if isinstance(data, GraphSet):
            shown["graphs"] = len(data)
        values = data.x if data.x.layout == torch.strided else data.x.values()
        shown["feature range"] = [float(values.min()), float(values.max())]
        return {**shown, **{key: value for key, value in data.facts.items() if isinstance(value, str | int | float)}}
