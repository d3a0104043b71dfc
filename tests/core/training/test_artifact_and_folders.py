"""Artifacts, run folders, settings, atomic files: round trips, and one message for each way to break them."""

import json
import resource
import subprocess
import sys

import pytest
import torch

from core.atomic import atomic_folder, atomic_write
from core.errors import OperationError, UserError
from core.registry import Registry
from core.training import (
    EpochLoader,
    FitSettings,
    RunFolder,
    load_method,
    read_yaml,
    resolve_settings,
    save_method,
    shuffled,
)
from tests.core.training.toy import Toy, ToySettings

REGISTRY = Registry("toy method")
REGISTRY.register("toy", Toy, ToySettings)


@pytest.fixture
def model(tmp_path):
    save_method(
        Toy(ToySettings(width=8), in_dim=64), tmp_path / "model", {"data": {"name": "digits"}, "scores": {"a": 1.0}}
    )
    return tmp_path / "model"


def test_round_trip_and_card(model):
    assert sorted(p.name for p in model.iterdir()) == ["README.md", "config.json", "metadata.json", "model.safetensors"]
    method = load_method(model, REGISTRY)
    assert method.settings == ToySettings(width=8)
    assert not method.training
    assert "| width | 8 |" in (model / "README.md").read_text()
    assert json.loads((model / "metadata.json").read_text())["versions"]["torch"].startswith(torch.__version__[:3])
    assert load_method(model.parent, REGISTRY).settings.width == 8


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.safetensors", b"\x00" * 20, r"model\.safetensors (is damaged|does not fit)"),
        ("model.safetensors", None, r"model\.safetensors is missing"),
        ("config.json", b"{", r"config\.json is not valid JSON"),
        ("config.json", b"{}", r"config\.json lacks format, method"),
        ("config.json", None, "is not a model folder"),
        ("config.json", b'{"format": 9, "method": "toy", "settings": {}, "input": {}}', "this version reads 1"),
        ("config.json", b'{"format": 1, "method": "tpy", "settings": {}, "input": {}}', "did you mean 'toy'"),
        ("config.json", b'{"format": 1, "method": "toy", "settings": {"widht": 8}, "input": {}}', "'width'"),
        ("config.json", b'{"format": 1, "method": "toy", "settings": {}, "input": {"in_dim": 64}}', "does not fit"),
    ],
)
def test_broken_artifacts_are_named(model, name, content, message):
    if content is None:
        (model / name).unlink()
    else:
        (model / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        load_method(model, REGISTRY)


def test_run_folder_is_refused_continued_and_compared(tmp_path):
    run = RunFolder(tmp_path / "run")
    run.open({"method": "toy", "fit": {"seed": 1, "progress": True}}, resume=False)
    with pytest.raises(UserError, match="is not empty; continue that run with --resume"):
        run.open({"method": "toy"}, resume=False)
    run.open({"method": "toy", "fit": {"seed": 1, "progress": False}}, resume=True)
    with pytest.raises(UserError, match=r"fit\.seed: 1 then, 2 now"):
        run.open({"method": "toy", "fit": {"seed": 2, "progress": True}}, resume=True)
    assert run.read_result() is None
    run.write_result({"scores": {"a": 1}})
    assert run.read_result()["scores"] == {"a": 1}
    (tmp_path / "run" / "result.json").write_text("{")
    with pytest.raises(UserError, match=r"result\.json is damaged"):
        run.read_result()
    (tmp_path / "file").write_text("x")
    with pytest.raises(OperationError, match="cannot make the folder"):
        RunFolder(tmp_path / "file" / "run").open({}, resume=False)


def test_settings_layers_and_their_errors(tmp_path):
    layers = [("preset", {"seed": 1, "threads": 2}), ("flags", {"seed": "5"})]
    assert resolve_settings(FitSettings, *layers) == FitSettings(seed=5, threads=2)
    assert resolve_settings(FitSettings) == FitSettings()
    with pytest.raises(UserError, match=r"file a\.yaml: unknown setting 'sead'; did you mean 'seed'"):
        resolve_settings(FitSettings, ("file a.yaml", {"sead": 1}))
    with pytest.raises(UserError, match=r"flags: .*devices must be >= 1, got 0"):
        resolve_settings(FitSettings, ("flags", {"devices": 0}))
    with pytest.raises(UserError, match=r"flags: .*seed"):
        resolve_settings(FitSettings, ("flags", {"seed": "many"}))
    path = tmp_path / "a.yaml"
    with pytest.raises(UserError, match=r"cannot read .*a\.yaml"):
        read_yaml(path)
    path.write_text("a: [1")
    with pytest.raises(UserError, match=r"a\.yaml is not valid YAML"):
        read_yaml(path)
    path.write_text("- 1")
    with pytest.raises(UserError, match="must hold 'setting: value' lines"):
        read_yaml(path)


def test_atomic_write_keeps_the_old_file_when_the_block_fails(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    with atomic_write(path) as file:
        file.write("old")
    with pytest.raises(RuntimeError, match="boom"), atomic_write(path) as file:
        file.write("new")
        raise RuntimeError("boom")
    assert path.read_text() == "old"
    with pytest.raises(RuntimeError, match="boom"), atomic_folder(tmp_path / "f") as folder:
        (folder / "x").write_text("1")
        raise RuntimeError("boom")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.txt", "deep"]


def test_a_full_disk_leaves_the_old_file_and_says_so(tmp_path):
    """A real limit on the size of files in a process of its own, as a full disk would answer."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    script = (
        "import resource, signal, sys; from core.atomic import atomic_write; from core.errors import OperationError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    with atomic_write(sys.argv[1], 'wb') as file: file.write(b'x' * 5000)\n"
        "except OperationError as error: print(error)\n"
    )
    assert resource.RLIMIT_FSIZE >= 0
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert "cannot write" in done.stdout
    assert "nothing was changed" in done.stdout
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


def test_batches_depend_on_seed_and_epoch_only():
    loader = shuffled(10, 4, 3, lambda index: index)
    assert [len(b) for b in loader] == [4, 4, 2] == [len(b) for b in loader]
    first = torch.cat(list(loader))
    assert torch.equal(first, torch.cat(list(shuffled(10, 4, 3, lambda index: index))))
    loader.set_epoch(1)
    assert not torch.equal(first, torch.cat(list(loader)))
    assert isinstance(loader.sampler, EpochLoader)


def test_full_batches_only_leave_other_samples_out_each_epoch():
    loader = shuffled(10, 4, 3, lambda index: index, drop_last=True)
    epochs = []
    for epoch in range(2):
        loader.set_epoch(epoch)
        epochs.append(list(loader))
    assert len(loader) == 2
    assert [len(batch) for batch in epochs[0]] == [4, 4]
    left_out = [set(range(10)) - set(torch.cat(batches).tolist()) for batches in epochs]
    assert left_out[0] != left_out[1]


@pytest.mark.parametrize("count", [1, 3, 4])
def test_fewer_samples_than_a_batch_make_one_batch(count):
    loader = shuffled(count, 4, 0, lambda index: index, drop_last=True)
    batches = list(loader)
    assert len(loader) == 1
    assert sorted(batches[0].tolist()) == list(range(count))
