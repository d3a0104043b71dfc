"""The tables study: from messy files to one clean table, every step beside its rivals."""

from core.plugins import Benchmark

__all__ = ["BENCHMARK"]

BENCHMARK = Benchmark(
    "tables",
    "matching without labels, sets, conflicts and cost, beside splink, dedupe and plain baselines",
    "benchmarks.tables.study:run",
)
