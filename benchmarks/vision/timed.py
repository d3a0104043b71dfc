"""Time of a SimCLR epoch against plain PyTorch with kornia, and what loading and online scores take of it."""

import copy
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.vision.augment_speed import augment_speed_records
from benchmarks.vision.budget import BUDGETS
from benchmarks.vision.plain_simclr import PlainSimCLR, kornia_chain
from core.reporting import ResultRecord, environment
from core.reporting.records import Role
from core.training import resolve_settings
from domains.vision import METHODS
from domains.vision.data.images import ImageBatch, ImageSet
from domains.vision.data.read import read_images
from domains.vision.evaluate import EvaluationSettings
from domains.vision.methods.base import recipe_for
from domains.vision.task import VisionTask, split

__all__ = ["epoch_records", "measure_epoch"]

_REPEATS = 3
_TEMPERATURE = 0.2


def measure_epoch(data: ImageSet, images: int, **settings: Any) -> dict[str, float]:
    """Seconds of one SimCLR epoch, ours and plain, step by step in turns in one process; and the shares of ours.

    Args:
        data: the images.
        images: so many of them make the epoch.
        **settings: of SimCLR.
    """
    task, evaluation = VisionTask(), EvaluationSettings()
    values = {"loss": "NTXentLoss", "loss_settings": {"temperature": _TEMPERATURE}, **settings}
    chosen = resolve_settings(METHODS.settings("simclr"), ("settings", values))
    method: Any = task.build("simclr", chosen, data, torch.Generator().manual_seed(0))
    object.__setattr__(method, "log", lambda *args, **kwargs: None)  # no trainer is attached
    train, _ = split(data, evaluation, 0)
    train = train.select(torch.arange(images))
    loader: Any = task.loader(method, train, EvaluationSettings(test_share=0.01), 0)
    spec = method.input_spec
    recipe = recipe_for(chosen.recipe, method.size, method.grey)
    chain = kornia_chain(recipe, method.view_size, torch.tensor(spec["mean"]), torch.tensor(spec["std"]))
    plain = PlainSimCLR(copy.deepcopy(method.encoder), copy.deepcopy(method.head), chain, _TEMPERATURE)
    optimizers = [torch.optim.Adam(module.parameters(), lr=chosen.lr, fused=True) for module in (method, plain)]
    steps: list[Callable[[ImageBatch], Tensor]] = [
        lambda batch: method.training_step(batch, 0),
        lambda batch: plain(batch.images),
    ]
    seconds = [0.0, 0.0]
    loading = 0.0
    for warm in (True, False):
        loader.set_epoch(int(not warm))
        began = time.perf_counter()
        for number, batch in enumerate(loader):
            loaded = time.perf_counter()
            if not warm:
                loading += loaded - began
            for which in (0, 1):
                started = time.perf_counter()
                optimizers[which].zero_grad()
                steps[which](batch).backward()
                optimizers[which].step()
                if not warm:
                    seconds[which] += time.perf_counter() - started
            if warm and number == 1:
                break
            began = time.perf_counter()
    started = time.perf_counter()
    _online(task, method, data, evaluation)
    online = time.perf_counter() - started
    ours = seconds[0] + loading
    return {
        "ours": ours,
        "plain": seconds[1] + loading,
        "loading": loading / ours,
        "online": online / (evaluation.online_every * ours * len(split(data, evaluation, 0)[0]) / images),
    }


def _online(task: VisionTask, method: Any, data: ImageSet, evaluation: EvaluationSettings) -> None:
    """One online score, as the task's callback computes it."""
    for callback in task.callbacks(method, data, evaluation, 0):
        getattr(callback, "function")(method)  # noqa: B009


def epoch_records(profile: str) -> list[ResultRecord]:
    """Records of `measure_epoch` on cifar10_13k with one thread and with two, and of the augmentations alone."""
    data = read_images("cifar10_13k")
    budget = {key: value for key, value in BUDGETS[profile].items() if key not in ("epochs", "warmup")}
    records = []
    before = torch.get_num_threads()
    for threads in (1, 2):
        for recipe in ("mild", "cifar"):
            torch.set_num_threads(threads)
            repeats = [measure_epoch(data, 5_632, **{**budget, "recipe": recipe}) for _ in range(_REPEATS)]
            records += _rows(repeats, profile, recipe, threads)
    torch.set_num_threads(before)
    return [*records, *augment_speed_records(profile)]


def _rows(repeats: list[dict[str, float]], profile: str, recipe: str, threads: int) -> list[ResultRecord]:
    rows: dict[str, tuple[Role, list[float], str]] = {
        "plain PyTorch with kornia": ("baseline", [r["plain"] for r in repeats], "s per epoch"),
        "SimCLR": ("method", [r["ours"] for r in repeats], "s per epoch"),
        "SimCLR over plain PyTorch": ("method", [r["ours"] / r["plain"] for r in repeats], "ratio"),
        "loading, share of a step": ("method", [r["loading"] for r in repeats], "ratio"),
        "online kNN, share of the training time": ("method", [r["online"] for r in repeats], "ratio"),
    }
    kind = f"recipe {recipe}, {threads} thread" + "s" * (threads > 1)
    where = environment()
    return [
        ResultRecord.over(
            values,
            system=system,
            domain="vision",
            dataset=f"cifar10_13k, {kind}" + (" (ratio)" if metric == "ratio" else ""),
            split="5,632 images, batch 256",
            method="simclr",
            metric=metric,
            role=role,
            profile=profile,
            settings={"threads": threads, "recipe": recipe, "network": "ResNet-10, width 16, medium stem"},
            **where,
        )
        for system, (role, values, metric) in rows.items()
    ]
