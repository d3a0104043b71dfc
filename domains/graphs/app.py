"""The commands of the graphs domain, and the data it brings along."""

from __future__ import annotations

from core.plugins import Command, Domain

__all__ = ["DOMAIN", "EMBEDDED"]

EMBEDDED: dict[str, str] = {
    "digits-knn": "nearest-neighbour graph of scikit-learn's 1,797 handwritten digits (UCI)",
    "wine-knn": "nearest-neighbour graph of 178 wines (UCI)",
    "cancer-knn": "nearest-neighbour graph of 569 breast tumours (UCI)",
    "digits-graphs": "600 digits as graphs of their inked pixels, for graph classification",
}
"""Names and titles of the embedded data sets."""

DOMAIN = Domain(
    name="graphs",
    summary="node and graph representations without labels: GraphMAE, GRACE, DGI, BGRL, GraphCL, InfoGraph",
    methods="domains.graphs:METHODS",
    task="domains.graphs.task:GraphTask",
    catalogue="domains.graphs",
    embedded=EMBEDDED,
    commands=(
        Command(
            "embed",
            "write one vector per node (or graph) to a Parquet file, with an optional picture",
            "counterpoint graphs embed cora --model runs/cora --out cora.parquet --plot cora.png",
            "domains.graphs.jobs:embed_command",
        ),
        Command(
            "neighbours",
            "list the nodes that are most similar to one node",
            "counterpoint graphs neighbours cora --model runs/cora --node 17 --k 5",
            "domains.graphs.jobs:neighbours_command",
        ),
    ),
)
