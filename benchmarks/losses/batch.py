"""The data that all losses are timed on: views of instances, and what queues, labels and states need besides."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import normalize

__all__ = ["CLASSES", "MOST_VIEWS", "QUEUE", "Batch"]

QUEUE = 4
"""Keys in the queue for each query."""
CLASSES = 10
MOST_VIEWS = 4


@dataclass(frozen=True)
class Batch:
    """Four views of ``n`` instances.

    Attributes:
        views: (4, n, d) raw embeddings.
        queue: (4 n, d) unit rows.
        labels: (n,) classes.
        targets: (n,) real numbers, a standard normal rounded to tenths, so that some are equal.
        index: (n,) positions in a data set of ``2 n`` samples.
        gate: (n, d) openings of a feature gate, in (0, 1).
    """

    views: Tensor
    queue: Tensor
    labels: Tensor
    targets: Tensor
    index: Tensor
    gate: Tensor

    @classmethod
    def draw(cls, count: int, width: int, seed: int, noise: float = 0.65) -> "Batch":
        """Views that resemble each other (cosine about 0.7 at the default), so that gradients are as in training."""
        draw = torch.Generator().manual_seed(seed)
        common = torch.randn(count, width, generator=draw)
        views = torch.stack([common + noise * torch.randn(count, width, generator=draw) for _ in range(MOST_VIEWS)])
        return cls(
            views=views,
            queue=normalize(torch.randn(QUEUE * count, width, generator=draw), dim=1),
            labels=torch.randint(CLASSES, (count,), generator=draw),
            targets=torch.randn(count, generator=draw).mul(10).round().div(10),
            index=torch.randperm(2 * count, generator=draw)[:count],
            gate=torch.rand(count, width, generator=draw).mul(0.8).add(0.1),
        )

    def leaf(self, views: int) -> Tensor:
        """A fresh copy of the first views, (v, n, d), that collects gradients."""
        return self.views[:views].clone().requires_grad_()

    def to(self, dtype: torch.dtype) -> "Batch":
        """The batch with embeddings of another type; everything else stays."""
        return replace(self, views=self.views.to(dtype), queue=self.queue.to(dtype))
