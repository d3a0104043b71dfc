"""GraphMAE against a dense reference, and the properties of its paper."""

import pytest
import torch
from torch.nn.functional import normalize

from core.training import load_method, save_method
from domains.graphs import METHODS
from domains.graphs.data.edges import to_undirected
from domains.graphs.data.graph import GraphData
from domains.graphs.methods.graphmae import GraphMAE, GraphMAESettings
from domains.graphs.models import Adjacency
from tests.domains.graphs.toy import toy_graph, toy_set


def make(width=5, level="node", **settings):
    defaults = {"hidden": 8, "heads": 2, "epochs": 10, "feat_drop": 0.0, "attn_drop": 0.0, "replace_rate": 0.2}
    torch.manual_seed(0)
    method = GraphMAE(
        GraphMAESettings(**{**defaults, **settings}),
        in_dim=width,
        level=level,
        generator=torch.Generator().manual_seed(0),
    )
    method.log = lambda *args, **kwargs: None
    with torch.no_grad():
        method.token.normal_()
    return method


def fixed_mask(method, nodes):
    mask = method.masker.draw(nodes)
    method.masker.draw = lambda count: mask
    return mask


def reference_loss(method, graph, mask):
    """The paper's steps on dense matrices, every row computed, nothing restricted."""
    nodes = graph.num_nodes
    closed = torch.zeros(nodes, nodes, dtype=torch.bool)
    closed[graph.edge_index[1], graph.edge_index[0]] = True
    closed.fill_diagonal_(True)

    def attend(layer, x):
        h = x @ layer.weight.T
        parts = []
        for k, part in enumerate(h.chunk(layer.heads, 1)):
            e = (part @ layer.attend_source[k])[None, :] + (part @ layer.attend_target[k])[:, None]
            e = torch.nn.functional.leaky_relu(e, 0.2).masked_fill(~closed, -torch.inf)
            parts.append(e.softmax(1) @ part)
        return torch.cat(parts, 1) + layer.bias

    x = mask.apply(graph.x, method.token)
    for layer, activation in zip(method.encoder.layers, method.encoder.activations, strict=True):
        x = activation(attend(layer, x))
    z = method.bridge(x)
    seen = torch.ones(nodes, 1)
    if method.settings.remask:
        seen[mask.mask_index] = 0
    rebuilt = attend(method.decoder, z * seen)[mask.mask_index]
    cosine = (normalize(rebuilt, dim=1) * normalize(graph.x[mask.mask_index], dim=1)).sum(1)
    return (1 - cosine).pow(method.settings.gamma).mean()


@pytest.mark.parametrize("remask", [True, False])
@pytest.mark.parametrize("width", [5, 20])  # 20 > 8: the decoder aggregates before it projects, or after
def test_loss_and_gradients_equal_the_dense_reference(remask, width):
    graph = toy_graph(width=width)
    method = make(width, remask=remask)
    mask = fixed_mask(method, graph.num_nodes)
    loss = method.training_step(graph, 0)
    expected = reference_loss(method, graph, mask)
    torch.testing.assert_close(loss, expected)
    parameters = [p for p in method.parameters() if p is not method.decoder.attend_target or not remask]
    mine = torch.autograd.grad(loss, parameters)
    theirs = torch.autograd.grad(expected, parameters)
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_sparse_features_give_the_same_loss():
    torch.manual_seed(3)
    graph = toy_graph(nodes=30, width=80)
    x = (torch.rand(30, 80) < 0.04).float()
    x[:, 0] = 1.0
    sparse = GraphData(x, graph.edge_index)
    method = make(80)
    mask = fixed_mask(method, 30)
    assert not isinstance(method.prepare(sparse).features, torch.Tensor)
    torch.testing.assert_close(method.training_step(sparse, 0), reference_loss(method, sparse, mask))


def test_code_of_masked_nodes_has_no_influence():
    graph = toy_graph()
    method = make()
    mask = fixed_mask(method, graph.num_nodes)
    before = method.reconstruct(graph, mask)
    assert before.shape == (len(mask.mask_index), 5)
    # what the decoder would need to see of M, were it not for re-masking
    opened = make(remask=False)
    opened.load_state_dict(method.state_dict())
    assert not torch.allclose(before, opened.reconstruct(graph, mask))


