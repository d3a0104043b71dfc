"""Saved models, embeddings, neighbours and pictures, on the graphs of the suite and on a person's own."""

import io
from dataclasses import replace

import matplotlib.image
import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch

import domains.graphs
from core.cli.domain import run_domain
from core.errors import UserError
from core.plugins import domain
from core.registry import resolve
from core.training import FitSettings, fit, save_method
from domains.graphs import METHODS
from domains.graphs.app import DOMAIN
from domains.graphs.data.embedded import embedded
from domains.graphs.data.read import read_graph
from domains.graphs.data.user import from_networkx, from_pyg, from_tables, read_user_tables, to_pyg
from domains.graphs.evaluate import EvaluationSettings
from domains.graphs.jobs import embed, embed_command, load_model, neighbours, neighbours_command
from domains.graphs.task import EMBED_BATCH, GraphTask
from tests.domains.graphs.toy import toy_graph, toy_set

SMALL = {
    "graphmae": {"hidden": 8, "heads": 2},
    "grace": {"hidden": 8, "projection": 8},
    "dgi": {"hidden": 8},
    "bgrl": {"hidden": 8, "width": 8, "predictor": 8, "warmup": 1},
    "graphcl": {"hidden": 8},
    "infograph": {"hidden": 8},
    "supervised": {"hidden": 8},
    "smoothed": {},
}
NODE_METHODS = [entry.name for entry in METHODS if entry.facts["level"] in ("node", "both")]
GRAPH_METHODS = [entry.name for entry in METHODS if entry.facts["level"] in ("graph", "both")]
NAMES = ("zoe", "adam", "mia", "bob", "liv", "tom", "ada", "max", "eva", "kim", "ian", "joy")
"""Not in alphabetical order, so that a sorted table would be noticed."""


def trained(name, data, folder, epochs=2):
    """A method after a short real run; weights and running statistics have left their start."""
    task = GraphTask()
    torch.manual_seed(0)
    chosen = {} if name == "smoothed" else {"epochs": epochs}
    settings = METHODS.settings(name)(**SMALL[name], **chosen)
    method = task.build(name, settings, data, torch.Generator().manual_seed(0))
    fit(
        method,
        task.loader(method, data, EvaluationSettings(), 0),
        folder=folder,
        settings=FitSettings(threads=1, progress=False),
    )
    return method


def own_tables():
    """The toy graph as a person would keep it: an edge table and a node table."""
    toy = toy_graph()
    nodes = pd.DataFrame({"id": NAMES, **{f"f{i}": toy.x[:, i].tolist() for i in range(5)}})
    nodes["label"] = ["even", "odd"] * 5 + [None, "odd"]
    one_way = toy.edge_index[:, toy.edge_index[0] < toy.edge_index[1]]
    edges = pd.DataFrame({"source": [NAMES[i] for i in one_way[0]], "target": [NAMES[i] for i in one_way[1]]})
    return edges, nodes


def write_tables(folder, edges, nodes, suffix="csv"):
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in (("edges", edges), ("nodes", nodes)):
        if suffix == "csv":
            table.to_csv(folder / f"{name}.csv", index=False)
        else:
            table.to_parquet(folder / f"{name}.parquet", index=False)
    return folder


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A folder with a person's own graph, and the folder of a model trained on it."""
    root = tmp_path_factory.mktemp("own")
    folder = write_tables(root / "graph", *own_tables())
    method = trained("graphmae", read_graph(folder), root / "run")
    save_method(method, root / "run" / "model", {})
    return folder, root / "run"


def vectors_of(table):
    return table[[c for c in table.columns if c.startswith("e") and c[1:].isdigit()]].to_numpy()


@pytest.mark.parametrize("name", NODE_METHODS)
def test_a_saved_model_embeds_nodes_bit_by_bit_the_same(tmp_path, name):
    graph = replace(embedded("wine-knn"), name="wine")
    method = trained(name, graph, tmp_path)
    expected = method.embed(graph)
    save_method(method, tmp_path / "model", {})
    for folder in (tmp_path / "model", str(tmp_path)):
        loaded = domains.graphs.load_model(folder)
        assert not loaded.training
        assert torch.equal(domains.graphs.embed(graph, loaded), expected)
        assert torch.equal(domains.graphs.embed(graph, folder), expected)
    assert expected.shape[0] == 178
    assert torch.isfinite(expected).all()
    assert not expected.requires_grad


@pytest.mark.parametrize("name", GRAPH_METHODS)
def test_a_saved_model_embeds_graphs_bit_by_bit_the_same(tmp_path, name):
    data = toy_set(12)
    method = trained(name, data, tmp_path)
    save_method(method, tmp_path / "model", {})
    h = embed(data, tmp_path)
    assert torch.equal(h, method.embed(data.select(torch.arange(12))))
    assert h.shape[0] == 12


