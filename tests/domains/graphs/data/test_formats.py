""".npz in three forms, TU folders, the compact text: counts, features, and what is wrong with bad files."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from core.data import catalogue
from core.errors import UserError
from domains.graphs.data.graph import GraphData, GraphSet
from domains.graphs.data.npz import read_npz
from domains.graphs.data.read import read_graph
from domains.graphs.data.tu import read_compact, read_tu

X = np.array([[1, 0, 2], [0, 3, 0], [4, 0, 0]], dtype=np.float32)
Y = np.array([0, 1, 0])


@pytest.mark.data
@pytest.mark.parametrize("name", [e.name for e in catalogue() if e.domain == "graphs"])
def test_counts_of_the_catalogue_hold(data_folder, monkeypatch, name):
    monkeypatch.setenv("COUNTERPOINT_DATA", str(data_folder))
    entry = next(e for e in catalogue() if e.name == name)
    data = read_graph(name)
    found = {"nodes": len(data.x), "edges": data.edge_index.shape[1] // 2, "classes": data.num_classes}
    if isinstance(data, GraphSet):
        found["graphs"] = len(data)
    else:
        found["features"] = data.num_features
    assert found == entry.counts
    assert data.facts["licence"] == entry.licence


@pytest.mark.data
@pytest.mark.parametrize(("name", "width"), [("MUTAG", 7), ("PROTEINS", 3), ("NCI1", 37), ("IMDB-BINARY", 136)])
def test_features_of_sets_are_labels_or_degrees(data_folder, monkeypatch, name, width):
    monkeypatch.setenv("COUNTERPOINT_DATA", str(data_folder))
    data = read_graph(name)
    assert data.num_features == width
    assert torch.equal(data.x.sum(1), torch.ones(len(data.x)))


def test_benchmark_npz_in_csr_keys_and_in_pickled_objects(tmp_path):
    adjacency = csr_matrix(np.array([[0, 1, 0], [0, 0, 1], [0, 0, 1]]))
    attributes = csr_matrix(X)
    keys = {f"adj_{n}": getattr(adjacency, n) for n in ("data", "indices", "indptr", "shape")}
    keys |= {f"attr_{n}": getattr(attributes, n) for n in ("data", "indices", "indptr", "shape")}
    np.savez(tmp_path / "keys.npz", labels=Y, **keys)
    np.savez(tmp_path / "objects.npz", adj_matrix=adjacency, node_attr=attributes, node_label=Y)
    for name in ("keys", "objects"):
        graph = read_npz(tmp_path / f"{name}.npz")
        assert torch.equal(graph.x, torch.from_numpy(X))
        assert graph.y.tolist() == [0, 1, 0]
        assert {tuple(p) for p in graph.edge_index.T.tolist()} == {(0, 1), (1, 0), (1, 2), (2, 1)}


def test_pickled_code_inside_npz_is_refused(tmp_path):
    class Malice:
        def __reduce__(self):
            return (eval, ("1 + 1",))

    np.savez(tmp_path / "bad.npz", adj_matrix=np.array(Malice(), dtype=object))
    with pytest.raises(UserError, match=r"bad\.npz wants to load builtins\.eval"):
        read_npz(tmp_path / "bad.npz")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X}, "lacks edges; it holds x"),
        ({"edges": [[0, 1]]}, "lacks x_indptr"),
        ({"x": X, "edges": [[0, 7]]}, "edge 0 joins 0 and 7, but nodes go from 0 to 2"),
        ({"x": np.where(X == 3, np.nan, X), "edges": [[0, 1]]}, "node 1 has a feature that is NaN"),
        ({"x": X[:0], "edges": np.zeros((0, 2), int)}, "holds no node"),
        ({"node_ptr": [0, 2, 4], "edges": [[1, 2]]}, "edge 1-2 joins two different graphs"),
        ({"node_ptr": [0, 2, 4], "edges": [[0, 1]], "graph_label": [5, 5]}, "all graphs have the label 5"),
        ({"node_ptr": [0], "edges": np.zeros((0, 2), int)}, "holds no graph"),
    ],
)
def test_bad_npz_content_is_named(tmp_path, arrays, message):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(UserError, match=message):
        read_npz(tmp_path / "bad.npz")


def test_truncated_npz_is_named(tmp_path):
    np.savez(tmp_path / "cut.npz", x=X, edges=[[0, 1]])
    content = (tmp_path / "cut.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"cut\.npz is damaged or not an \.npz file"):
        read_npz(tmp_path / "cut.npz")


def tu_folder(folder, **replace):
    files = {
        "A": "1, 2\n2, 1\n3, 4\n4, 3\n",
        "graph_indicator": "1\n1\n2\n2\n2\n",
        "graph_labels": "-1\n1\n",
        "node_labels": "3\n5\n3\n3\n9\n",
        **replace,
    }
    for name, text in files.items():
        if text is not None:
            (folder / f"DS_{name}.txt").write_text(text)
    return folder


def test_tu_folder(tmp_path):
    data = read_tu(tu_folder(tmp_path))
    assert (len(data), len(data.x), data.edge_index.shape[1]) == (2, 5, 4)
    assert data.y.tolist() == [0, 1]
    assert data.class_names == ("-1", "1")
    assert data.x.argmax(1).tolist() == [0, 1, 0, 0, 2]
    batch = data.select(torch.tensor([1]))
    assert batch.x.shape == (3, 3)
    assert batch.edge_index.tolist() == [[1, 0], [0, 1]]
    assert isinstance(read_graph(tmp_path), GraphSet)


def test_tu_attributes_and_degrees_when_there_are_no_labels(tmp_path):
    folder = tu_folder(tmp_path, node_labels=None, node_attributes="0.5, 1\n1, 1\n2, 2\n3, 3\n4, 4\n")
    assert read_tu(folder).x[0].tolist() == [0.5, 1.0]
    (folder / "DS_node_attributes.txt").unlink()
    assert read_tu(folder).x.tolist() == [[0, 1], [0, 1], [0, 1], [0, 1], [1, 0]]


@pytest.mark.parametrize(
    ("replace", "message"),
    [
        ({"node_labels": "1\n2\n"}, r"DS_node_labels\.txt has 2 lines, but there are 5 nodes"),
        ({"graph_labels": "1\n1\n"}, "all graphs have the label 1"),
        ({"graph_labels": "1\n"}, "has 1 lines, but graph 2 has nodes"),
        ({"A": "1, 3\n"}, "joins two different graphs"),
        ({"A": "1, 99\n"}, "an edge names node 98"),
        ({"A": "2, 1\n0, 1\n"}, "an edge names node -1"),
        ({"node_labels": None, "node_attributes": "1\n1\nnan\n1\n1\n"}, r"DS_node_attributes\.txt: line 3 holds nan"),
        ({"graph_labels": "1\ninf\n"}, r"DS_graph_labels\.txt: line 2 holds inf"),
        ({"A": "one, two\n"}, r"DS_A\.txt: every line must hold numbers"),
        ({"A": None}, r"cannot read .*DS_A\.txt"),
        ({"graph_indicator": "1\n2\n1\n2\n2\n"}, "line 3 goes back to an earlier graph"),
    ],
)
@pytest.mark.filterwarnings("ignore:loadtxt")
def test_bad_tu_files_are_named(tmp_path, replace, message):
    with pytest.raises(UserError, match=message):
        read_tu(tu_folder(tmp_path, **replace))


COMPACT = "2\n3 1\n0 1 1\n4 2 0 2\n0 1 1\n2 0\n0 0\n4 0\n"


def test_compact_text(tmp_path):
    path = tmp_path / "two.txt"
    path.write_text(COMPACT)
    data = read_compact(path)
    assert data.node_ptr.tolist() == [0, 3, 5]
    assert data.y.tolist() == [1, 0]
    assert data.x.argmax(1).tolist() == [0, 1, 0, 0, 1]
    assert {tuple(p) for p in data.edge_index.T.tolist()} == {(0, 1), (1, 0), (1, 2), (2, 1)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (COMPACT[:-4], r"ends after line 7, before the graphs it promises"),
        (COMPACT.replace("4 2 0 2", "4 2 0"), "line 4 promises 2 neighbours and names 1"),
        (COMPACT.replace("4 2 0 2", "4 2 0 9"), "line 4 names neighbour 9 in a graph of 3 nodes"),
        (COMPACT.replace("3 1", "three 1"), "line 2 is not in the compact format"),
        ("", "ends after line 0"),
        ("2\n1 0\n0 0 1.5\n1 1\n0 0 nan\n", r"bad\.txt: node 1 has a feature that is NaN or infinite"),
    ],
)
def test_bad_compact_text_is_named(tmp_path, text, message):
    path = tmp_path / "bad.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_compact(path)


def test_unknown_names_and_paths(tmp_path):
    with pytest.raises(UserError, match="did you mean 'wine-knn'"):
        read_graph("wine-kn")
    with pytest.raises(UserError, match="holds no graph that can be read"):
        read_graph(tmp_path)
    (tmp_path / "g.gpickle").write_bytes(b"x")
    with pytest.raises(UserError, match=r"files ending in \.gpickle are not read"):
        read_graph(tmp_path / "g.gpickle")
    (tmp_path / "edges.csv").write_text("a,b\n")
    with pytest.raises(UserError, match="is one table"):
        read_graph(tmp_path / "edges.csv")


@pytest.mark.parametrize(("name", "nodes"), [("digits-knn", 1797), ("wine-knn", 178), ("cancer-knn", 569)])
def test_embedded_graphs_are_the_same_every_time(name, nodes):
    graph, again = read_graph(name), read_graph(name)
    assert isinstance(graph, GraphData)
    assert graph.num_nodes == nodes
    assert torch.equal(graph.edge_index, again.edge_index)
    parts = torch.cat([graph.train_index, graph.val_index, graph.test_index])
    assert parts.sort().values.tolist() == list(range(nodes))
    assert len(graph.y[graph.train_index].unique()) == graph.num_classes


def test_embedded_set_of_digit_graphs():
    data = read_graph("digits-graphs")
    assert (len(data), data.num_classes, data.num_features) == (600, 10, 3)
    batch = data.select(torch.arange(600))
    assert torch.equal(batch.edge_index, data.edge_index)