def test_loss_reads_only_masked_rows_of_the_target():
    graph = toy_graph()
    method = make(decoder="linear", encoder="mlp", replace_rate=0.0)
    mask = fixed_mask(method, graph.num_nodes)
    loss = method.training_step(graph, 0)
    changed = graph.x.clone()
    visible = torch.ones(graph.num_nodes, dtype=torch.bool)
    visible[mask.mask_index] = False
    changed[visible] += 1.0
    torch.testing.assert_close(method.training_step(GraphData(changed, graph.edge_index), 0), loss)


def test_mask_token_gets_a_gradient_and_embed_ignores_it():
    graph = toy_graph()
    method = make()
    method.training_step(graph, 0).backward()
    assert method.token.grad.abs().sum() > 0
    before = method.embed(graph)
    with torch.no_grad():
        method.token.add_(1.0)
        method.bridge.weight.add_(1.0)
    assert torch.equal(method.embed(graph), before)
    assert not before.requires_grad
    assert method.training


@pytest.mark.parametrize(
    "settings",
    [
        {"encoder": "gin", "decoder": "gin", "norm": "batch"},
        {"encoder": "gin", "decoder": "gin", "norm": "layer", "residual": True},
        {"encoder": "gcn", "decoder": "gcn"},
        {"encoder": "sage", "decoder": "sage", "activation": "relu"},
        {"encoder": "gat", "decoder": "mlp"},
        {"encoder": "mlp", "decoder": "linear"},
        {"norm": "layer"},
        {"concat_hidden": True},
        {"loss": "mse", "activation": "elu"},
        {"out_heads": 5, "replace_rate": 0.0},
        {"feat_drop": 0.3, "attn_drop": 0.3},
    ],
)
def test_every_switch_trains(settings):
    """Overfits one small graph: the loss of the last steps is below that of the first."""
    graph = toy_graph(nodes=20)
    method = make(**settings, lr=0.003)
    optimizer = method.configure_optimizers()["optimizer"]
    losses = []
    for _ in range(150):
        loss = method.training_step(graph, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-30:]) < sum(losses[:30])
    assert torch.isfinite(method.embed(graph)).all()


def test_dropped_edges_leave_the_loops_and_the_decoder_alone():
    graph = toy_graph()
    method = make(drop_edge=0.9)
    seen = []
    encode, decode = method.encoder.forward, method.decoder.forward
    method.encoder.forward = lambda x, edges, *a, **k: seen.append(edges) or encode(x, edges, *a, **k)
    method.decoder.forward = lambda x, edges, *a, **k: seen.append(edges) or decode(x, edges, *a, **k)
    method.training_step(graph, 0)
    encoder_edges, decoder_edges = seen
    full = Adjacency.from_edges(graph.edge_index, graph.num_nodes)
    assert (encoder_edges.source == encoder_edges.target).sum() == graph.num_nodes
    assert encoder_edges.num_edges < full.num_edges
    rows = int((full.pointer[1:] - full.pointer[:-1])[decoder_edges.nodes].sum())
    assert decoder_edges.num_edges == rows


def test_graphs_of_a_batch_do_not_touch_each_other():
    data = toy_set()
    method = make(4, level="graph", encoder="gin", decoder="gin", norm="none")
    together = method.embed(data.select(torch.arange(8)))
    alone = torch.cat([method.embed(data.select(torch.tensor([i]))) for i in range(8)])
    torch.testing.assert_close(together, alone)
    assert together.shape == (8, 8)


def test_cosine_schedule_reaches_half_and_zero():
    method = make(epochs=100)
    scheduler = method.configure_optimizers()["lr_scheduler"]["scheduler"]
    factor = scheduler.lr_lambdas[0]
    assert (factor(0), factor(50), factor(100)) == pytest.approx((1.0, 0.5, 0.0))


def test_wrong_input_is_named():
    method = make()
    with pytest.raises(ValueError, match="made for 5 node features, the graph has 7"):
        method.embed(toy_graph(width=7))
    tiny = GraphData(torch.ones(1, 5), to_undirected(torch.zeros(2, 0, dtype=torch.int64), 1))
    with pytest.raises(ValueError, match="hides none"):
        method.training_step(tiny, 0)


def test_saved_and_loaded_it_embeds_the_same(tmp_path):
    graph = toy_graph()
    method = make()
    save_method(method, tmp_path / "model", {"data": {"name": "toy"}, "scores": {"accuracy": 0.5}})
    assert torch.equal(load_method(tmp_path / "model", METHODS).embed(graph), method.embed(graph))
