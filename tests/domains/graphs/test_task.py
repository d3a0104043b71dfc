"""The domain's side of a training job: what is loaded, built, batched and scored, and that labels stay out of it."""

import json
from dataclasses import replace

import pytest
import torch

from core.errors import UserError
from core.training import FitSettings, Task, fit, train
from domains.graphs import METHODS
from domains.graphs.data.embedded import embedded
from domains.graphs.data.graph import GraphData
from domains.graphs.data.sampler import SubgraphLoader
from domains.graphs.evaluate import EvaluationSettings, node_split
from domains.graphs.task import GraphTask, prepare
from tests.domains.graphs.toy import toy_graph, toy_set

QUICK = FitSettings(threads=1, progress=False)
SMALL = {
    "graphmae": {"hidden": 8, "heads": 2},
    "grace": {"hidden": 8, "projection": 8},
    "dgi": {"hidden": 8},
    "bgrl": {"hidden": 8, "width": 8, "predictor": 8, "warmup": 1},
    "graphcl": {"hidden": 8},
    "infograph": {"hidden": 8},
    "supervised": {"hidden": 16},
}


class InMemory(GraphTask):
    """The task with data that need no file."""

    def __init__(self, data):
        self.data = data

    def load(self, data):
        return self.data


def build(name, data, epochs=3):
    torch.manual_seed(0)
    settings = METHODS.settings(name)(epochs=epochs, **SMALL[name])
    return GraphTask().build(name, settings, data, torch.Generator().manual_seed(0))


def trained(name, data, folder, epochs=3):
    method = build(name, data, epochs)
    fit(method, GraphTask().loader(method, data, EvaluationSettings(), 0), folder=folder, settings=QUICK)
    return method


def test_it_is_a_task_and_its_default_needs_no_download():
    assert isinstance(GraphTask(), Task)
    graph = GraphTask().load(None)
    assert (graph.name, graph.num_nodes, graph.num_classes) == ("digits-knn", 1797, 10)


def test_features_are_prepared_as_the_data_set_asks():
    x = torch.tensor([[1.0, 3.0], [0.0, 0.0], [2.0, 2.0]])
    raw = GraphData(x, torch.zeros(2, 0, dtype=torch.int64))
    assert prepare(raw) is raw
    rows = prepare(replace(raw, facts={"normalise": "rows"}))
    assert rows.x.tolist() == [[0.25, 0.75], [0, 0], [0.5, 0.5]]
    columns = prepare(replace(raw, facts={"normalise": "columns"}))
    torch.testing.assert_close(columns.x.mean(0), torch.zeros(2))
    torch.testing.assert_close(columns.x.std(0, correction=0), torch.ones(2))


@pytest.mark.data
def test_cora_arrives_with_rows_of_sum_one(data_folder):
    graph = GraphTask().load("cora")
    torch.testing.assert_close(graph.x.sum(1), torch.ones(2708))
    assert [len(part) for part in node_split(graph, EvaluationSettings(), 0)] == [140, 500, 1000]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("graphcl", toy_graph(), "graphcl represents graphs, but toy is one graph; choose from graphmae, grace"),
        ("grace", toy_set(), "grace represents nodes, but rings is a set of graphs; choose from graphmae, graphcl"),
        ("supervised", replace(toy_graph(), y=None), "supervised training needs labels .*; toy has none"),
    ],
)
def test_a_method_that_does_not_fit_the_data_is_refused(name, data, message):
    with pytest.raises(UserError, match=message):
        build(name, data)


def test_one_graph_is_one_batch_and_a_large_one_comes_in_parts():
    graph = embedded("wine-knn")
    (batch,) = GraphTask().loader(build("dgi", graph), graph, EvaluationSettings(), 0)
    assert batch is graph
    task = GraphTask()
    task.nodes_per_batch = 50
    loader = task.loader(build("dgi", graph), graph, EvaluationSettings(), 0)
    assert isinstance(loader, SubgraphLoader)
    parts = list(loader)
    assert len(parts) == 4
    assert sum(part.num_nodes for part in parts) == 178


def test_graphs_of_a_set_come_once_per_epoch_in_an_order_of_seed_and_epoch():
    data = replace(toy_set(30), y=torch.arange(30))

    def order(seed, epoch):
        loader = GraphTask().loader(build("infograph", data), data, EvaluationSettings(), seed)
        loader.set_epoch(epoch)
        return [batch.y.tolist() for batch in loader]

    batches = order(0, 0)
    assert sorted(i for batch in batches for i in batch) == list(range(30))
    assert batches == order(0, 0)
    assert batches != order(0, 1)
    assert batches != order(1, 0)


@pytest.mark.parametrize("name", ["graphmae", "grace", "dgi", "bgrl"])
def test_node_methods_never_look_at_a_label(tmp_path, name):
    """Other labels, or none: the same weights to the last bit."""
    graph = embedded("wine-knn")
    shuffled = replace(graph, y=graph.y[torch.randperm(178, generator=torch.Generator().manual_seed(0))])
    expected = trained(name, graph, tmp_path / "true").embed(graph)
    for i, other in enumerate((shuffled, replace(graph, y=None))):
        assert torch.equal(trained(name, other, tmp_path / str(i)).embed(graph), expected)
    assert not torch.equal(build(name, graph).embed(graph), expected)


@pytest.mark.parametrize("name", ["graphmae", "graphcl", "infograph"])
def test_graph_methods_never_look_at_a_label(tmp_path, name):
    data = toy_set(12)
    batch = data.select(torch.arange(12))
    expected = trained(name, data, tmp_path / "true").embed(batch)
    for i, y in enumerate((data.y.flip(0), None)):
        assert torch.equal(trained(name, replace(data, y=y), tmp_path / str(i)).embed(batch), expected)


