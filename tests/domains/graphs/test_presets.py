"""Every preset can be used as it stands, and GraphMAE's are those of its official configuration."""

from dataclasses import fields
from importlib.resources import files

import pytest
import torch
import yaml

from core.errors import UserError
from core.training import preset_names, read_preset, resolve_settings
from domains.graphs import METHODS
from domains.graphs.data.embedded import EMBEDDED
from domains.graphs.evaluate import EvaluationSettings
from domains.graphs.methods.graphmae import GraphMAESettings
from domains.graphs.task import GraphTask
from tests.domains.graphs.toy import toy_graph, toy_set

PACKAGE = "domains.graphs"
NAMES = preset_names(PACKAGE)

# github.com/THUDM/GraphMAE, configs.yml (node tasks) on branch main: per data set hidden, heads, layers, mask rate,
# replace rate, gamma, dropped edges, norm, residual, learning rate, weight decay, epochs; probe: rate, decay, epochs.
NODE = {
    "cora": (512, 4, 2, 0.5, 0.05, 3, 0, "none", False, 1e-3, 2e-4, 1500, 0.01, 1e-4, 300),
    "citeseer": (512, 2, 2, 0.5, 0.10, 1, 0, "none", False, 1e-3, 2e-5, 300, 0.01, 0.01, 300),
    "pubmed": (1024, 4, 2, 0.75, 0, 3, 0, "none", False, 1e-3, 1e-5, 1000, 0.01, 1e-4, 300),
    "ogbn-arxiv": (1024, 4, 3, 0.5, 0, 3, 0.5, "layer", False, 1e-3, 0, 1000, 0.01, 5e-4, 600),
    "ppi": (1024, 4, 3, 0.5, 0.10, 3, 0, "layer", True, 1e-4, 0, 1000, 0.005, 0, 2000),
    "reddit": (512, 2, 4, 0.75, 0.15, 3, 0.5, "layer", True, 1e-3, 2e-4, 500, 0.005, 0, 500),
}
NODE_FIELDS = (
    *("hidden", "heads", "layers", "mask_rate", "replace_rate", "gamma", "drop_edge", "norm", "residual"),
    *("lr", "weight_decay", "epochs"),
)
PROBE_FIELDS = ("probe_lr", "probe_weight_decay", "probe_epochs")
NODE_COMMON = {
    "encoder": "gat", "decoder": "gat", "activation": "prelu", "feat_drop": 0.2, "attn_drop": 0.1, "out_heads": 1,
    "negative_slope": 0.2, "schedule": "cosine", "loss": "sce", "remask": True, "concat_hidden": False,
}  # fmt: skip

# The same file, graph tasks: hidden, layers, mask rate, replace rate, gamma, learning rate, epochs, batch, norm,
# pooling, schedule, activation. NCI1 writes "pool: sum", which the released parser ignores; sum is what was meant.
GRAPH = {
    "imdb-binary": (512, 2, 0.5, 0, 1, 1.5e-4, 60, 32, "batch", "mean", "constant", "prelu"),
    "imdb-multi": (512, 3, 0.5, 0, 1, 1.5e-4, 50, 32, "batch", "mean", "constant", "prelu"),
    "proteins": (512, 3, 0.5, 0, 1, 1.5e-4, 100, 32, "batch", "max", "constant", "prelu"),
    "mutag": (32, 5, 0.75, 0.1, 2, 5e-4, 20, 64, "batch", "sum", "constant", "prelu"),
    "reddit-binary": (512, 2, 0.75, 0.1, 2, 1.5e-4, 100, 8, "layer", "sum", "cosine", "prelu"),
    "collab": (256, 2, 0.75, 0, 1, 1.5e-4, 20, 32, "batch", "max", "cosine", "relu"),
    "nci1": (512, 2, 0.25, 0.1, 2, 1e-3, 300, 16, "batch", "sum", "cosine", "prelu"),
}
GRAPH_FIELDS = (
    *("hidden", "layers", "mask_rate", "replace_rate", "gamma", "lr", "epochs", "batch_size", "norm", "pooling"),
    *("schedule", "activation"),
)
GRAPH_COMMON = {
    "encoder": "gin", "decoder": "gin", "feat_drop": 0.2, "weight_decay": 0.0, "drop_edge": 0.0, "residual": False,
    "loss": "sce", "remask": True, "concat_hidden": False,
}  # fmt: skip

