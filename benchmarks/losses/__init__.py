"""Time, memory and rounding of the softmax losses against a floor, the plainest PyTorch version and peers."""

from core.plugins import Benchmark

__all__ = ["BENCHMARK"]

BENCHMARK = Benchmark(
    name="losses",
    summary="time and memory of the softmax losses against their floor, five lines of PyTorch and peers",
    target="benchmarks.losses.run:run",
)
