"""Small graphs that the tests of the domain share."""

import torch

from domains.graphs.data.edges import to_undirected
from domains.graphs.data.graph import GraphData, GraphSet


def toy_graph(nodes: int = 12, width: int = 5, seed: int = 0, dtype: torch.dtype = torch.float32) -> GraphData:
    """A connected random graph with two classes; node ``nodes - 1`` is isolated."""
    generator = torch.Generator().manual_seed(seed)
    ring = torch.stack([torch.arange(nodes - 1), (torch.arange(nodes - 1) + 1) % (nodes - 1)])
    chords = torch.randint(nodes - 1, (2, nodes), generator=generator)
    chords = chords[:, chords[0] != chords[1]]
    x = torch.randn(nodes, width, generator=generator).to(dtype)
    return GraphData(x, to_undirected(torch.cat([ring, chords], 1), nodes), torch.arange(nodes) % 2, name="toy")


def toy_set(graphs: int = 8, seed: int = 0) -> GraphSet:
    """Rings of two sizes, the class being the size; one graph has no edge."""
    sizes = torch.tensor([3 + 2 * (i % 2) for i in range(graphs)])
    pointer = torch.cat([torch.zeros(1, dtype=torch.int64), sizes.cumsum(0)])
    edges = []
    for i, size in enumerate(sizes.tolist()):
        if i != graphs - 1:
            start = int(pointer[i])
            edges += [(start + k, start + (k + 1) % size) for k in range(size)]
    x = torch.randn(int(pointer[-1]), 4, generator=torch.Generator().manual_seed(seed))
    edge_index = to_undirected(torch.tensor(edges).T.contiguous(), int(pointer[-1]))
    return GraphSet(x, edge_index, pointer, torch.arange(graphs) % 2, name="rings")