OURS = {"amazon-photo", "amazon-computers", *(name for name in EMBEDDED if name.endswith("-knn"))}
"""Presets for which no paper has numbers; their files say so."""


def content_of(name):
    return yaml.safe_load((files(PACKAGE) / "presets" / f"{name}.yaml").read_text(encoding="utf-8"))


def settings_of(name, method):
    chosen, evaluation = read_preset(PACKAGE, name, method)
    layer = f"preset {name}"
    settings = resolve_settings(METHODS.settings(method), (layer, chosen))
    return settings, resolve_settings(EvaluationSettings, (layer, evaluation))


def test_every_data_set_of_the_papers_has_a_preset():
    assert set(NAMES) >= set(NODE) | set(GRAPH) | OURS


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_names_methods_and_settings_that_exist(name):
    content = content_of(name)
    assert set(content) <= {*METHODS.names(), "evaluate"}
    for section, values in content.items():
        kind = EvaluationSettings if section == "evaluate" else METHODS.settings(section)
        settings = resolve_settings(kind, (f"preset {name}", values))
        for key, value in values.items():
            # YAML reads 1e-3 as a word; what the file says must arrive as it stands and with the right type
            assert not isinstance(value, str) or isinstance(getattr(kind(), key), str)
            assert getattr(settings, key) == value
        rest = {f.name for f in fields(kind)} - set(values)
        assert all(getattr(settings, key) == getattr(kind(), key) for key in rest)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", METHODS.names())
def test_every_method_can_be_built_and_embeds_under_every_preset(name, method):
    settings, _ = settings_of(name, method)
    level = METHODS.describe(method).facts["level"]
    whole = level == "graph" or (level == "both" and name in GRAPH)
    data = toy_set() if whole else toy_graph()
    built = GraphTask().build(method, settings, data, torch.Generator().manual_seed(0))
    h = built.embed(data.select(torch.arange(8)) if whole else data)
    assert h.shape[0] == (8 if whole else 12)
    assert torch.isfinite(h).all()


@pytest.mark.parametrize("name", NODE)
def test_node_presets_of_graphmae_are_the_official_ones(name):
    settings, evaluation = settings_of(name, "graphmae")
    *expected, probe_lr, probe_decay, probe_epochs = NODE[name]
    found = {field: getattr(settings, field) for field in (*NODE_FIELDS, *NODE_COMMON)}
    assert found == {**dict(zip(NODE_FIELDS, expected, strict=True)), **NODE_COMMON}
    assert tuple(getattr(evaluation, field) for field in PROBE_FIELDS) == (probe_lr, probe_decay, probe_epochs)
    assert evaluation.split == "public"


@pytest.mark.parametrize("name", GRAPH)
def test_graph_presets_of_graphmae_are_the_official_ones(name):
    settings, evaluation = settings_of(name, "graphmae")
    found = {field: getattr(settings, field) for field in (*GRAPH_FIELDS, *GRAPH_COMMON)}
    assert found == {**dict(zip(GRAPH_FIELDS, GRAPH[name], strict=True)), **GRAPH_COMMON}
    assert (evaluation.folds, evaluation.svm_seed) == (10, 0)


def test_defaults_of_graphmae_are_those_of_cora():
    assert settings_of("cora", "graphmae")[0] == GraphMAESettings()


@pytest.mark.parametrize("name", sorted(OURS))
def test_presets_without_a_paper_say_so_and_keep_the_papers_rates(name):
    text = (files(PACKAGE) / "presets" / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith("# Ours")
    settings, evaluation = settings_of(name, "graphmae")
    for field in ("mask_rate", "replace_rate", "gamma", "layers", "heads", "lr"):
        assert getattr(settings, field) == getattr(GraphMAESettings(), field)
    assert evaluation.split == ("random" if name.startswith("amazon") else "public")


def test_names_in_any_case_and_near_misses():
    assert read_preset(PACKAGE, "IMDB-BINARY", "graphmae") == read_preset(PACKAGE, "imdb-binary", "graphmae")
    assert read_preset(PACKAGE, "cora", "infograph")[0] == {}
    with pytest.raises(UserError, match="unknown preset 'citeser'; did you mean 'citeseer'"):
        read_preset(PACKAGE, "citeser", "graphmae")
