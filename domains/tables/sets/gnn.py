"""Links weighed anew by a graph network that sees their surroundings, then average linkage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from core.losses import BinaryNCELoss
from domains.tables.sets.linkage import average_linkage
from domains.tables.sets.problem import Problem

__all__ = ["LinkNetwork", "gnn"]

WIDTH = 32
EPOCHS = 100
LEARNING_RATE = 0.01
NEGATIVES = 5
"""Pairs without a link that are drawn for each link and epoch, before those that turn out to have one are dropped."""


class LinkNetwork(nn.Module):
    """Two graph convolutions over a learnt vector for each node, and the log-odds that two nodes belong together.

    Kipf and Welling 2016, arXiv 1609.02907, eq. 2, with symmetric normalisation and loops.

    Args:
        count: number of nodes.
        generator: of the first weights.
    """

    def __init__(self, count: int, generator: torch.Generator) -> None:
        super().__init__()
        self.node = nn.Parameter(torch.randn(count, WIDTH, generator=generator))
        scale = WIDTH**-0.5
        self.first = nn.Parameter(torch.randn(WIDTH, WIDTH, generator=generator) * scale)
        self.second = nn.Parameter(torch.randn(WIDTH, WIDTH, generator=generator) * scale)
        self.scale = nn.Parameter(torch.tensor(5.0))
        self.shift = nn.Parameter(torch.tensor(0.0))

    def forward(self, adjacency: Tensor) -> Float[Tensor, "n d"]:
        """Vectors of length 1.

        Args:
            adjacency: ``(n, n)`` sparse, normalised.
        """
        hidden = torch.relu(torch.sparse.mm(adjacency, self.node) @ self.first)
        return functional.normalize(torch.sparse.mm(adjacency, hidden) @ self.second, dim=1)

    def log_odds(
        self, z: Float[Tensor, "n d"], left: Int64[Tensor, " p"], right: Int64[Tensor, " p"]
    ) -> Float[Tensor, " p"]:
        """Log-odds that both nodes of each pair belong together.

        Args:
            z: vectors of all nodes.
            left: one node of each pair.
            right: the other.
        """
        return self.scale * (z[left] * z[right]).sum(dim=1) + self.shift


def gnn(problem: Problem) -> NDArray[np.int64]:
    """A graph network learns which links fit their surroundings; average linkage then takes its probabilities.

    The network has no features, only a vector to learn for each node. It tells links, drawn by their weights, from
    pairs of the same component without one, with the binary contrastive loss of the core: a link that crosses between
    two dense regions looks like the many pairs across that have none. The released code of Ji et al. 2024,
    arXiv 2412.00324, takes the largest output of a layer that is never trained for the label; we do not.

    Args:
        problem: the graph; its seed draws weights and pairs.

    Returns:
        ``(m,)`` int64, set of each group.
    """
    strong = problem.strong()
    component = strong.components()
    open_links = ~strong.complete(component)[component[strong.left]]
    few = strong.keep(open_links)
    # Nodes in the order of their components, so that a draw within one is a draw from a range.
    nodes = np.unique(np.r_[few.left, few.right])
    nodes = nodes[np.argsort(component[nodes], kind="stable")]
    place = np.empty(problem.count, dtype=np.int64)
    place[nodes] = np.arange(nodes.size)
    pairs = _Pairs(place[few.left], place[few.right], few.total, component[nodes])
    probability = np.ones(strong.left.size)
    if pairs.can_be_wrong():
        with _one_thread():
            probability[open_links] = _train(pairs, problem.seed)
    weighed = replace(
        strong,
        total=probability * strong.known,
        weakest=probability,
        strongest=probability,
        threshold=0.5,
    )
    return average_linkage(weighed)


class _Pairs:
    """Links of all open components, and draws of links and of pairs without one."""

    def __init__(
        self,
        left: NDArray[np.int64],
        right: NDArray[np.int64],
        weight: NDArray[np.float64],
        component: NDArray[np.int64],
    ) -> None:
        self.count = component.size
        self.left, self.right, self.weight = left, right, weight
        self._chance = np.cumsum(weight)
        self._keys = np.sort(np.minimum(left, right) * self.count + np.maximum(left, right))
        _, start, inverse, size = np.unique(component, return_index=True, return_inverse=True, return_counts=True)
        self._start, self._size = start[inverse], size[inverse]

    def can_be_wrong(self) -> bool:
        """Whether some component lacks a link: else there is nothing to tell links from."""
        return bool((self._size - 1).sum() > 2 * self.left.size)

    def links(self, generator: np.random.Generator) -> NDArray[np.int64]:
        """As many links as there are, drawn by weight."""
        draw = generator.random(self.left.size) * self._chance[-1]
        drawn: NDArray[np.int64] = np.minimum(np.searchsorted(self._chance, draw, side="right"), self.left.size - 1)
        return drawn

    def without(self, generator: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs of one component without a link; maybe none."""
        a = np.tile(np.concatenate([self.left, self.right]), NEGATIVES)
        b = self._start[a] + (generator.random(a.size) * self._size[a]).astype(np.int64)
        key = np.minimum(a, b) * self.count + np.maximum(a, b)
        near = np.minimum(np.searchsorted(self._keys, key), self._keys.size - 1)
        free = (a != b) & (self._keys[near] != key)
        return a[free], b[free]

    def adjacency(self) -> Tensor:
        """``(n, n)`` sparse float32, D^-1/2 (W + I) D^-1/2."""
        own = np.arange(self.count)
        rows = np.concatenate([self.left, self.right, own])
        columns = np.concatenate([self.right, self.left, own])
        weight = np.concatenate([self.weight, self.weight, np.ones(self.count)])
        root = 1 / np.sqrt(np.bincount(rows, weight, self.count))
        values = torch.from_numpy(weight * root[rows] * root[columns]).float()
        cells = torch.from_numpy(np.stack([rows, columns]))
        return torch.sparse_coo_tensor(cells, values, (self.count, self.count), check_invariants=True).coalesce()


def _train(pairs: _Pairs, seed: int) -> NDArray[np.float64]:
    """``(p,)`` probability of each link."""
    generator = np.random.default_rng(seed)
    network = LinkNetwork(pairs.count, torch.Generator().manual_seed(seed))
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    loss_of = BinaryNCELoss(mean_over="kinds")
    adjacency = pairs.adjacency()
    left, right = torch.from_numpy(pairs.left), torch.from_numpy(pairs.right)
    for _ in range(EPOCHS):
        drawn = torch.from_numpy(pairs.links(generator))
        a, b = map(torch.from_numpy, pairs.without(generator))
        if not len(a):
            continue
        z = network(adjacency)
        loss = loss_of(network.log_odds(z, left[drawn], right[drawn]), network.log_odds(z, a, b))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return torch.sigmoid(network.log_odds(network(adjacency), left, right)).double().numpy()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums over nodes come out the same on any machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