def test_sets_larger_than_a_batch_embed_in_order():
    """Each graph has the vector that it has alone, on both sides of the border between two batches."""
    data = toy_set(EMBED_BATCH + 3)
    method = GraphTask().build("smoothed", METHODS.settings("smoothed")(), data, torch.Generator())
    h = embed(data, method)
    assert h.shape[0] == EMBED_BATCH + 3
    for i in (0, EMBED_BATCH - 1, EMBED_BATCH, EMBED_BATCH + 2):
        torch.testing.assert_close(h[i], method.embed(data.select(torch.tensor([i])))[0])


def test_the_table_has_the_nodes_in_the_order_of_the_input(own, tmp_path, capsys):
    folder, model = own
    embed_command(str(folder), model=str(model), out=str(tmp_path / "h.parquet"))
    table = pd.read_parquet(tmp_path / "h.parquet")
    assert list(table.columns) == ["node", "label", *(f"e{i}" for i in range(8))]
    assert tuple(table["node"]) == NAMES
    assert [None if pd.isna(v) else v for v in table["label"]] == ["even", "odd"] * 5 + [None, "odd"]
    assert np.array_equal(vectors_of(table), load_model(model).embed(read_graph(folder)).numpy())
    assert capsys.readouterr().out == f"{tmp_path / 'h.parquet'}: 12 rows, 8 dimensions\n"


def test_ids_that_are_numbers_stay_numbers(own, tmp_path):
    _, model = own
    edges, nodes = own_tables()
    number = {name: 100 - i for i, name in enumerate(NAMES)}
    folder = write_tables(tmp_path / "g", edges.replace(number), nodes.assign(id=nodes["id"].map(number)))
    embed_command(str(folder), model=str(model), out=str(tmp_path / "h.parquet"))
    table = pd.read_parquet(tmp_path / "h.parquet")
    assert table["node"].tolist() == list(number.values())
    assert pd.api.types.is_integer_dtype(table["node"])


def test_graphs_of_a_set_get_a_row_each(tmp_path, capsys):
    data = embedded("digits-graphs")
    method = trained("infograph", data, tmp_path / "run", epochs=1)
    save_method(method, tmp_path / "model", {})
    embed_command("digits-graphs", model=str(tmp_path / "model"), out=str(tmp_path / "h.parquet"))
    table = pd.read_parquet(tmp_path / "h.parquet")
    assert table["graph"].tolist() == list(range(600))
    assert table["label"].tolist() == [str(c) for c in data.y.tolist()]
    assert np.array_equal(vectors_of(table), embed(data, method).numpy())
    capsys.readouterr()
    neighbours_command("digits-graphs", model=str(tmp_path / "model"), node="5", k=1)
    h = vectors_of(table).astype(np.float64)
    h /= np.linalg.norm(h, axis=1, keepdims=True)
    cosine = h @ h[5]
    cosine[5] = -2
    assert f"{cosine.max():.4f}" in capsys.readouterr().out


@pytest.mark.parametrize("row", [0, 77, 177])
def test_neighbours_are_those_of_a_brute_force_in_numpy(row):
    h = torch.randn(178, 6, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 179)[:, None]
    before = h.clone()
    index, cosine = neighbours(h, row, 12)
    assert torch.equal(h, before)
    x = h.double().numpy()
    every = (x @ x[row]) / (np.linalg.norm(x, axis=1) * np.linalg.norm(x[row]))
    order = [i for i in np.argsort(-every) if i != row][:12]
    assert index.tolist() == order
    np.testing.assert_allclose(cosine.numpy(), every[order], atol=1e-6)


def test_neighbours_at_the_borders():
    x = torch.eye(3)
    assert neighbours(x, 1, 10)[0].tolist() in ([0, 2], [2, 0])
    assert neighbours(x[:1], 0, 5)[0].tolist() == []
    index, cosine = neighbours(torch.tensor([[1.0, 0.0], [0.0, 0.0], [-2.0, 0.0], [3.0, 0.0]]), 0, 3)
    assert index.tolist() == [3, 1, 2]
    assert cosine.tolist() == [1, 0, -1]


def test_the_command_lists_neighbours_by_the_users_own_ids(own, capsys):
    folder, model = own
    neighbours_command(str(folder), model=str(model), node="mia", k=3)
    shown = capsys.readouterr().out
    graph = read_graph(folder)
    x = embed(graph, model).double().numpy()
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    cosine = x @ x[NAMES.index("mia")]
    best = [i for i in np.argsort(-cosine) if NAMES[i] != "mia"][:3]
    rows = [line.split("│") for line in shown.splitlines() if line.startswith("│")]
    assert [(r[1].strip(), r[2].strip()) for r in rows] == [(NAMES[i], f"{cosine[i]:.4f}") for i in best]
    with pytest.raises(UserError, match="there is no node 'mi' in graph; ids look like 'zoe', there are 12"):
        neighbours_command(str(folder), model=str(model), node="mi")
    with pytest.raises(UserError, match="--k must be at least 1, got 0"):
        neighbours_command(str(folder), model=str(model), node="mia", k=0)


