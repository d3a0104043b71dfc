"""What dropping near-copies costs: hash codes and embeddings, from scan-like to hopeless."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from core.samplers import RedundancyFilter

__all__ = ["ReductionCase", "embedding_scans", "redundancy_cases", "scan_codes"]

LENGTH = 100
"""Items of a synthetic scan."""


class ReductionCase(NamedTuple):
    """One reduction to time.

    Attributes:
        name: what is reduced, and how.
        count: items.
        run: reduces them and returns the share kept; the items are drawn when it is first called.
    """

    name: str
    count: int
    run: Callable[[], float]


def scan_codes(count: int, *, seed: int = 0) -> Tensor:
    """Codes of scans of 100 slices, ``(count, 64)`` bool; a slice differs from the one before in a bit, on average."""
    draw = np.random.default_rng(seed)
    codes = np.empty((count, 64), dtype=bool)
    for start in range(0, count, 1000 * LENGTH):
        part = codes[start : start + 1000 * LENGTH]
        flips = draw.random(part.shape) < 1 / 64
        first = np.arange(len(part)) % LENGTH == 0
        flips[first] = False
        begin = draw.random((int(first.sum()), 64)) < 0.5
        steps = np.cumsum(flips, axis=0, dtype=np.int32)
        steps -= np.repeat(steps[first], LENGTH, axis=0)[: len(part)]
        part[:] = np.repeat(begin, LENGTH, axis=0)[: len(part)] ^ (steps % 2 == 1)
    return torch.from_numpy(codes)


def random_codes(count: int, *, seed: int = 0) -> Tensor:
    """Codes without near-copies: the worst case, in which all is kept."""
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 2, (count, 64), dtype=np.int8).astype(bool))


def embedding_scans(count: int, *, width: int = 64, seed: int = 0) -> Tensor:
    """Rows around one centre for each 20 of them, at a cosine distance of about 0.08 from each other."""
    draw = torch.Generator().manual_seed(seed)
    centres = torch.randn(-(-count // 20), width, generator=draw).repeat_interleave(20, 0)[:count]
    return centres + 0.3 * torch.randn(count, width, generator=draw)


def random_rows(count: int, *, width: int = 64, seed: int = 0) -> Tensor:
    """Rows without near-copies."""
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def redundancy_cases(largest: int = 1_000_000) -> list[ReductionCase]:
    """The reductions to time, all as one set: no group makes it easier.

    Args:
        largest: leave out those of more items.
    """
    make: list[tuple[str, int, str, float, Callable[[int], Tensor]]] = [
        ("scans, 6 of 64 bits", 100_000, "hamming", 6, scan_codes),
        ("scans, 12 of 64 bits", 100_000, "hamming", 12, scan_codes),
        ("random, 6 of 64 bits", 100_000, "hamming", 6, random_codes),
        ("groups of 20, cosine 0.1, d = 64", 100_000, "cosine", 0.1, embedding_scans),
        ("random, cosine 0.1, d = 64", 100_000, "cosine", 0.1, random_rows),
        ("scans, 6 of 64 bits", 1_000_000, "hamming", 6, scan_codes),
        ("random, 6 of 64 bits", 1_000_000, "hamming", 6, random_codes),
    ]
    return [
        ReductionCase(name, count, _reduction(measure, threshold, items, count))
        for name, count, measure, threshold, items in make
        if count <= largest
    ]


def _reduction(measure: str, threshold: float, items: Callable[[int], Tensor], count: int) -> Callable[[], float]:
    held: list[Tensor] = []

    def run() -> float:
        if not held:
            held.append(items(count))
        return RedundancyFilter(measure, threshold).fit(held[0]).ratio_

    return run
