"""The command from outside: exit codes, messages, start-up, and a whole job from training to report."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from core.cli.main import main
from domains.graphs import METHODS


def run(capsys, *words):
    code = main([str(w) for w in words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run folder made by the command."""
    folder = tmp_path_factory.mktemp("runs") / "wine"
    words = ["graphs", "train", "graphmae", "--data", "wine-knn", "--epochs", "5", "--hidden", "16", "--threads", "1"]
    assert main([*words, "--out", str(folder)]) == 0
    return folder


def test_help_is_fast_and_imports_no_torch():
    heavy = ("torch", "numpy", "pandas", "lightning")
    script = "import sys; from core.cli.main import main; main(['--help']); "
    script += f"sys.exit(any(m in sys.modules for m in {heavy}))"
    times = []
    for _ in range(3):
        started = time.monotonic()
        subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
        times.append(time.monotonic() - started)
    assert min(times) < 0.5


@pytest.mark.parametrize("words", [[], ["--help"], ["graphs"], ["graphs", "train"], ["data"], ["bench", "--help"]])
def test_screens(capsys, words):
    code, out, err = run(capsys, *words)
    assert code == 0
    assert "counterpoint" in out
    assert len(out.splitlines()) < 45
    assert not err


def test_method_help_shows_every_setting_with_its_text(capsys):
    code, out, _ = run(capsys, "graphs", "train", "graphmae", "--help")
    assert code == 0
    for text in ("--mask-rate FLOAT", "share of nodes hidden", "[0.5]", "--evaluate.probe-lr", "--resume", "{sce,mse}"):
        assert text in " ".join(out.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["grafs"], "unknown command 'grafs'; did you mean 'graphs'"),
        (["graphs", "tran"], "did you mean 'train'"),
        (["graphs", "train", "graphmea"], "unknown graph method 'graphmea'; did you mean 'graphmae'"),
        (["graphs", "train", "--epochs", "3"], "the method comes first"),
        (["graphs", "train", "graphmae", "--epohcs", "3"], "unknown flag '--epohcs'; did you mean '--epochs'"),
        (["graphs", "train", "graphmae", "--epochs", "many"], "epochs"),
        (["graphs", "train", "graphmae", "--epochs", "-3"], "epochs must be >= 0, got -3"),
        (["graphs", "train", "graphmae", "--mask-rate", "2", "--data", "wine-knn", "--out", "x"], "mask_rate"),
        (["graphs", "train", "graphmae", "--preset", "core"], "unknown preset 'core'; did you mean 'cora'"),
        (["graphs", "train", "graphmae", "--data", "wine-kn"], "did you mean 'wine-knn'"),
        (["graphs", "train", "graphmae", "--config", "no.yaml"], "cannot read no.yaml"),
        (["graphs", "train", "graphcl", "--data", "wine-knn"], "represents graphs, but wine-knn is one graph"),
        (["graphs", "train", "dgi", "--data", "digits-graphs"], "digits-graphs is a set of graphs; choose from"),
        (["graphs", "evaluate", "nowhere"], "is not a model folder"),
        (["bench", "grphs"], "did you mean 'graphs'"),
        (["bench", "graphs", "--profile", "slow"], "profile"),
        (["bench", "graphs", "--only", "corra", "--profile", "cpu"], "did you mean 'cora'"),
        (["bench", "--seeds", "0"], "--seeds must be at least 1"),
        (["data", "show", "corra"], "did you mean 'cora'"),
        (["report", "nowhere"], "nowhere is not a folder"),
    ],
)
def test_wrong_input_ends_with_2_and_one_message(capsys, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *words)
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert not out
    assert not list(tmp_path.iterdir())


def test_debug_shows_the_traceback():
    with pytest.raises(ValueError, match="unknown command"):
        main(["grafs", "--debug"])


def test_training_leaves_a_whole_run_folder(trained):
    names = {p.name for p in trained.iterdir()}
    assert names == {"config.yaml", "metrics.csv", "tensorboard", "checkpoints", "model", "result.json"}
    result = json.loads((trained / "result.json").read_text())
    assert result["epochs"] == 5
    assert 0 <= result["scores"]["accuracy"] <= 1
    assert result["versions"]["torch"]


def test_a_taken_folder_is_refused_and_a_finished_run_answers_at_once(capsys, trained):
    words = ["graphs", "train", "graphmae", "--data", "wine-knn", "--epochs", "5", "--hidden", "16", "--threads", "1"]
    code, _, err = run(capsys, *words, "--out", trained)
    assert code == 2
    assert "continue that run with --resume" in err
    code, out, _ = run(capsys, *words, "--out", trained, "--resume")
    assert code == 0
    assert "accuracy" in out
    code, _, err = run(capsys, *words, "--lr", "0.5", "--out", trained, "--resume")
    assert code == 2
    assert "settings.lr: 0.001 then, 0.5 now" in err


