"""Segment operations against dense matrices in float64."""

import pytest
import torch

from domains.graphs.models import Adjacency, aggregate, edge_softmax
from tests.domains.graphs.toy import toy_graph


def setting(heads: int, restricted: bool):
    graph = toy_graph(dtype=torch.float64)
    adjacency = Adjacency.from_edges(graph.edge_index, graph.num_nodes)
    if restricted:
        adjacency = adjacency.restrict(torch.arange(graph.num_nodes) % 3 != 0)
    generator = torch.Generator().manual_seed(1)
    value = torch.randn(graph.num_nodes, heads, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    weight = torch.randn(adjacency.num_edges, heads, dtype=torch.float64, generator=generator, requires_grad=True)
    return adjacency, value, weight


def dense(adjacency: Adjacency, per_edge: torch.Tensor) -> torch.Tensor:
    """(t, n) matrix of one head."""
    matrix = torch.zeros(adjacency.num_targets, adjacency.num_sources, dtype=per_edge.dtype)
    return matrix.index_put((adjacency.target, adjacency.source), per_edge, accumulate=True)


@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("restricted", [False, True])
def test_weighted_sum_and_its_gradients_equal_the_dense_product(heads, restricted):
    adjacency, value, weight = setting(heads, restricted)
    out = aggregate(value, adjacency, weight)
    expected = torch.stack([dense(adjacency, weight[:, h]) @ value[:, h] for h in range(heads)], 1)
    torch.testing.assert_close(out, expected)
    pull = torch.randn(out.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    for mine, theirs in zip(
        torch.autograd.grad(out, (value, weight), pull),
        torch.autograd.grad(expected, (value, weight), pull),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs)


def test_unweighted_sum_counts_every_edge_once():
    adjacency, value, _ = setting(2, False)
    out = aggregate(value, adjacency)
    expected = torch.stack(
        [dense(adjacency, torch.ones(adjacency.num_edges).double()) @ value[:, h] for h in (0, 1)], 1
    )
    torch.testing.assert_close(out, expected)
    assert torch.autograd.gradcheck(lambda v: aggregate(v, adjacency), value)


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_softmax_sums_to_one_per_target_and_has_the_dense_gradient(scale):
    adjacency, _, logit = setting(2, True)
    alpha = edge_softmax(logit * scale, adjacency)
    total = torch.zeros(adjacency.num_targets, 2, dtype=torch.float64).index_add(0, adjacency.target, alpha)
    torch.testing.assert_close(total, torch.ones_like(total))
    for h in range(2):
        hole = torch.full((adjacency.num_targets, adjacency.num_sources), -torch.inf, dtype=torch.float64)
        matrix = hole.index_put((adjacency.target, adjacency.source), logit[:, h] * scale).softmax(1)
        torch.testing.assert_close(matrix[adjacency.target, adjacency.source], alpha[:, h])
    if scale == 1.0:
        assert torch.autograd.gradcheck(lambda e: edge_softmax(e, adjacency), logit)


def test_loops_are_added_once_and_isolated_nodes_have_one():
    edges = torch.tensor([[0, 1, 1], [1, 0, 1]])  # holds a loop already
    adjacency = Adjacency.from_edges(edges, 3)
    assert sorted(zip(adjacency.source.tolist(), adjacency.target.tolist(), strict=True)) == [
        (0, 0), (0, 1), (1, 0), (1, 1), (2, 2),
    ]  # fmt: skip


def test_restriction_keeps_the_rows_and_their_order():
    graph = toy_graph()
    adjacency = Adjacency.from_edges(graph.edge_index, graph.num_nodes)
    keep = torch.arange(graph.num_nodes) % 2 == 1
    value = torch.randn(graph.num_nodes, 1, 2)
    torch.testing.assert_close(aggregate(value, adjacency)[keep], aggregate(value, adjacency.restrict(keep)))
    with pytest.raises(ValueError, match="before restrict"):
        _ = adjacency.restrict(keep).gcn_weight
