"""Tiny networks on the digits, for the tests of the frames."""

from functools import cache

import torch
from lightning.pytorch import Callback

from core.training import FitSettings, fit, resolve_settings
from domains.vision import METHODS
from domains.vision.batches import make_loader
from domains.vision.data.embedded import embedded
from domains.vision.data.images import ImageBatch

NET = {"width": 4, "depth": 10, "stem": "medium", "batch_size": 32, "hidden": 16, "projection": 16, "warmup": 0.0}
SPEC = {"size": 8, "mean": [0.3] * 3, "std": [0.4] * 3, "num_images": 256, "num_classes": 10, "grey": True}
FRAMES = ("simclr", "moco", "byol", "simsiam", "barlow_twins", "vicreg", "swav")


@cache
def digits(count=256):
    return embedded("digits").select(torch.arange(count))


def batch(count=32, *, start=0):
    """Digits with classes, and a number for each: its mean brightness."""
    found = digits().batch(torch.arange(start, start + count))
    return ImageBatch(found.images, found.index, found.labels, found.images.float().mean((1, 2, 3)) / 255)


def build(name, seed=0, *, spec=None, **settings):
    """An untrained method that can be stepped without a trainer; what it logs is kept in ``logged``."""
    torch.manual_seed(seed)
    kind = METHODS.settings(name)
    few = {"prototypes": 16} if name == "swav" else {}  # a batch is 32
    made = resolve_settings(kind, ("test", {**NET, **few, **settings}))
    method = METHODS.get(name)(made, generator=torch.Generator().manual_seed(seed), **{**SPEC, **(spec or {})})
    method.logged = {}
    method.log = lambda key, value, **_: method.logged.__setitem__(key, float(torch.as_tensor(value).detach()))
    return method


def encoder_gradient(method):
    return sum(float(p.grad.abs().sum()) for p in method.encoder.parameters() if p.grad is not None)


class Losses(Callback):
    """The loss of every step, and what was logged."""

    def __init__(self):
        self.values, self.logged = [], []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.values.append(float(outputs["loss"]))
        self.logged.append({name: float(value) for name, value in trainer.callback_metrics.items()})


class Stop(Callback):
    """End the run after an epoch, as a kill would."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == self.epoch:
            raise KeyboardInterrupt


def train(name, folder, *, data=None, seed=0, callbacks=(), resume=False, log_every=1, **settings):
    """Train on the digits; returns the method and the loss of each step."""
    method = build(name, seed, **settings)
    del method.log
    losses = Losses()
    quiet = FitSettings(threads=1, progress=False, checkpoint_seconds=0.0, log_every=log_every)
    loader = make_loader(method, digits() if data is None else data, seed)
    fit(method, loader, folder=folder, settings=quiet, callbacks=[losses, *callbacks], resume=resume)
    return method, losses
