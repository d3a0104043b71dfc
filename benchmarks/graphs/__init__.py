"""The graphs study: GraphMAE, its rivals and the controls on one protocol."""

from core.plugins import Benchmark

__all__ = ["BENCHMARK"]

BENCHMARK = Benchmark(
    "graphs",
    "GraphMAE, GRACE, DGI, BGRL, GraphCL, InfoGraph and the controls on one protocol",
    "benchmarks.graphs.study:run",
)