def test_evaluate_embed_neighbours_and_report(capsys, trained, tmp_path):
    code, out, _ = run(capsys, "graphs", "evaluate", trained)
    assert code == 0
    assert f"{json.loads((trained / 'result.json').read_text())['scores']['accuracy']:.4f}" in out
    code, out, _ = run(
        capsys,
        "graphs",
        "embed",
        "wine-knn",
        "--model",
        trained,
        "--out",
        tmp_path / "w.parquet",
        "--plot",
        tmp_path / "w.png",
    )
    assert code == 0
    table = pd.read_parquet(tmp_path / "w.parquet")
    assert table.shape == (178, 18)
    assert (tmp_path / "w.png").read_bytes()[:4] == b"\x89PNG"
    code, out, _ = run(capsys, "graphs", "neighbours", "wine-knn", "--model", trained, "--node", "17", "--k", "3")
    assert code == 0
    vectors = table[[f"e{i}" for i in range(16)]].to_numpy().copy()
    x = torch.nn.functional.normalize(torch.from_numpy(vectors), dim=1)
    best = (x @ x[17]).index_fill(0, torch.tensor([17]), -2).topk(3).indices.tolist()
    assert all(f" {node} " in out for node in best)
    code, out, _ = run(capsys, "report", trained.parent, "--out", tmp_path / "r.html")
    assert code == 0
    page = (tmp_path / "r.html").read_text()
    assert "graphmae" in page
    assert "http://" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["embed", "cancer-knn", "--model", "{run}", "--out", "x.parquet"],
            "trained on 13 node features, cancer-knn has 30",
        ),
        (["embed", "digits-graphs", "--model", "{run}", "--out", "x.parquet"], "trained on 13 node features"),
        (["neighbours", "wine-knn", "--model", "{run}", "--node", "999"], "there is no node '999' in wine-knn"),
        (["neighbours", "wine-knn", "--model", "{run}", "--node", "1", "--k", "0"], "--k must be at least 1"),
    ],
)
def test_jobs_name_what_does_not_fit(capsys, trained, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, "graphs", *(w.replace("{run}", str(trained)) for w in words))
    assert code == 2
    assert message in err
    assert not list(tmp_path.iterdir())


def test_layers_of_settings_flag_over_file_over_preset(capsys, tmp_path):
    (tmp_path / "my.yaml").write_text("epochs: 2\nhidden: 8\nthreads: 1\nevaluate:\n  knn: 0\n")
    words = ["graphs", "train", "graphmae", "--data", "wine-knn", "--config", tmp_path / "my.yaml", "--heads", "2"]
    code, _, err = run(capsys, *words, "--out", tmp_path / "run")
    assert code == 0
    assert "using the preset wine-knn" in err
    config = json.loads((tmp_path / "run" / "model" / "config.json").read_text())["settings"]
    assert (config["epochs"], config["hidden"], config["heads"], config["weight_decay"]) == (2, 8, 2, 0.0)
    assert "kNN accuracy" not in json.loads((tmp_path / "run" / "result.json").read_text())["scores"]
    (tmp_path / "my.yaml").write_text("epoks: 2\n")
    code, _, err = run(capsys, *words, "--out", tmp_path / "other")
    assert code == 2
    assert "my.yaml: unknown setting 'epoks'; did you mean 'epochs'" in err


@pytest.mark.slow
def test_kill_and_resume_through_the_command(tmp_path):
    words = [str(Path(sys.executable).parent / "counterpoint"), "graphs", "train", "graphmae", "--data", "wine-knn"]
    words += ["--epochs", "400", "--hidden", "32", "--threads", "1", "--checkpoint-seconds", "0.2"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([*words, "--out", str(tmp_path / "killed")], **quiet)
    deadline = time.monotonic() + 60
    while not (tmp_path / "killed/checkpoints/previous.ckpt").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed/result.json").exists()
    subprocess.run([*words, "--out", str(tmp_path / "killed"), "--resume"], check=True, **quiet)
    subprocess.run([*words, "--out", str(tmp_path / "whole")], check=True, **quiet)
    results = [json.loads((tmp_path / n / "result.json").read_text())["scores"] for n in ("killed", "whole")]
    assert results[0] == results[1]
    weights = [load_file(tmp_path / n / "model/model.safetensors") for n in ("killed", "whole")]
    assert all(torch.equal(weights[0][k], weights[1][k]) for k in weights[0])


@pytest.mark.parametrize("method", METHODS.names())
def test_every_method_shows_its_help(capsys, method):
    """A setting with the name of one of the command's own flags (BGRL once had ``out``) breaks the whole command."""
    code, out, err = run(capsys, "graphs", "train", method, "--help")
    assert code == 0, err
    assert "--epochs INT" in out