def test_the_picture_is_a_png_with_something_in_it(own, tmp_path):
    folder, model = own
    embed_command(str(folder), model=str(model), out=str(tmp_path / "h.parquet"), plot=str(tmp_path / "h.png"))
    content = (tmp_path / "h.png").read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert content.rstrip().endswith(b"IEND\xaeB`\x82")
    picture = matplotlib.image.imread(io.BytesIO(content))
    assert min(picture.shape[:2]) > 300
    red, blue = picture[..., 0], picture[..., 2]
    assert (blue - red).max() > 0.3  # the two classes: a blue and an orange
    assert (red - blue).max() > 0.3


def test_one_graph_in_every_form_has_one_embedding(own, tmp_path):
    """CSV, Parquet, DataFrames, networkx and PyG Data of the same nodes in the same order."""
    folder, model = own
    edges, nodes = own_tables()
    expected = embed(read_graph(folder), model)
    net = nx.Graph()
    for row in nodes.itertuples():
        net.add_node(row.id, position=[row.f0, row.f1], rest=[row.f2, row.f3, row.f4], kind=row.label)
    net.add_edges_from(edges.itertuples(index=False))
    forms = {
        "parquet": read_graph(write_tables(tmp_path, edges, nodes, "parquet")),
        "frames": from_tables(edges, nodes),
        "networkx": from_networkx(net, features=["position", "rest"], label="kind"),
        "pyg": from_pyg(to_pyg(read_graph(folder))),
    }
    for form, graph in forms.items():
        torch.testing.assert_close(embed(graph, model), expected, rtol=1e-5, atol=1e-6, msg=form)
    assert forms["networkx"].node_ids == NAMES
    assert forms["networkx"].class_names == forms["parquet"].class_names == ("even", "odd")
    assert all(torch.equal(graph.y, read_graph(folder).y) for graph in forms.values())


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda e, n: (e.replace("mia", "nobody"), n),
            r"edges\.{suffix}: row \d+: source 'nobody' is no id of .*nodes",
        ),
        (lambda e, n: (e, n.assign(f1=n["f1"].where(n["id"] != "bob"))), r"nodes\.{suffix}: row 5 has no .* in 'f1'"),
        (
            lambda e, n: (e, n.replace({"id": {"bob": "adam"}})),
            r"nodes\.{suffix}: the id 'adam' stands twice, .* row 5",
        ),
        (
            lambda e, n: (e.assign(w=1).rename(columns={"target": "ziel"}), n),
            r"edges\.{suffix} must .* source, ziel, w",
        ),
        (lambda e, n: (e, n.rename(columns={"id": "name"})), r"nodes\.{suffix} has no column 'id'.*name, f0"),
        (lambda e, n: (e, n.iloc[:0]), r"nodes\.{suffix} has no rows"),
        (lambda e, n: (e, n.assign(label="even")), r"nodes\.{suffix}: the label column 'label' holds only 'even'"),
        (lambda e, n: (e, n.assign(f2="high")), r"nodes\.{suffix}: the feature column 'f2' is not a number"),
    ],
)
def test_broken_tables_stop_the_command_before_it_writes(own, tmp_path, suffix, spoil, message):
    _, model = own
    folder = write_tables(tmp_path / "g", *spoil(*own_tables()), suffix)
    with pytest.raises(UserError, match=message.replace("{suffix}", suffix)):
        embed_command(str(folder), model=str(model), out=str(tmp_path / "h.parquet"))
    assert not (tmp_path / "h.parquet").exists()


def test_a_label_column_that_is_not_there_is_named(own):
    folder, _ = own
    with pytest.raises(UserError, match=r"nodes\.csv has no column 'klass' for the label; its columns are id, f0"):
        read_user_tables(folder / "edges.csv", folder / "nodes.csv", label_column="klass")
    with pytest.raises(UserError, match=r"nodes\.csv has no column 'part' for the split"):
        read_user_tables(folder / "edges.csv", folder / "nodes.csv", split_column="part")


