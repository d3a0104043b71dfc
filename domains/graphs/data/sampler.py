"""Parts of a graph that is too large for one step. CSR gathers only: no compiled extension, no loop over nodes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from core.distributed import rank, world_size
from core.errors import UserError
from core.training.loader import EpochLoader
from domains.graphs.data.edges import sort_by_target
from domains.graphs.data.graph import GraphData

__all__ = ["NeighbourBatch", "NeighbourSampler", "SubgraphLoader", "synthetic_graph"]


@dataclass(frozen=True, eq=False)
class NeighbourBatch:
    """A sampled neighbourhood.

    Attributes:
        graph: the sampled nodes with the sampled edges; the first nodes are the seeds.
        nodes: ``(k,)`` number of each of its nodes in the full graph.
        num_seeds: how many of them are seeds.
    """

    graph: GraphData
    nodes: Int64[Tensor, " k"]
    num_seeds: int


class NeighbourSampler:
    """GraphSAGE's sampler: for each seed at most ``fanouts[0]`` neighbours, for each of those ``fanouts[1]``, ...

    Hamilton et al. 2017, arXiv 1706.02216. Neighbours are drawn without replacement, exactly uniformly: every incoming
    edge of the frontier gets a random key and each node keeps its smallest ones. Cost and memory are linear in the
    edges of the frontier.

    Args:
        graph: the full graph; its edges are sorted by target.
        fanouts: neighbours per node in each hop, each >= 1.
        batch_size: seeds in a batch, >= 1.
        seed: of the run; epoch e depends on (seed, e) only.

    Raises:
        ValueError: an empty or non-positive ``fanouts``.
    """

    def __init__(self, graph: GraphData, fanouts: tuple[int, ...], batch_size: int, seed: int = 0) -> None:
        if not fanouts or min(fanouts) < 1:
            raise ValueError(f"fanouts must be positive numbers, one per hop, got {fanouts}")
        if batch_size < 1:
            raise ValueError(f"batch_size must be >= 1, got {batch_size}")
        self.graph = graph
        self.fanouts = fanouts
        self.batch_size = batch_size
        self.seed = seed
        size = torch.bincount(graph.edge_index[1], minlength=graph.num_nodes)
        self._pointer = torch.zeros(graph.num_nodes + 1, dtype=torch.int64)
        torch.cumsum(size, 0, out=self._pointer[1:])

    def loader(self, seeds: Int64[Tensor, " s"] | None = None) -> EpochLoader:
        """Batches that cover ``seeds`` (all nodes if None) once per epoch, in random order."""
        all_seeds = torch.arange(self.graph.num_nodes) if seeds is None else seeds

        def batches(generator: torch.Generator) -> Iterable[NeighbourBatch]:
            order = all_seeds[torch.randperm(len(all_seeds), generator=generator)]
            return (self.sample(part, generator) for part in order.split(self.batch_size))

        return EpochLoader(batches, -(-len(all_seeds) // self.batch_size), self.seed)

    def sample(self, seeds: Int64[Tensor, " s"], generator: torch.Generator) -> NeighbourBatch:
        """The neighbourhood of distinct ``seeds``."""
        number = torch.full((self.graph.num_nodes,), -1)
        number[seeds] = torch.arange(len(seeds))
        nodes, frontier = seeds, seeds
        edges = []
        for fanout in self.fanouts:
            source, target = self._draw(frontier, fanout, generator)
            edges.append(torch.stack([source, target]))
            fresh = torch.unique(source[number[source] < 0])
            number[fresh] = torch.arange(len(fresh)) + len(nodes)
            nodes, frontier = torch.cat([nodes, fresh]), fresh
        local = number[torch.cat(edges, 1)]
        graph = self.graph
        part = GraphData(
            _rows(graph.x, nodes),
            sort_by_target(local, len(nodes)),
            None if graph.y is None else graph.y[nodes],
            name=graph.name,
        )
        return NeighbourBatch(part, nodes, len(seeds))

    def _draw(self, frontier: Tensor, fanout: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """At most ``fanout`` incoming edges of each node of the frontier: sources and targets in full numbers."""
        start = self._pointer[frontier]
        size = self._pointer[frontier + 1] - start
        owner = torch.repeat_interleave(torch.arange(len(frontier)), size)
        first = torch.cumsum(size, 0) - size
        edge = torch.arange(len(owner)) - first[owner] + start[owner]
        key = owner + torch.rand(len(owner), generator=generator, dtype=torch.float64)
        order = torch.argsort(key)  # by owner, then at random
        rank = torch.arange(len(owner)) - first[owner]
        kept = order[rank < fanout]
        return self.graph.edge_index[0, edge[kept]], frontier[owner[kept]]


class SubgraphLoader(EpochLoader):
    """Random induced subgraphs that together cover every node once per epoch.

    Nodes are handed to parts by short random walks (GraphSAINT, Zeng et al. 2020, arXiv 1907.04931, walks from random
    roots), so that a part keeps many of its edges; what no walk reached fills up the parts at random. Methods that
    train on a whole graph train on each part instead. Memory is that of one part. Several processes take turns: each
    gets every W-th part, and a remainder that does not go round is left out in that epoch.

    Args:
        graph: the full graph.
        nodes_per_batch: nodes in a part, >= 2.
        seed: of the run; epoch e depends on (seed, e) only.
        walk_length: steps of each walk, >= 1.
    """

    def __init__(self, graph: GraphData, nodes_per_batch: int, seed: int, walk_length: int = 4) -> None:
        if nodes_per_batch < 2:
            raise ValueError(f"nodes_per_batch must be >= 2, got {nodes_per_batch}")
        self.graph = graph
        self.walk_length = walk_length
        self.parts = -(-graph.num_nodes // nodes_per_batch)
        self._degree = torch.bincount(graph.edge_index[1], minlength=graph.num_nodes)
        self._pointer = torch.cumsum(self._degree, 0) - self._degree
        super().__init__(self._batches, lambda: self.parts // world_size(), seed)

    def _batches(self, generator: torch.Generator) -> Iterator[GraphData]:
        shared = self.parts - self.parts % world_size()
        if not shared:
            raise UserError(
                f"{self.graph.name} makes {self.parts} parts, but {world_size()} processes want one each; "
                "start fewer processes, or take fewer nodes per batch"
            )
        part_of = self._assign(generator)
        order = torch.argsort(part_of, stable=True)
        sizes = torch.bincount(part_of, minlength=self.parts).tolist()
        number = torch.empty(self.graph.num_nodes, dtype=torch.int64)
        for part, nodes in enumerate(order.split(sizes)):
            if part >= shared or part % world_size() != rank():
                continue
            number[nodes] = torch.arange(len(nodes))
            yield self._induced(nodes, part_of, number)

    def _assign(self, generator: torch.Generator) -> Tensor:
        """The part of each node. Walks of all roots advance together, one gather per step."""
        count = self.graph.num_nodes
        roots = torch.randperm(count, generator=generator)[: max(self.parts, count // (self.walk_length + 1))]
        label = torch.arange(len(roots)) % self.parts
        part_of = torch.full((count,), -1)
        at = roots
        part_of[at] = label
        for _ in range(self.walk_length):
            step = (torch.rand(len(at), generator=generator) * self._degree[at]).long()
            moved = self.graph.edge_index[0, (self._pointer[at] + step).clamp(max=self.graph.edge_index.shape[1] - 1)]
            at = torch.where(self._degree[at] > 0, moved, at)
            free = part_of[at] < 0
            part_of[at[free]] = label[free]
        left = (part_of < 0).nonzero().squeeze(1)
        part_of[left] = torch.randint(self.parts, (len(left),), generator=generator)
        return part_of

    def _induced(self, nodes: Tensor, part_of: Tensor, number: Tensor) -> GraphData:
        """The subgraph of one part: only the edges of its own nodes are looked at."""
        size = self._degree[nodes]
        owner = torch.repeat_interleave(torch.arange(len(nodes)), size)
        first = torch.cumsum(size, 0) - size
        edge = torch.arange(len(owner)) - first[owner] + self._pointer[nodes][owner]
        source = self.graph.edge_index[0, edge]
        inside = part_of[source] == part_of[nodes][owner]
        graph = self.graph
        train = None
        if graph.train_index is not None:
            member = torch.zeros(graph.num_nodes, dtype=torch.bool)
            member[graph.train_index] = True
            train = member[nodes].nonzero().squeeze(1)
        return GraphData(
            _rows(graph.x, nodes),
            torch.stack([number[source[inside]], owner[inside]]),
            None if graph.y is None else graph.y[nodes],
            train_index=train,
            name=graph.name,
        )


def _rows(x: Tensor, nodes: Tensor) -> Tensor:
    """Rows of dense or sparse CSR features, dense."""
    return x[nodes] if x.layout == torch.strided else x.index_select(0, nodes).to_dense()


def synthetic_graph(
    num_nodes: int, num_edges: int, *, classes: int = 10, features: int = 64, homophily: float = 0.8, seed: int = 0
) -> GraphData:
    """A generated graph with classes, for tests of size. Synthetic: say so wherever its results are shown.

    Each edge joins a random node with a random node of the same class (probability ``homophily``) or of any class.
    Features are a class mean (standard normal) plus noise of deviation 3.

    Args:
        num_nodes: |V|.
        num_edges: undirected edges that are drawn; loops and repeats then fall away.
        classes: number of classes.
        features: width.
        homophily: in [0, 1].
        seed: of the draw.
    """
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(num_nodes) % classes
    first = torch.randint(num_nodes, (num_edges,), generator=generator)
    second = torch.randint(num_nodes, (num_edges,), generator=generator)
    alike = torch.rand(num_edges, generator=generator) < homophily
    second = torch.where(alike, second - second % classes + first % classes, second).clamp(max=num_nodes - 1)
    pairs = torch.stack([first, second])[:, first != second]
    edge_index = sort_by_target(torch.cat([pairs, pairs.flip(0)], 1), num_nodes)
    means = torch.randn(classes, features, generator=generator)
    x = means[y] + 3 * torch.randn(num_nodes, features, generator=generator)
    return GraphData(x, edge_index, y, name="synthetic", facts={"source": "generated", "licence": "none needed"})
