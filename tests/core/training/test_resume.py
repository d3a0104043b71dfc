"""kill -9 and --resume: the same bytes as a run that was never stopped."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from core.errors import OperationError
from core.training import FitSettings, fit
from core.training.checkpoint import latest_checkpoint
from tests.core.training.toy import Toy, ToySettings, run

ROOT = Path(__file__).parents[3]


def command(folder, epochs, *flags):
    return [sys.executable, "-W", "ignore", "-m", "tests.core.training.toy", str(folder), str(epochs), *flags]


@pytest.mark.slow
def test_killed_and_resumed_equals_never_killed(tmp_path):
    epochs = 150
    subprocess.run(command(tmp_path / "whole", epochs), cwd=ROOT, check=True)
    process = subprocess.Popen(command(tmp_path / "killed", epochs), cwd=ROOT)
    checkpoint = tmp_path / "killed" / "checkpoints" / "previous.ckpt"
    deadline = time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "model").exists(), "the run was over before it was killed"
    subprocess.run(command(tmp_path / "killed", epochs, "--resume"), cwd=ROOT, check=True)
    whole, killed = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], killed[name]) for name in whole)
    logs = [(tmp_path / name / "metrics.csv").read_text() for name in ("whole", "killed")]
    assert logs[0] == logs[1]
    assert logs[0].count("loss") == epochs * 8


def test_training_beats_its_untrained_start(tmp_path):
    run(tmp_path, 4)
    losses = [float(line.split(",")[3]) for line in (tmp_path / "metrics.csv").read_text().splitlines()[1:]]
    assert sum(losses[-8:]) < 0.8 * sum(losses[:8])


def test_a_damaged_checkpoint_falls_back_and_ends_at_the_same_weights(tmp_path):
    whole = run(tmp_path / "whole", 4)
    run(tmp_path / "cut", 4)
    last = tmp_path / "cut" / "checkpoints" / "last.ckpt"
    content = last.read_bytes()
    last.write_bytes(content[: len(content) // 2])
    resumed = run(tmp_path / "cut", 4, resume=True)
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)
    assert (tmp_path / "cut" / "metrics.csv").read_text() == (tmp_path / "whole" / "metrics.csv").read_text()


def test_only_damaged_checkpoints_are_an_error(tmp_path):
    run(tmp_path, 2)
    for path in (tmp_path / "checkpoints").iterdir():
        path.write_bytes(b"garbage")
    with pytest.raises(OperationError, match=r"no checkpoint in .* can be read .*previous\.ckpt damaged"):
        latest_checkpoint(tmp_path / "checkpoints")


def test_resuming_a_finished_run_changes_nothing(tmp_path):
    first = run(tmp_path, 2)
    again = run(tmp_path, 2, resume=True)
    for a, b in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_zero_epochs_leave_the_weights(tmp_path):
    method = Toy(ToySettings(epochs=0), in_dim=64)
    before = [p.clone() for p in method.parameters()]
    assert fit(method, [], folder=tmp_path, settings=FitSettings()).epochs == 0
    assert all(torch.equal(a, b) for a, b in zip(before, method.parameters(), strict=True))
