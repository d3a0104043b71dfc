"""How a run ends: done, interrupted, diverged, or stopped by the disk; and what the settings of a run change."""

import math
import signal

import pytest
import torch
from lightning.pytorch import Callback

from core.errors import OperationError
from core.training import FitSettings, fit, seed_everything, shuffled
from core.training.checkpoint import latest_checkpoint
from tests.core.training.toy import Toy, ToySettings, digits

QUICK = {"threads": 1, "log_every": 1, "progress": False}


def start(folder, *, callbacks=(), lr=3e-3, epochs=4, **settings):
    """The trained toy and what ``fit`` said of it."""
    method = Toy(ToySettings(epochs=epochs, lr=lr), in_dim=64, generator=seed_everything(1))
    x, _ = digits()
    loader = shuffled(400, 100, 1, lambda index: x[index])
    chosen = FitSettings(**{**QUICK, **settings})
    return method, fit(method, loader, folder=folder, settings=chosen, callbacks=callbacks)


class At(Callback):
    """Does something when an epoch begins."""

    def __init__(self, epoch, action):
        self.epoch = epoch
        self.action = action

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == self.epoch:
            self.action(pl_module)


def test_ctrl_c_is_a_keyboard_interrupt_and_stays_one(tmp_path):
    """Lightning used to end the process with code 1, without the message that says how to go on."""
    before = signal.getsignal(signal.SIGINT)
    press = At(1, lambda method: signal.raise_signal(signal.SIGINT))
    for folder in (tmp_path / "once", tmp_path / "twice"):
        with pytest.raises(KeyboardInterrupt):
            start(folder, callbacks=[press], checkpoint_seconds=0)
        assert signal.getsignal(signal.SIGINT) is before
        assert latest_checkpoint(folder / "checkpoints")[1]["epoch"] == 0


def test_an_exit_from_inside_stays_an_exit(tmp_path):
    def leave(method):
        raise SystemExit(5)

    with pytest.raises(SystemExit) as raised:
        start(tmp_path, callbacks=[At(1, leave)])
    assert raised.value.code == 5


def test_a_loss_that_is_no_number_ends_the_run(tmp_path):
    """It used to train on, to a model of NaN, whatever the docstring said."""

    def spoil(method):
        with torch.no_grad():
            method.net[0].weight.fill_(math.nan)

    with pytest.raises(OperationError, match=r"the loss is nan in epoch 3, step 1; .*lr"):
        start(tmp_path, callbacks=[At(2, spoil)], checkpoint_seconds=0)
    kept = latest_checkpoint(tmp_path / "checkpoints")[1]
    assert kept["epoch"] == 1
    assert all(torch.isfinite(value).all() for value in kept["state_dict"].values())


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OperationError, match=r"cannot make the folder .*file"):
        start(tmp_path / "file" / "run")


def test_clipping_bounds_the_gradient_of_every_step(tmp_path):
    norms = []

    class Watch(Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            norms.append(float(torch.stack([p.grad.norm() for p in pl_module.parameters()]).norm()))

    start(tmp_path / "free", callbacks=[Watch()], epochs=1)
    free = norms.copy()
    norms.clear()
    bound = sorted(free)[1] * 0.99
    start(tmp_path / "clipped", callbacks=[Watch()], epochs=1, gradient_clip=bound)
    assert norms[0] == pytest.approx(min(free[0], bound), rel=1e-3)
    assert max(norms) <= bound * 1.001


@pytest.mark.parametrize("precision", ["bf16-mixed", "64-true"])
def test_precisions_learn_like_single(tmp_path, precision):
    def losses(folder):
        return [float(line.split(",")[3]) for line in (folder / "metrics.csv").read_text().splitlines()[1:]]

    start(tmp_path / "single")
    method, _ = start(tmp_path / "other", precision=precision)
    expected = torch.float64 if precision == "64-true" else torch.float32
    assert all(p.dtype == expected for p in method.parameters())
    single, other = losses(tmp_path / "single"), losses(tmp_path / "other")
    assert other != single
    assert sum(other) == pytest.approx(sum(single), rel=0.05)


def test_same_seed_same_run(tmp_path):
    first, result = start(tmp_path / "a")
    second, _ = start(tmp_path / "b")
    assert (result.epochs, result.stopped_early) == (4, False)
    assert result.seconds > 0
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    logs = [(tmp_path / name / "metrics.csv").read_text() for name in ("a", "b")]
    assert logs[0] == logs[1]


class Counted(torch.nn.Module):
    """A part with a schedule."""

    def __init__(self):
        super().__init__()
        self.epochs = []

    def set_epoch(self, epoch):
        self.epochs.append(epoch)


def test_parts_with_a_schedule_are_told_the_epoch(tmp_path):
    """A gamma schedule stayed at its start unless somebody called set_epoch by hand."""
    method = Toy(ToySettings(epochs=3), in_dim=64, generator=seed_everything(0))
    method.part = Counted()
    x, _ = digits()
    fit(method, shuffled(128, 64, 1, lambda index: x[index]), folder=tmp_path, settings=FitSettings(**QUICK))
    assert method.part.epochs == [0, 1, 2]
