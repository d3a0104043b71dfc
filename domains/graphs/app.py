"""The commands of the graphs domain."""

from __future__ import annotations

from core.plugins import Command, Domain

__all__ = ["DOMAIN"]

DOMAIN = Domain(
    name="graphs",
    summary="node and graph representations without labels: GraphMAE, GRACE, DGI, BGRL, GraphCL, InfoGraph",
    methods="domains.graphs:METHODS",
    task="domains.graphs.task:GraphTask",
    catalogue="domains.graphs",
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
