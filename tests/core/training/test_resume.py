"""kill -9 and --resume: the same bytes as a run that was never stopped."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback
from safetensors.torch import load_file

from core.errors import OperationError
from core.training import FitSettings, fit, seed_everything, shuffled
from core.training.checkpoint import latest_checkpoint
from tests.core.training.toy import Toy, ToySettings, digits, run

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


class Interrupt(Callback):
    """Ctrl-C when an epoch begins."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == self.epoch:
            signal.raise_signal(signal.SIGINT)


def run_with_patience(folder, *, interrupt=-1, resume=False):
    """A run that diverges and so stops early."""
    method = Toy(ToySettings(epochs=60, lr=10.0), in_dim=64, generator=seed_everything(1))
    x, _ = digits()
    settings = FitSettings(threads=1, checkpoint_seconds=0, log_every=1, progress=False, patience=3)
    loader = shuffled(400, 100, 1, lambda index: x[index])
    return method, fit(
        method, loader, folder=folder, settings=settings, callbacks=[Interrupt(interrupt)], resume=resume
    )


@pytest.mark.parametrize("before_the_end", [1, 2, 3])
def test_a_resumed_run_stops_early_where_it_would_have_stopped(tmp_path, before_the_end):
    """The checkpoint of an epoch used to be written before patience had seen that epoch, so one was forgotten."""
    whole, result = run_with_patience(tmp_path / "whole")
    assert result.stopped_early
    with pytest.raises(KeyboardInterrupt):
        run_with_patience(tmp_path / "cut", interrupt=result.epochs - before_the_end)
    resumed, again = run_with_patience(tmp_path / "cut", resume=True)
    assert again.epochs == result.epochs
    assert again.stopped_early
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))
    assert (tmp_path / "cut" / "metrics.csv").read_text() == (tmp_path / "whole" / "metrics.csv").read_text()


def test_a_run_that_stopped_early_leaves_its_last_epoch_as_checkpoint(tmp_path):
    """It used to leave one of some seconds before: the checkpoint was asked for before the run knew that it ends."""
    method = Toy(ToySettings(epochs=60, lr=10.0), in_dim=64, generator=seed_everything(1))
    x, _ = digits()
    settings = FitSettings(threads=1, checkpoint_seconds=600, log_every=1, progress=False, patience=3)
    result = fit(method, shuffled(400, 100, 1, lambda index: x[index]), folder=tmp_path, settings=settings)
    assert result.stopped_early
    assert latest_checkpoint(tmp_path / "checkpoints")[1]["epoch"] == result.epochs - 1
