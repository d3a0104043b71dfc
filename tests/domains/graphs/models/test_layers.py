"""Layers against PyG with copied weights and against their formulas."""

import pytest
import torch
import torch_geometric.nn as pyg

from domains.graphs.models import Adjacency, GATConv, GCNConv, GINConv, GraphEncoder, LinearLayer, SAGEConv, pool
from tests.domains.graphs.toy import toy_graph


@pytest.fixture
def graph():
    return toy_graph()


@pytest.fixture
def adjacency(graph):
    return Adjacency.from_edges(graph.edge_index, graph.num_nodes)


@pytest.mark.parametrize(("heads", "out_dim"), [(2, 8), (1, 4), (1, 9)])  # 9 > 5 takes aggregate-then-project
def test_gat_equals_pyg(graph, adjacency, heads, out_dim):
    ours = GATConv(5, out_dim, heads=heads)
    theirs = pyg.GATConv(5, out_dim // heads, heads, negative_slope=0.2)
    with torch.no_grad():
        ours.bias.normal_()
        theirs.lin.weight.copy_(ours.weight)
        theirs.att_src.copy_(ours.attend_source[None])
        theirs.att_dst.copy_(ours.attend_target[None])
        theirs.bias.copy_(ours.bias)
    a, b = ours(graph.x, adjacency), theirs(graph.x, graph.edge_index)
    torch.testing.assert_close(a, b)
    a.square().sum().backward()
    b.square().sum().backward()
    torch.testing.assert_close(ours.weight.grad, theirs.lin.weight.grad, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours.attend_source.grad, theirs.att_src.grad[0], rtol=1e-4, atol=1e-4)


def test_gat_residual_adds_the_input(graph, adjacency):
    plain, residual = GATConv(5, 5), GATConv(5, 5, residual=True)
    residual.load_state_dict(plain.state_dict())
    torch.testing.assert_close(residual(graph.x, adjacency), plain(graph.x, adjacency) + graph.x)
    assert GATConv(5, 6, residual=True)(graph.x, adjacency).shape == (12, 6)


def test_gat_width_must_fit_its_heads():
    with pytest.raises(ValueError, match="multiple of its heads"):
        GATConv(5, 7, heads=2)


def test_gcn_equals_pyg(graph, adjacency):
    for out_dim in (3, 8):
        ours, theirs = GCNConv(5, out_dim), pyg.GCNConv(5, out_dim)
        with torch.no_grad():
            theirs.lin.weight.copy_(ours.weight)
        torch.testing.assert_close(ours(graph.x, adjacency), theirs(graph.x, graph.edge_index))


def test_gin_counts_the_node_twice(graph, adjacency):
    layer = GINConv(5, 4, norm="none")
    near = torch.zeros_like(graph.x).index_add(0, graph.edge_index[1], graph.x[graph.edge_index[0]])
    torch.testing.assert_close(layer(graph.x, adjacency), layer.mlp(2 * graph.x + near))


def test_sage_is_its_formula(graph, adjacency):
    layer = SAGEConv(5, 4)
    closed = torch.cat([graph.edge_index, torch.arange(12).expand(2, -1)], 1)
    total = torch.zeros_like(graph.x).index_add(0, closed[1], graph.x[closed[0]])
    mean = total / torch.bincount(closed[1], minlength=12).unsqueeze(1)
    torch.testing.assert_close(layer(graph.x, adjacency), mean @ layer.near.T + graph.x @ layer.own.T + layer.bias)


def test_linear_layer_reads_no_edge(graph, adjacency):
    layer = LinearLayer(5, 3, hidden=True)
    nothing = Adjacency.from_edges(graph.edge_index[:, :0], graph.num_nodes)
    assert torch.equal(layer(graph.x, adjacency), layer(graph.x, nothing))


@pytest.mark.parametrize("conv", ["gat", "gcn", "gin", "sage", "mlp"])
@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
def test_encoder_is_equivariant_to_the_order_of_nodes(graph, conv, norm):
    encoder = GraphEncoder(conv, 5, 8, 2, heads=2, norm=norm, residual=conv != "mlp").eval()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    position = torch.empty_like(order)
    position[order] = torch.arange(12)
    moved = Adjacency.from_edges(position[graph.edge_index], 12)
    straight = encoder(graph.x, Adjacency.from_edges(graph.edge_index, 12))
    torch.testing.assert_close(encoder(graph.x[order], moved), straight[order], rtol=1e-4, atol=1e-5)


def test_last_layer_can_be_restricted(graph, adjacency):
    encoder = GraphEncoder("gat", 5, 8, 2, heads=2).eval()
    keep = torch.arange(12) < 5
    assert encoder.rows_are_independent
    torch.testing.assert_close(
        encoder(graph.x, adjacency, last=adjacency.restrict(keep)), encoder(graph.x, adjacency)[keep]
    )


def test_concat_hidden_and_wrong_sizes(graph, adjacency):
    encoder = GraphEncoder("gin", 5, 8, 3, norm="batch", concat_hidden=True)
    assert encoder.out_dim == 24
    assert encoder(graph.x, adjacency).shape == (12, 24)
    with pytest.raises(ValueError, match="3 rows of features"):
        encoder(graph.x[:3], adjacency)
    with pytest.raises(ValueError, match="at least one layer"):
        GraphEncoder("gin", 5, 8, 0)


def test_pooling_by_hand_and_empty_graphs():
    h = torch.tensor([[1.0, -1.0], [3.0, -5.0], [7.0, 2.0]])
    batch = torch.tensor([0, 0, 2])
    assert pool(h, batch, 3, "mean").tolist() == [[2, -3], [0, 0], [7, 2]]
    assert pool(h, batch, 3, "sum").tolist() == [[4, -6], [0, 0], [7, 2]]
    assert pool(h, batch, 3, "max").tolist() == [[3, -1], [0, 0], [7, 2]]
