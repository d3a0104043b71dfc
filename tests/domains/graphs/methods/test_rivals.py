"""The rivals: each learns something on a small graph, and does what its paper says."""

import pytest
import torch

from core.evaluation import LinearProbe
from domains.graphs import METHODS
from domains.graphs.data.embedded import embedded
from domains.graphs.methods import corruption
from domains.graphs.methods.smoothed import SmoothedFeatures, SmoothedFeaturesSettings
from tests.domains.graphs.toy import toy_graph, toy_set


def make(name, features, level, **settings):
    torch.manual_seed(0)
    rest = {"num_classes": 2} if name == "supervised" else {}
    method = METHODS.get(name)(
        METHODS.settings(name)(**settings),
        in_dim=features,
        level=level,
        generator=torch.Generator().manual_seed(0),
        **rest,
    )
    method.log = lambda *args, **kwargs: None
    return method


def train(method, batches, steps):
    made = method.configure_optimizers()
    optimizer = made["optimizer"] if isinstance(made, dict) else made
    losses = []
    for step in range(steps):
        loss = method.training_step(batches(step), step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        method.on_train_batch_end(None, None, step)
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("name", ["grace", "dgi", "bgrl"])
def test_node_methods_beat_their_untrained_start_in_their_own_loss(name):
    graph = embedded("wine-knn")
    small = {"grace": {"hidden": 16, "projection": 16}, "dgi": {"hidden": 16}}
    small["bgrl"] = {"hidden": 16, "width": 16, "predictor": 16, "warmup": 1, "epochs": 40}
    method = make(name, 13, "node", lr=1e-2, **small[name])
    losses = train(method, lambda _: graph, 40)
    assert sum(losses[-5:]) < sum(losses[:5])
    h = method.embed(graph)
    assert h.shape == (178, 16)
    probe = LinearProbe(epochs=100, generator=torch.Generator().manual_seed(0))
    result = probe.fit(h, graph.y, train=graph.train_index, val=graph.val_index, test=graph.test_index)
    assert result.last > 0.8


@pytest.mark.parametrize("name", ["graphcl", "infograph"])
def test_graph_methods_lower_their_loss(name):
    data = toy_set(16)
    batch = data.select(torch.arange(16))
    losses = train(make(name, 4, "graph", hidden=8), lambda _: batch, 40)
    assert sum(losses[-5:]) < sum(losses[:5])
    alone = data.select(torch.tensor([0]))
    assert make(name, 4, "graph", hidden=8).training_step(alone, 0).item() == 0.0


@pytest.mark.parametrize("encoder", ["gcn", "gat"])
def test_supervised_fits_its_training_nodes(encoder):
    graph = toy_graph(nodes=20, width=8)
    graph = graph.with_split(torch.arange(10), torch.arange(10, 15), torch.arange(15, 20))
    method = make("supervised", 8, "node", encoder=encoder, hidden=16, dropout=0.0)
    train(method, lambda _: graph, 150)
    assert (method.predict(graph)[:10] == graph.y[:10]).float().mean() > 0.8


def test_smoothed_features_are_powers_of_the_operator():
    graph = toy_graph()
    closed = torch.eye(12)
    closed[graph.edge_index[1], graph.edge_index[0]] = 1
    scale = closed.sum(1).rsqrt()
    operator = scale[:, None] * closed * scale[None, :]
    for hops in (0, 1, 2):
        method = SmoothedFeatures(SmoothedFeaturesSettings(hops=hops), in_dim=5)
        torch.testing.assert_close(method.embed(graph), torch.linalg.matrix_power(operator, hops) @ graph.x)
    with pytest.raises(ValueError, match="epochs must be 0"):
        SmoothedFeaturesSettings(epochs=3)


def test_grace_is_nt_xent_over_both_views():
    """The paper's sum, anchor by anchor, with intra- and inter-view negatives."""
    graph = toy_graph(nodes=6)
    quiet = {"drop_edge_1": 0.0, "drop_edge_2": 0.5, "mask_feature_1": 0.0, "mask_feature_2": 0.0}
    method = make("grace", 5, "node", hidden=4, projection=4, **quiet)
    state = method.generator.get_state()
    loss = method.training_step(graph, 0)
    method.generator.set_state(state)
    views = [torch.nn.functional.normalize(method._view(graph, rate, 0.0), dim=1) for rate in (0.0, 0.5)]
    total = 0.0
    for a, b in ((0, 1), (1, 0)):
        for i in range(6):
            inter = (views[a][i] @ views[b].T / 0.4).exp()
            intra = (views[a][i] @ views[a].T / 0.4).exp()
            total -= torch.log(inter[i] / (inter.sum() + intra.sum() - intra[i]))
    torch.testing.assert_close(loss, total / 12)


@pytest.mark.parametrize("rate", [0.0, 0.3, 0.8])
def test_augmentations_keep_batches_whole(rate):
    batch = toy_set().select(torch.arange(8))
    generator = torch.Generator().manual_seed(0)
    for augment in (corruption.drop_nodes, corruption.perturb_edges, corruption.zero_nodes, corruption.subgraph):
        out = augment(batch, rate, generator)
        assert out.num_graphs == 8
        assert (out.batch.bincount(minlength=8) >= 1).all()
        assert out.edge_index.numel() == 0 or int(out.edge_index.max()) < out.num_nodes
        assert torch.equal(out.batch[out.edge_index[0]], out.batch[out.edge_index[1]])
        assert torch.equal(out.batch, out.batch.sort().values)


def test_subgraph_takes_its_quota():
    batch = toy_set().select(torch.arange(8))
    out = corruption.subgraph(batch, 0.4, torch.Generator().manual_seed(1))
    size = batch.batch.bincount()
    assert torch.equal(out.batch.bincount(), (0.6 * size).ceil().long())


def test_shuffled_and_masked_features():
    x = torch.arange(12.0).view(6, 2)
    generator = torch.Generator().manual_seed(0)
    shuffled = corruption.shuffle_rows(x, generator)
    assert sorted(shuffled[:, 0].tolist()) == x[:, 0].tolist()
    masked = corruption.mask_columns(torch.ones(4, 1000), 0.3, generator)
    assert (masked.min(0).values == masked.max(0).values).all()
    assert abs(float(masked.mean()) - 0.7) < 0.06
