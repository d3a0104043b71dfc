"""What the graphs study runs: systems, data sets and seeds of each profile."""

from dataclasses import replace

from core.reporting import Cell, System
from core.reporting.records import Role

__all__ = ["DATASETS", "plan"]

RAW = System("raw features", "smoothed", "baseline", {"hops": 0})
SGC = System("SGC-smoothed features", "smoothed", "baseline")
UNTRAINED = System("untrained encoder", "graphmae", "untrained", {"epochs": 0})
GRAPHMAE = System("GraphMAE", "graphmae")
CONTROLS = (RAW, SGC, UNTRAINED)
RIVALS = (System("GRACE", "grace"), System("DGI", "dgi"), System("BGRL", "bgrl"))
GCN = System("supervised GCN", "supervised", "baseline")
GAT = System(
    "supervised GAT",
    "supervised",
    "baseline",
    {"encoder": "gat", "hidden": 64, "dropout": 0.6, "lr": 0.005, "epochs": 200},
)
ABLATION: Role = "ablation"
ABLATIONS = (
    System("GraphMAE without re-mask", "graphmae", ABLATION, {"remask": False}),
    System("GraphMAE with MSE", "graphmae", ABLATION, {"loss": "mse"}),
    System("GraphMAE, MLP decoder", "graphmae", ABLATION, {"decoder": "mlp"}),
)
HISTOGRAM = System("label or degree histogram", "smoothed", "baseline", {"hops": 0})
GRAPH_RIVALS = (System("InfoGraph", "infograph"), System("GraphCL", "graphcl"))
GRAPH_LEVEL = (HISTOGRAM, UNTRAINED, GRAPHMAE, *GRAPH_RIVALS)

_NODE = (*CONTROLS, GRAPHMAE, *RIVALS, GCN)
# NCI1: the released configuration misspells the pooling key and so takes the mean; both are run. Five of the paper's
# 300 epochs: a full run takes hours on two cores.
_SHORT = {"epochs": 5}
_NCI1 = (
    HISTOGRAM,
    UNTRAINED,
    System("untrained encoder, mean pooling", "graphmae", "untrained", {"epochs": 0, "pooling": "mean"}),
    System("GraphMAE (5 epochs)", "graphmae", "method", _SHORT),
    System("GraphMAE (5 epochs), mean pooling", "graphmae", "method", {**_SHORT, "pooling": "mean"}),
)

DATASETS: dict[str, dict[str, tuple[tuple[System, ...], int]]] = {
    "quick": {
        "digits-knn": (_NODE, 3),
        "wine-knn": (_NODE, 3),
        "cancer-knn": (_NODE, 3),
    },
    "cpu": {
        "cora": ((*_NODE, GAT), 5),
        "cora ablations": (ABLATIONS, 3),
        "IMDB-BINARY": (GRAPH_LEVEL, 3),
        "MUTAG": (GRAPH_LEVEL, 5),
        "PROTEINS": (GRAPH_LEVEL, 3),
        "amazon-photo": (_NODE, 3),
        "amazon-computers": (_NODE, 3),
        "NCI1": (_NCI1, 3),
    },
    "paper": {
        "cora": ((*_NODE, GAT, *ABLATIONS), 20),
        "citeseer": ((*_NODE, GAT), 20),
        "pubmed": ((*_NODE, GAT), 20),
        **dict.fromkeys(("IMDB-BINARY", "IMDB-MULTI", "PROTEINS", "MUTAG", "COLLAB", "NCI1"), (GRAPH_LEVEL, 5)),
    },
}
"""For each profile the parts of the study: systems and number of seeds."""


def plan(profile: str, part: str, seeds: int | None) -> list[Cell]:
    """The cells of one part; baselines that nothing random decides run with every seed too, for paired tests."""
    systems, usual = DATASETS[profile][part]
    dataset = part.partition(" ")[0]
    count = usual if seeds is None else seeds
    quick = {"graphmae": {"epochs": 200}, "bgrl": {"epochs": 100}, "grace": {"epochs": 60}, "dgi": {"epochs": 200}}
    if profile == "quick":
        systems = tuple(replace(s, settings={**quick.get(s.method, {}), **s.settings}) for s in systems)
    return [Cell(system, dataset, seed) for system in systems for seed in range(count)]
