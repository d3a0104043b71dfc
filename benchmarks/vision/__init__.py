"""The vision study: every core method trained against its rivals on real images, one network and one budget."""

from core.plugins import Benchmark

__all__ = ["BENCHMARK"]

BENCHMARK = Benchmark(
    "vision",
    "instance discrimination, supervised contrast, feature suppression, regression and transfer on one small network",
    "benchmarks.vision.study:run",
)
