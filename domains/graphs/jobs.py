"""The domain's jobs: train on data in memory, load a model, embed a graph, find neighbours."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn.functional import normalize

from core.atomic import atomic_write
from core.errors import UserError
from core.progress import working
from core.training import RunResult, load_method, train_in_memory
from domains.graphs import METHODS
from domains.graphs.data.graph import GraphData, GraphSet
from domains.graphs.data.read import read_graph
from domains.graphs.methods.base import GraphMethod
from domains.graphs.task import GraphTask, check_fits, embed_set, prepare

__all__ = ["embed", "embed_command", "load_model", "neighbours", "neighbours_command", "train"]


def train(
    data: GraphData | GraphSet | str,
    method: str = "graphmae",
    *,
    folder: str | Path,
    preset: str | None = None,
    seed: int = 0,
    resume: bool = False,
    progress: bool = True,
    evaluate: Mapping[str, Any] | None = None,
    **settings: Any,
) -> RunResult:
    """Train, score and save one method: ``counterpoint graphs train`` for data in memory.

    Args:
        data: a graph or a set of graphs (`domains.graphs.data.user` makes them from tables, networkx and PyG), taken as
            it is; or a catalogue name or path.
        method: registered name.
        folder: run folder; the model goes to ``folder / "model"``.
        preset: settings of a data set to start from; None takes the method's defaults.
        seed: of every random draw.
        resume: continue the run in the folder.
        progress: show a progress bar on a terminal.
        evaluate: what differs from the defaults of `domains.graphs.evaluate.EvaluationSettings`.
        **settings: what differs from the preset, ``epochs=100``.

    Raises:
        UserError: unknown method, preset or setting, a value out of range, data that do not fit the method, or a
            folder that is taken.
    """
    given = prepare(read_graph(data)) if isinstance(data, str) else data
    return train_in_memory(
        GraphTask(),
        METHODS,
        method,
        given,
        package="domains.graphs",
        data=data if isinstance(data, str) else given.name,
        folder=folder,
        preset=preset,
        seed=seed,
        resume=resume,
        progress=progress,
        evaluate=evaluate,
        settings=settings,
    )


def load_model(folder: str | Path) -> GraphMethod[Any]:
    """A saved method of this domain, ready to embed.

    Args:
        folder: a model folder, or a run folder that holds one.

    Raises:
        UserError: missing or damaged files.
    """
    method = load_method(folder, METHODS)
    if not isinstance(method, GraphMethod):
        raise UserError(f"{folder} holds {method.name}, which is no method of the graphs domain")
    return method


def embed(graph: GraphData | GraphSet | str, model: GraphMethod[Any] | str | Path) -> Float[Tensor, "n d"]:
    """One vector per node of a graph, or per graph of a set.

    Args:
        graph: the data, or a catalogue name or path.
        model: a method, or the folder of a saved one.

    Raises:
        UserError: the model was made for another number of features, or for nodes where these are graphs.
    """
    data = prepare(read_graph(graph)) if isinstance(graph, str) else graph
    method = model if isinstance(model, GraphMethod) else load_model(model)
    check_fits(method, data)
    return embed_set(method, data) if isinstance(data, GraphSet) else method.embed(data)


def embed_command(graph: str, *, model: str, out: str, plot: str | None = None) -> None:
    """Write one vector per node (or per graph) to a Parquet file.

    Args:
        graph: catalogue name or path.
        model: folder of the trained model.
        out: Parquet file: columns node (or graph), label where known, e0, e1, ...
        plot: PNG file for a 2-D picture of the embeddings.
    """
    with working("reading and embedding"):
        data = prepare(read_graph(graph))
        h = embed(data, model)
    table = pd.DataFrame(h.numpy(), columns=[f"e{i}" for i in range(h.shape[1])])
    if isinstance(data, GraphData):
        table.insert(0, "node", list(data.node_ids) if data.node_ids is not None else np.arange(len(h)))
    else:
        table.insert(0, "graph", np.arange(len(h)))
    if data.y is not None:
        table.insert(1, "label", _class_names(data))
    with atomic_write(out, "wb") as file:
        table.to_parquet(file, index=False)
    print(f"{out}: {len(table)} rows, {h.shape[1]} dimensions")
    if plot is not None:
        from core.reporting.plots import embedding_plot

        labels = None if data.y is None else _class_names(data)
        with working("drawing"):
            embedding_plot(h.numpy(), labels, Path(plot), title=f"{data.name}: embeddings")
        print(plot)


def _class_names(data: GraphData | GraphSet) -> list[str | None]:
    names = data.class_names
    codes = [] if data.y is None else data.y.tolist()
    return [None if c < 0 else (names[c] if names is not None else str(c)) for c in codes]


def neighbours(h: Float[Tensor, "n d"], row: int, k: int) -> tuple[Tensor, Tensor]:
    """The ``k`` rows most similar to row ``row`` by cosine, itself left out.

    Returns:
        Their positions and their cosines, most similar first.
    """
    unit = normalize(h, dim=1)
    cosine = unit @ unit[row]
    cosine[row] = -torch.inf
    values, index = cosine.topk(min(k, len(h) - 1))
    return index, values


def neighbours_command(graph: str, *, model: str, node: str, k: int = 10) -> None:
    """List the nodes whose embeddings are most similar to one node's.

    Args:
        graph: catalogue name or path.
        model: folder of the trained model.
        node: the node's id as it stands in your data (its position where the data have no ids).
        k: how many, at least 1.
    """
    if k < 1:
        raise UserError(f"--k must be at least 1, got {k}")
    data = prepare(read_graph(graph))
    ids: tuple[Any, ...] = tuple(range(len(data))) if isinstance(data, GraphSet) else ()
    if isinstance(data, GraphData):
        ids = data.node_ids if data.node_ids is not None else tuple(range(data.num_nodes))
    position = {str(name): i for i, name in enumerate(ids)}
    if node not in position:
        raise UserError(f"there is no node {node!r} in {data.name}; ids look like {ids[0]!r}, there are {len(ids)}")
    index, cosine = neighbours(embed(data, model), position[node], k)
    labels = _class_names(data) if data.y is not None else None
    table = Table("node", "cosine", *(["label"] if labels else []), title=f"most similar to {node}")
    for i, value in zip(index.tolist(), cosine.tolist(), strict=True):
        table.add_row(str(ids[i]), f"{value:.4f}", *([str(labels[i])] if labels else []))
    Console(width=100).print(table)
