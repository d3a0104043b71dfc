"""Time and memory of GraphMAE: against plain PyG on Cora's size, and on a generated graph with a million edges."""

import time
from collections.abc import Callable
from dataclasses import replace
from statistics import fmean, median, stdev

import torch

from benchmarks.graphs.plain_pyg import PlainGraphMAE
from core.reporting import ResultRecord, environment, measure
from core.reporting.records import Role
from domains.graphs.data.graph import GraphData
from domains.graphs.data.sampler import SubgraphLoader, synthetic_graph
from domains.graphs.methods.graphmae import GraphMAE, GraphMAESettings

__all__ = ["large_graph_records", "measure_epochs", "speed_records"]

_REPEATS = 3


def measure_epochs(graph: GraphData, epochs: int) -> dict[str, float]:
    """Median CPU seconds per training epoch of ours and of plain PyG, taking turns in one process.

    Args:
        graph: the data; GraphMAE runs at Cora's official size whatever it is.
        epochs: timed epochs of each, after two that are not timed.
    """
    method = GraphMAE(GraphMAESettings(), in_dim=graph.num_features)
    object.__setattr__(method, "log", lambda *args, **kwargs: None)  # no trainer is attached
    plain = PlainGraphMAE(graph.num_features)
    ours = method.configure_optimizers()["optimizer"]
    theirs = torch.optim.Adam(plain.parameters(), lr=1e-3, weight_decay=2e-4)
    losses: dict[str, tuple[Callable[[], torch.Tensor], torch.optim.Optimizer]] = {
        "GraphMAE": (lambda: method.training_step(graph, 0), ours),
        "plain PyG": (lambda: plain(graph.x, graph.edge_index), theirs),
    }
    seconds: dict[str, list[float]] = {name: [] for name in losses}
    for epoch in range(epochs + 2):
        for name, (loss, optimizer) in losses.items():
            started = time.process_time()
            optimizer.zero_grad()
            loss().backward()
            optimizer.step()
            if epoch > 1:
                seconds[name].append(time.process_time() - started)
    return {name: median(values) for name, values in seconds.items()}


def speed_records(graph: GraphData, profile: str, epochs: int = 15) -> list[ResultRecord]:
    """Records of `measure_epochs` over three repeats, with the ratio of each repeat."""
    repeats = [measure_epochs(graph, epochs) for _ in range(_REPEATS)]
    rows: dict[str, tuple[Role, list[float], str]] = {
        "plain PyG": ("baseline", [r["plain PyG"] for r in repeats], "CPU s per epoch"),
        "GraphMAE": ("method", [r["GraphMAE"] for r in repeats], "CPU s per epoch"),
        "GraphMAE over plain PyG": ("method", [r["GraphMAE"] / r["plain PyG"] for r in repeats], "ratio"),
    }
    return [
        _record(system, graph.name, "speed", profile, role, values, metric, "official size")
        for system, (role, values, metric) in rows.items()
    ]


def large_graph_records(profile: str, nodes: int = 100_000, edges: int = 1_000_000) -> list[ResultRecord]:
    """One epoch of GraphMAE (width 64) over random subgraphs of a generated graph: seconds and peak extra memory.

    The whole graph in one step stands beside it where the memory allows.
    """
    graph = synthetic_graph(nodes, edges)
    name = f"synthetic, {nodes:,} nodes, {graph.edge_index.shape[1] // 2:,} edges"
    settings = GraphMAESettings(hidden=64, heads=2, epochs=1)
    records = []
    for system, batch in (("GraphMAE on subgraphs of 10,000 nodes", 10_000), ("GraphMAE on the whole graph", nodes)):
        seconds, memory = [], []
        for seed in range(_REPEATS):
            method = GraphMAE(settings, in_dim=graph.num_features, generator=torch.Generator().manual_seed(seed))
            object.__setattr__(method, "log", lambda *args, **kwargs: None)
            optimizer = method.configure_optimizers()["optimizer"]
            with measure() as cost:
                for part in SubgraphLoader(graph, batch, seed):
                    optimizer.zero_grad()
                    method.training_step(part, 0).backward()
                    optimizer.step()
            seconds.append(cost.seconds)
            memory.append(cost.peak_mb or 0.0)
        role: Role = "method" if batch < nodes else "baseline"
        shown = _record(system, name, "one epoch", profile, role, memory, "peak extra MB", "generated")
        records += [shown, replace(shown, metric="s per epoch", **_spread(seconds))]
    return records


def _spread(values: list[float]) -> dict[str, object]:
    return {"values": tuple(values), "mean": fmean(values), "std": stdev(values)}


def _record(
    system: str, dataset: str, split: str, profile: str, role: Role, values: list[float], metric: str, note: str
) -> ResultRecord:
    return ResultRecord.over(
        values,
        system=system,
        domain="graphs",
        dataset=f"{dataset} ({metric})" if metric == "ratio" else dataset,
        split=split,
        method="graphmae",
        metric=metric,
        role=role,
        profile=profile,
        settings={"note": note, "threads": torch.get_num_threads()},
        **environment(),
    )