def test_a_graph_without_edges_is_a_graph(own, tmp_path):
    _, model = own
    edges, nodes = own_tables()
    graph = read_graph(write_tables(tmp_path, edges.iloc[:0], nodes))
    assert graph.edge_index.shape == (2, 0)
    assert embed(graph, model).shape == (12, 8)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"f": [1.0]}, r"node 'b' .* lacks the attribute 'f'"),
        ({"f": [1.0, float("nan")]}, r"node 'b' .* the attribute 'f' .* not finite"),
        ({"f": [1.0, "high"]}, r"node 'b' .* the attribute 'f' is not a number .*'high'"),
        ({"f": [[1.0, 2.0], [3.0]]}, r"node 'b' .* 1 numbers in 'f', .* 2"),
        ({"f": [1.0, 2.0], "kind": ["x", "x"]}, r"'kind' holds only 'x'"),
        ({"f": [1.0, 2.0]}, r"no node .* has the attribute 'kind'"),
    ],
)
def test_broken_networkx_graphs_are_named_by_node(attributes, message):
    """Rows of a table were named, which a networkx graph does not have, and some ended in NumPy's own error."""
    net = nx.Graph([("a", "b")])
    for name, values in attributes.items():
        for node, value in zip("ab", values, strict=False):
            net.nodes[node][name] = value
    with pytest.raises(UserError, match=message):
        from_networkx(net, features=["f"], label="kind")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": None}, "must have x and edge_index"),
        ({"x": torch.zeros(0, 5), "y": None, "edge_index": torch.zeros(2, 0, dtype=torch.int64)}, "holds no node"),
        ({"x": torch.zeros(12, 0)}, "holds no feature column"),
        ({"x": torch.zeros(12)}, r"x must have the shape \(nodes, features\), got \(12,\)"),
        ({"x": torch.full((12, 5), torch.nan)}, "node 0 has a feature that is NaN or infinite"),
        ({"edge_index": torch.tensor([[0], [12]])}, "edge 0 joins 0 and 12, but nodes go from 0 to 11"),
        ({"y": torch.zeros(12, dtype=torch.int64)}, "all nodes have the label 0; .* two classes"),
        ({"y": torch.tensor([1])}, "1 labels for 12 nodes"),
        ({"y": torch.linspace(0, 1, 12)}, "labels must be whole numbers, node 1 has 0.09"),
        ({"y": torch.tensor([-2, *[1] * 11])}, "label -2 of node 0"),
        ({"train_mask": torch.ones(12, dtype=torch.bool)}, "node 4 is in the train and in the val part"),
        ({"test_mask": torch.ones(9, dtype=torch.bool)}, "test_mask must have one value for each of the 12 nodes"),
    ],
)
def test_broken_pyg_data_are_named(changes, message):
    """Labels of another length, of one class or of real numbers, and parts that overlap, used to be taken as given."""
    data = to_pyg(toy_graph().with_split(torch.arange(4), torch.arange(4, 8), torch.arange(8, 12)))
    for name, value in changes.items():
        setattr(data, name, value)
    with pytest.raises(UserError, match=f"the PyG Data.*{message}"):
        from_pyg(data)


def test_what_does_not_fit_the_model_is_named(own, tmp_path):
    _, model = own
    with pytest.raises(UserError, match="trained on 5 node features, wine-knn has 13"):
        embed("wine-knn", model)
    edges, nodes = own_tables()
    narrow = write_tables(tmp_path / "narrow", edges, nodes.drop(columns="f3"))
    with pytest.raises(UserError, match="trained on 5 node features, narrow has 4"):
        embed(str(narrow), model)
    data = toy_set(12)
    node_level = GraphTask().build("smoothed", METHODS.settings("smoothed")(), toy_graph(width=4), torch.Generator())
    graph_level = GraphTask().build("smoothed", METHODS.settings("smoothed")(), data, torch.Generator())
    with pytest.raises(UserError, match="the model represents nodes, rings is a set of graphs"):
        embed(data, node_level)
    with pytest.raises(UserError, match="the model represents whole graphs, toy is one graph"):
        embed(toy_graph(width=4), graph_level)


def test_a_folder_without_a_model_is_named(own, tmp_path):
    folder, _ = own
    for path in (tmp_path, tmp_path / "nowhere", folder):
        with pytest.raises(UserError, match=f"{path.name} is not a model folder"):
            load_model(path)


def test_every_command_is_found_and_its_example_is_one_that_it_takes(capsys):
    assert domain("graphs") is DOMAIN
    assert resolve(DOMAIN.methods) is METHODS
    assert resolve(DOMAIN.task) is GraphTask
    for command in DOMAIN.commands:
        assert callable(resolve(command.target))
        words = command.example.split()
        assert words[:3] == ["counterpoint", "graphs", command.name]
        assert run_domain(DOMAIN, [command.name, "--help"]) == 0
        shown = capsys.readouterr().out
        assert command.example in " ".join(shown.split())
        assert all(word in shown for word in words if word.startswith("--"))
