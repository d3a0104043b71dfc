"""Edge operations, splits, and the samplers of large graphs."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import UserError
from domains.graphs.data import edges as ops
from domains.graphs.data.sampler import NeighbourSampler, SubgraphLoader, synthetic_graph
from domains.graphs.data.splits import random_split
from tests.domains.graphs.toy import toy_graph


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=30))
@settings(max_examples=40, deadline=None)
def test_clean_edges_are_those_of_the_set(pairs):
    edge_index = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).T
    clean, loops, repeats = ops.clean_edges(edge_index, 7)
    distinct = {frozenset(p) for p in pairs if p[0] != p[1]}
    assert {frozenset(p) for p in clean.T.tolist()} == distinct
    assert clean.shape[1] == 2 * len(distinct)
    assert loops == sum(a == b for a, b in pairs)
    assert repeats == len(pairs) - loops - len(distinct)
    key = clean[1] * 7 + clean[0]
    assert torch.equal(key, key.sort().values)


def test_degree_subgraph_and_hops():
    path = ops.to_undirected(torch.tensor([[0, 1, 2, 3], [1, 2, 3, 4]]), 6)
    assert ops.degree(path, 6).tolist() == [1, 2, 2, 2, 1, 0]
    nodes, inside = ops.induced_subgraph(path, torch.tensor([True, True, False, True, True, False]))
    assert nodes.tolist() == [0, 1, 3, 4]
    assert {tuple(p) for p in inside.T.tolist()} == {(0, 1), (1, 0), (2, 3), (3, 2)}
    assert ops.k_hop(path, 6, torch.tensor([0]), 2).tolist() == [True, True, True, False, False, False]


def test_normalisations_leave_zero_rows_and_constant_columns_finite():
    x = torch.tensor([[1.0, 3.0], [0.0, 0.0]])
    assert ops.normalise_rows(x).tolist() == [[0.25, 0.75], [0.0, 0.0]]
    out = ops.standardise_columns(torch.tensor([[1.0, 5.0], [3.0, 5.0]]))
    assert out.tolist() == [[-1.0, 0.0], [1.0, 0.0]]


def test_splits_are_stratified_disjoint_and_leave_unlabelled_nodes_out():
    y = torch.tensor([0] * 60 + [1] * 30 + [-1] * 10)
    train, val, test = random_split(y, seed=3)
    assert [len(p) for p in (train, val, test)] == [9, 9, 72]
    assert y[train].tolist().count(0) == 6
    together = torch.cat([train, val, test]).sort().values
    assert together.tolist() == list(range(90))
    assert torch.equal(random_split(y, seed=3)[0], train)
    assert not torch.equal(random_split(y, seed=4)[0], train)
    with pytest.raises(ValueError, match="leave something for the test part"):
        random_split(y, train=0.6, val=0.5)
    with pytest.raises(UserError, match="2 labelled nodes are too few"):
        random_split(torch.tensor([0, 1, -1]))


def test_neighbour_sampler_draws_real_edges_within_the_fanout():
    graph = synthetic_graph(300, 3000, seed=1)
    sampler = NeighbourSampler(graph, (4, 2), batch_size=50, seed=0)
    existing = set(map(tuple, graph.edge_index.T.tolist()))
    seen = []
    for batch in sampler.loader():
        seeds = batch.nodes[: batch.num_seeds]
        seen += seeds.tolist()
        assert len(batch.nodes) == len(batch.nodes.unique())
        sampled = batch.nodes[batch.graph.edge_index]
        assert set(map(tuple, sampled.T.tolist())) <= existing
        incoming = torch.bincount(batch.graph.edge_index[1], minlength=len(batch.nodes))
        assert torch.equal(incoming[: batch.num_seeds], ops.degree(graph.edge_index, 300)[seeds].clamp(max=4))
        assert torch.equal(batch.graph.x, graph.x[batch.nodes])
    assert sorted(seen) == list(range(300))


def test_neighbour_sampler_is_uniform_over_neighbours():
    star = ops.to_undirected(torch.stack([torch.zeros(10, dtype=torch.int64), torch.arange(1, 11)]), 11)
    graph = synthetic_graph(11, 10, classes=2, features=2).__class__(torch.ones(11, 2), star)
    sampler = NeighbourSampler(graph, (3,), batch_size=1)
    generator = torch.Generator().manual_seed(0)
    counts = torch.zeros(11)
    for _ in range(2000):
        counts[sampler.sample(torch.tensor([0]), generator).nodes[1:]] += 1
    assert ((counts[1:] / 2000 - 0.3).abs() < 0.05).all()


def test_subgraphs_cover_every_node_once_and_depend_on_seed_and_epoch_only():
    graph = synthetic_graph(1000, 8000, seed=2)
    loader = SubgraphLoader(graph, 260, seed=5)
    parts = list(loader)
    assert len(parts) == len(loader) == 4
    assert sum(p.num_nodes for p in parts) == 1000
    assert torch.equal(torch.cat([p.x for p in parts]).sum(0).round(decimals=2), graph.x.sum(0).round(decimals=2))
    for part in parts:
        key = part.edge_index[1] * part.num_nodes + part.edge_index[0]
        assert (key[1:] > key[:-1]).all()
        flipped = part.edge_index.flip(0)
        assert torch.equal(ops.sort_by_target(flipped, part.num_nodes), part.edge_index)
    again = list(SubgraphLoader(graph, 260, seed=5))
    assert all(torch.equal(a.x, b.x) for a, b in zip(parts, again, strict=True))
    loader.set_epoch(1)
    assert not torch.equal(next(iter(loader)).x, parts[0].x)


def test_walks_keep_more_edges_than_random_parts():
    graph = synthetic_graph(2000, 8000, classes=40, homophily=0.95, seed=0)
    kept = sum(p.edge_index.shape[1] for p in SubgraphLoader(graph, 500, seed=0))
    assert kept / graph.edge_index.shape[1] > 0.3  # a random part would keep a quarter


@pytest.mark.parametrize("bad", [(), (0,), (3, -1)])
def test_sampler_arguments_are_checked(bad):
    with pytest.raises(ValueError, match="fanouts must be positive"):
        NeighbourSampler(toy_graph(), bad, 2)
    with pytest.raises(ValueError, match="nodes_per_batch must be >= 2"):
        SubgraphLoader(toy_graph(), 1, 0)


def parts_of_this_rank():
    """Sorted node features of each part, which tell the nodes apart."""
    graph = synthetic_graph(700, 3000, seed=1)
    return [sorted(part.x[:, 0].tolist()) for part in SubgraphLoader(graph, 100, seed=3)]


def refused_on_this_rank():
    with pytest.raises(UserError, match="makes 1 parts, but 2 processes"):
        list(SubgraphLoader(synthetic_graph(50, 100), 60, seed=0))
    return True


def test_processes_take_turns_at_the_parts_of_one_epoch(gloo_pool):
    """Once every rank trained on all parts: W processes did the work of one, W times."""
    alone = parts_of_this_rank()
    assert len(alone) == 7
    first, second = gloo_pool(2).run(parts_of_this_rank)
    assert [first, second] == [alone[0:6:2], alone[1:6:2]]
    assert gloo_pool(2).run(refused_on_this_rank) == [True, True]
