"""A person's own graph: what works, and one message for each mistake."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch

from core.errors import UserError
from domains.graphs.data.read import read_graph
from domains.graphs.data.user import from_networkx, from_pyg, from_tables, to_pyg
from tests.domains.graphs.toy import toy_graph

NODES = "id,age,score,label,split\na,1,0.5,red,train\nb,2,0.25,blue,val\nc,3,1,red,test\nd,4,2,,\n"
EDGES = "source,target\na,b\nb,a\nb,c\nc,c\n"


def folder(path, nodes=NODES, edges=EDGES):
    if nodes is not None:
        (path / "nodes.csv").write_text(nodes, encoding="utf-8")
    if edges is not None:
        (path / "edges.csv").write_text(edges, encoding="utf-8")
    return path


def test_tables_become_a_graph(tmp_path):
    graph = read_graph(folder(tmp_path))
    assert graph.node_ids == ("a", "b", "c", "d")
    assert graph.x.tolist() == [[1, 0.5], [2, 0.25], [3, 1], [4, 2]]
    assert graph.class_names == ("blue", "red")
    assert graph.y.tolist() == [1, 0, 1, -1]
    assert {tuple(p) for p in graph.edge_index.T.tolist()} == {(0, 1), (1, 0), (1, 2), (2, 1)}
    assert [p.tolist() for p in (graph.train_index, graph.val_index, graph.test_index)] == [[0], [1], [2]]


def test_byte_order_mark_spaces_and_number_ids(tmp_path):
    nodes = "\ufeffid,f\n1,0\n2,1\n3,5\n"
    graph = read_graph(folder(tmp_path, nodes, "src,dst\n1, 2\n3,2\n"))
    assert graph.edge_index.shape == (2, 4)
    assert graph.y is None


def test_parquet_tables(tmp_path):
    pd.DataFrame({"id": [10, 20], "f": [1.0, 2.0]}).to_parquet(tmp_path / "nodes.parquet")
    pd.DataFrame({"u": [10], "v": [20]}).to_parquet(tmp_path / "edges.parquet")
    assert read_graph(tmp_path).edge_index.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("nodes", "edges", "message"),
    [
        (NODES, None, r"lacks edges\.csv"),
        (None, EDGES, r"lacks nodes\.csv"),
        (NODES, EDGES + "a,zebra\n", r"edges\.csv: row 6: target 'zebra' is no id of .*nodes\.csv"),
        (NODES, "source,target\na,\n", r"edges\.csv: row 2 has no target"),
        (NODES + "a,9,9,red,train\n", EDGES, r"the id 'a' stands twice, again in row 6"),
        (NODES + ",9,9,red,train\n", EDGES, r"nodes\.csv: row 6 has no id"),
        (NODES.replace("2,0.25", "two,0.25"), EDGES, r"feature column 'age' is not a number \(row 3 says 'two'\)"),
        (NODES.replace("2,0.25", ",0.25"), EDGES, r"nodes\.csv: row 3 has no finite number in 'age'"),
        (NODES.replace("2,0.25", "inf,0.25"), EDGES, r"row 3 has no finite number in 'age'"),
        (NODES.replace("blue", "red"), EDGES, r"the label column 'label' holds only 'red'"),
        (NODES.replace("val", "valid"), EDGES, r"row 3 says 'valid' in 'split'; allowed are train, val, test"),
        (NODES.replace("val", "train"), EDGES, r"no row of 'split' says val"),
        (NODES.replace("id,", "name,"), EDGES, r"nodes\.csv has no column 'id'"),
        (NODES, "a,b\nb,c\n", r"begins with a,b: it has no header; put the line source,target on top"),
        ("id,f\n1,0\n2,0\n3,1\n", "1,2\n2,3\n", r"has no header; put the line source,target on top"),
        (NODES, "source,target,weight\na,b,1\n", r"the columns weight would be ignored"),
        (NODES, "x,y,z\na,b,1\n", r"must have the columns source and target, it has x, y, z"),
        (NODES, "source\na\n", r"must have the columns source and target, it has source"),
        ("id,label\na,x\nb,y\n", "source,target\na,b\n", r"has no feature column"),
        ("id,f\n", EDGES, r"nodes\.csv has no rows"),
        ("", EDGES, r"nodes\.csv is empty"),
        (NODES + "e,1,2,red,train,extra,extra\n", EDGES, r"nodes\.csv: rows have different numbers of cells"),
    ],
)
def test_each_mistake_gets_its_own_message(tmp_path, nodes, edges, message):
    with pytest.raises(UserError, match=message):
        read_graph(folder(tmp_path, nodes, edges))


def test_wrong_encoding_and_two_tables_are_named(tmp_path):
    (tmp_path / "nodes.csv").write_bytes("id,f\nJosé,1\n".encode("latin-1"))
    (tmp_path / "edges.csv").write_text(EDGES)
    with pytest.raises(UserError, match=r"nodes\.csv is not UTF-8"):
        read_graph(tmp_path)
    (tmp_path / "edges.parquet").write_bytes(b"")
    with pytest.raises(UserError, match=r"holds edges\.csv and edges\.parquet"):
        read_graph(tmp_path)


def test_a_million_edges_take_seconds():
    count = 100_000
    draw = np.random.default_rng(0)
    nodes = pd.DataFrame({"id": np.arange(count), "f": draw.random(count)})
    edges = pd.DataFrame({"source": draw.integers(count, size=10**6), "target": draw.integers(count, size=10**6)})
    graph = from_tables(edges, nodes)
    assert graph.num_nodes == count
    assert graph.edge_index.shape[1] > 1.9e6


def test_networkx_and_pyg_round_trip():
    net = nx.karate_club_graph()
    for node in net.nodes:
        net.nodes[node]["position"] = [node, 1.0]
    graph = from_networkx(net, features=["position"], label="club")
    assert graph.num_nodes == 34
    assert graph.edge_index.shape[1] == 2 * net.number_of_edges()
    assert graph.class_names == ("Mr. Hi", "Officer")
    with pytest.raises(UserError, match="node 0 of the networkx graph lacks the attribute 'height'"):
        from_networkx(net, features=["height"])
    with pytest.raises(UserError, match="has no node"):
        from_networkx(nx.Graph(), features=["height"])
    toy = toy_graph().with_split(torch.arange(4), torch.arange(4, 8), torch.arange(8, 12))
    back = from_pyg(to_pyg(toy))
    for name in ("x", "edge_index", "y", "train_index", "val_index", "test_index"):
        assert torch.equal(getattr(toy, name), getattr(back, name))
