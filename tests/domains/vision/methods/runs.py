"""Small images and short runs that the tests of the supervised methods share."""

import shutil
from functools import cache

import torch

from core.training import FitSettings, resolve_settings, train
from domains.vision import METHODS
from domains.vision.data.compose import rotated
from domains.vision.data.embedded import embedded
from domains.vision.evaluate import EvaluationSettings
from domains.vision.task import VisionTask

TINY = {"width": 4, "depth": 10, "stem": "small", "batch_size": 32, "lr": 1e-2, "recipe": "test", "warmup": 0.0}
HEADS = {
    "hydra": {"hidden": 32, "projection": 16, "label_dim": 16, "gate_hidden": 32},
    "core_tuning": {"projection": 16},
}


class InMemory(VisionTask):
    """The task with data that need no file."""

    def __init__(self, data):
        self.data = data

    def load(self, data):
        return self.data


@cache
def digits(count=None, test=100):
    """The digits, or the first of its training images and some of its test images."""
    data = embedded("digits")
    if count is None:
        return data
    rows = [data.test.logical_not().nonzero()[:count], data.test.nonzero()[:test]]
    return data.select(torch.cat(rows).flatten())


@cache
def angles(count=200, test=100):
    """Turned digits; the angle is the target."""
    return rotated(digits(count, test), most=45, seed=0, corners="edge")


def build(name, data, seed=0, **settings):
    torch.manual_seed(seed)
    chosen = METHODS.settings(name)(**{**TINY, **HEADS.get(name, {}), **settings})
    method = VisionTask().build(name, chosen, data, torch.Generator().manual_seed(seed))
    method.seen = {}
    method.log = lambda key, value, **_: method.seen.__setitem__(key, float(torch.as_tensor(value).detach()))
    return method


def run(name, data, folder, seed=0, *, resume=False, seconds=20.0, **settings):
    return train(
        InMemory(data),
        METHODS,
        name,
        data=None,
        settings=resolve_settings(METHODS.settings(name), ("x", {**TINY, **HEADS.get(name, {}), **settings})),
        evaluation=EvaluationSettings(online_every=0),
        fit_settings=FitSettings(seed=seed, threads=1, progress=False, log_every=1, checkpoint_seconds=seconds),
        folder=folder,
        resume=resume,
    )


def memorise(method, batch, steps=40):
    """Full-batch Adam; returns the losses."""
    optimizer = torch.optim.Adam(method.trained_parameters(), lr=method.settings.lr)
    losses = []
    for step in range(steps):
        loss = method.training_step(batch, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def again(method, batch, state):
    """Backbone rows of the views that a step drew whose generator stood at ``state``."""
    method.generator.set_state(state)
    return method.encoder(method.random_views(batch.images, 1)[0])


def same_after_resuming(name, data, folder, **settings):
    """Whether the last epoch, repeated from the checkpoint before it, gives the same bytes."""
    run(name, data, folder / "whole", epochs=3, seconds=0.0, **settings)
    shutil.copytree(folder / "whole", folder / "cut")
    for left in ("checkpoints/last.ckpt", "result.json"):
        (folder / "cut" / left).unlink()
    shutil.rmtree(folder / "cut" / "model")
    run(name, data, folder / "cut", epochs=3, seconds=0.0, resume=True, **settings)
    weights = [(folder / part / "model" / "model.safetensors").read_bytes() for part in ("whole", "cut")]
    return weights[0] == weights[1]