def test_supervised_learns_from_the_training_part_alone(tmp_path):
    """All labels outside the training part replaced: the same model. Of a random split too, where seeds must agree."""
    task, graph = GraphTask(), embedded("wine-knn")
    free = replace(graph, train_index=None, val_index=None, test_index=None)
    for kind, data in (("public", graph), ("random", free)):
        train_part, _, test_part = node_split(data, EvaluationSettings(), 4)
        method = build("supervised", data)
        (batch,) = task.loader(method, data, EvaluationSettings(), 4)
        assert torch.equal(batch.train_index, train_part)
        fit(method, task.loader(method, data, EvaluationSettings(), 4), folder=tmp_path / kind, settings=QUICK)
        y = data.y.clone()
        y[test_part] = (y[test_part] + 1) % 3
        spoiled = replace(data, y=y).with_split(*node_split(data, EvaluationSettings(), 4))
        other = build("supervised", spoiled)
        fit(
            other,
            task.loader(other, spoiled, EvaluationSettings(), 4),
            folder=tmp_path / f"{kind} spoiled",
            settings=QUICK,
        )
        assert torch.equal(method.embed(data), other.embed(data))
        scores = task.evaluate(method, data, EvaluationSettings(), 4)
        right = method.embed(data).argmax(1) == data.y
        assert scores["accuracy"] == pytest.approx(float(right[test_part].float().mean()))


def test_supervised_trains_on_the_split_that_is_asked_for():
    graph = embedded("wine-knn")
    asked = EvaluationSettings(split="random", train_share=0.4, val_share=0.3)
    (batch,) = GraphTask().loader(build("supervised", graph), graph, asked, 7)
    assert torch.equal(batch.train_index, node_split(graph, asked, 7)[0])
    assert len(batch.train_index) == pytest.approx(0.4 * 178, abs=3)


def test_shuffled_labels_bring_every_method_down_to_chance(tmp_path):
    graph = embedded("digits-knn")
    shuffled = replace(graph, y=graph.y[torch.randperm(1797, generator=torch.Generator().manual_seed(0))])
    settings = EvaluationSettings(probe_epochs=100)
    for name in ("graphmae", "supervised"):
        scores = {}
        for kind, data in (("true", graph), ("shuffled", shuffled)):
            method = trained(name, data, tmp_path / name / kind, epochs=10)
            scores[kind] = GraphTask().evaluate(method, data, settings, 0)
        assert scores["true"]["accuracy"] > 0.5
        assert scores["shuffled"]["accuracy"] < 0.15


@pytest.mark.parametrize(
    ("name", "made_for", "data", "message"),
    [
        ("dgi", toy_graph(), embedded("wine-knn"), "trained on 5 node features, wine-knn has 13"),
        ("supervised", toy_graph(), embedded("wine-knn"), "trained on 5 node features, wine-knn has 13"),
        ("infograph", toy_set(), embedded("digits-graphs"), "trained on 4 node features, digits-graphs has 3"),
        ("dgi", toy_graph(width=4), toy_set(), "the model represents nodes, rings is a set of graphs"),
        ("infograph", toy_set(), toy_graph(width=4), "the model represents whole graphs, toy is one graph"),
    ],
)
def test_a_model_is_not_scored_on_data_that_do_not_fit(name, made_for, data, message):
    """``counterpoint graphs evaluate MODEL --data OTHER`` used to end in a traceback."""
    with pytest.raises(UserError, match=message):
        GraphTask().evaluate(build(name, made_for), data, EvaluationSettings(), 0)


def test_facts_of_the_data_can_be_stored():
    graph = GraphTask().describe(embedded("wine-knn"))
    assert json.loads(json.dumps(graph)) == graph
    assert (graph["name"], graph["nodes"], graph["features"], graph["classes"]) == ("wine-knn", 178, 13, 3)
    assert graph["directed edges"] == embedded("wine-knn").edge_index.shape[1]
    assert "BSD" in graph["licence"]
    data = toy_set(8)
    facts = GraphTask().describe(data)
    assert (facts["graphs"], facts["nodes"]) == (8, 32)
    assert facts["feature range"] == [float(data.x.min()), float(data.x.max())]
    sparse = replace(toy_graph(), x=torch.eye(12).to_sparse_csr())
    assert GraphTask().describe(sparse)["feature range"] == [1.0, 1.0]


def test_a_run_that_could_not_be_scored_goes_on_under_another_protocol(tmp_path):
    """The message says ``--evaluate.folds 6``, and ``--resume`` used to refuse just that: the training was lost."""
    data = toy_set(12)
    arguments = {
        "data": None,
        "settings": METHODS.settings("infograph")(epochs=3, hidden=8),
        "fit_settings": replace(QUICK, checkpoint_seconds=0.0),
        "folder": tmp_path / "run",
    }
    with pytest.raises(UserError, match=r"--evaluate\.folds 6"):
        train(InMemory(data), METHODS, "infograph", evaluation=EvaluationSettings(), **arguments)
    log = (tmp_path / "run" / "metrics.csv").read_text()
    again = EvaluationSettings(folds=6)
    result = train(InMemory(data), METHODS, "infograph", evaluation=again, resume=True, **arguments)
    assert "accuracy" in result.scores
    assert (tmp_path / "run" / "metrics.csv").read_text() == log
    assert "folds: 6" in (tmp_path / "run" / "config.yaml").read_text()
    with pytest.raises(UserError, match=r"evaluate\.folds: 6 then, 5 now"):
        train(InMemory(data), METHODS, "infograph", evaluation=EvaluationSettings(folds=5), resume=True, **arguments)
