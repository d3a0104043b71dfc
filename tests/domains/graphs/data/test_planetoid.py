"""Raw Planetoid files: the permuted test rows, Citeseer's missing ids, and files that are not what they seem."""

import os
import pickle
from collections import defaultdict

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from core.errors import UserError
from domains.graphs.data.npz import read_npz
from domains.graphs.data.planetoid import read_planetoid

TRAIN, KNOWN, TEST = 6, 510, [514, 511, 516, 513]  # node 510, 512 and 515 do not exist in the files
WIDTH = 4


def features(node: int) -> list[float]:
    return [float(node % 2), 1.0, 0.0, float(node)]


def label(node: int) -> list[int]:
    return [1, 0, 0] if node % 3 == 0 else ([0, 1, 0] if node % 3 == 1 else [0, 0, 1])


@pytest.fixture
def raw(tmp_path):
    """A small set with the quirks of Citeseer: shuffled test ids with holes, loops and repeats in the adjacency."""
    ids = [*TEST, 510]
    parts = {
        "allx": csr_matrix(np.array([features(i) for i in range(KNOWN)])),
        "x": csr_matrix(np.array([features(i) for i in range(TRAIN)])),
        "tx": csr_matrix(np.array([features(i) for i in ids])),
        "ally": np.array([label(i) for i in range(KNOWN)]),
        "y": np.array([label(i) for i in range(TRAIN)]),
        "ty": np.array([label(i) for i in ids]),
    }
    graph = defaultdict(list, {0: [1, 1, 0], 1: [0], 514: [0], 2: [514]})
    for name, part in {**parts, "graph": graph}.items():
        (tmp_path / f"ind.small.{name}").write_bytes(pickle.dumps(part, protocol=2))
    (tmp_path / "ind.small.test.index").write_text("\n".join(map(str, ids)) + "\n")
    return tmp_path


def test_rows_are_put_back_and_missing_ids_are_empty(raw):
    graph = read_planetoid(raw)
    assert graph.num_nodes == 517
    for node in (3, 510, 511, 513, 514, 516):
        assert graph.x[node].tolist() == features(node)
        assert graph.y[node].item() == label(node).index(1)
    for missing in (512, 515):
        assert not graph.x[missing].any()
        assert graph.y[missing].item() == -1
    assert graph.test_index.tolist() == [510, 511, 513, 514, 516]
    assert graph.train_index.tolist() == list(range(6))
    assert graph.val_index.tolist() == list(range(6, 506))
    pairs = {tuple(p) for p in graph.edge_index.T.tolist()}
    assert pairs == {(0, 1), (1, 0), (0, 514), (514, 0), (2, 514), (514, 2)}
    assert graph.facts["normalise"] == "rows"


def test_a_pickle_that_would_run_code_is_refused(raw, tmp_path):
    class Malice:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "hacked"),))

    (raw / "ind.small.graph").write_bytes(pickle.dumps(Malice()))
    with pytest.raises(UserError, match=r"ind\.small\.graph wants to load (posix|nt)\.mkdir; only numpy"):
        read_planetoid(raw)
    assert not (tmp_path / "hacked").exists()


def test_missing_damaged_and_unfitting_files_are_named(raw):
    content = (raw / "ind.small.tx").read_bytes()
    (raw / "ind.small.tx").write_bytes(content[:40])
    with pytest.raises(UserError, match=r"ind\.small\.tx is damaged"):
        read_planetoid(raw)
    (raw / "ind.small.tx").write_bytes(content)
    (raw / "ind.small.test.index").write_text("510\n511\n")
    with pytest.raises(UserError, match=r"has 2 ids, but ind\.small\.tx has 5 rows"):
        read_planetoid(raw)
    (raw / "ind.small.test.index").write_text("one\ntwo\n")
    with pytest.raises(UserError, match=r"test\.index must hold one node number per line"):
        read_planetoid(raw)
    (raw / "ind.small.y").unlink()
    with pytest.raises(UserError, match=r"ind\.small\.y: No such file.*all eight files"):
        read_planetoid(raw)


@pytest.mark.data
def test_raw_cora_equals_the_prepared_file(data_folder):
    raw = read_planetoid(data_folder / "graphs" / "cora")
    prepared = read_npz(data_folder / "graphs" / "cora" / "cora.npz")
    for name in ("x", "y", "edge_index", "train_index", "val_index", "test_index"):
        assert torch.equal(getattr(raw, name), getattr(prepared, name)), name
    assert (raw.num_nodes, raw.edge_index.shape[1] // 2, raw.num_features, raw.num_classes) == (2708, 5278, 1433, 7)
