"""Time of a SimCLR epoch against plain PyTorch with kornia, and what loading and online scores take of it."""

import time
from collections.abc import Mapping
from contextlib import nullcontext
from itertools import islice
from multiprocessing import get_context
from typing import Any, Literal, get_args

import torch
from torch import nn

from benchmarks.vision.augment_speed import augment_speed_records
from benchmarks.vision.budget import BUDGETS
from benchmarks.vision.plain_simclr import PlainResNet10, PlainSimCLR, kornia_chain
from core.reporting import ResultRecord, environment
from core.reporting.records import Role
from core.training import resolve_settings
from core.training.memory import reused_memory
from domains.vision import METHODS
from domains.vision.data.images import ImageBatch, ImageSet
from domains.vision.data.read import read_images
from domains.vision.evaluate import EvaluationSettings
from domains.vision.methods.base import recipe_for
from domains.vision.task import VisionTask, split

__all__ = ["epoch_records", "measure_epoch"]

_REPEATS = 3
_TEMPERATURE = 0.2


Worker = Literal["ours", "plain", "plain, our network"]
_WORKERS: tuple[Worker, ...] = get_args(Worker)


def measure_epoch(images: int, threads: int, **settings: Any) -> dict[str, float]:
    """Seconds of one SimCLR epoch of cifar10_13k, ours and plain, step by step in turns; and the shares of ours.

    Each is a process of its own, because training sets the allocator of its process. "plain" is the same network as
    one writes it, in PyTorch's default memory format and with its default Adam; "plain, our network" has our module,
    which is channels-last, and the fused Adam.

    Args:
        images: so many of them make the epoch.
        threads: of each process; one works at a time.
        **settings: of SimCLR.
    """
    context = get_context("spawn")
    pipes: dict[Worker, Any] = {}
    processes = []
    for name in _WORKERS:
        pipes[name], other = context.Pipe()
        processes.append(context.Process(target=_work, args=(other, name, images, threads, settings), daemon=True))
        processes[-1].start()
        other.close()
        pipes[name].recv()  # ready: one after the other
    total = dict.fromkeys(_WORKERS, 0.0)
    loading = 0.0
    for _ in range(pipes["ours"].recv()):
        for name in _WORKERS:
            pipes[name].send("step")
            load, step = pipes[name].recv()
            total[name] += load + step
            loading += load if name == "ours" else 0.0
    pipes["ours"].send("online")
    online = pipes["ours"].recv()
    for name, process in zip(_WORKERS, processes, strict=True):
        pipes[name].send("end")
        process.join()
    return {**total, "loading": loading / total["ours"], "online": online / total["ours"]}


def _work(pipe: Any, name: Worker, images: int, threads: int, settings: Mapping[str, Any]) -> None:
    """A process of `measure_epoch`: says that it is ready (ours with the number of steps), then does as it is told."""
    torch.set_num_threads(threads)
    data = read_images("cifar10_13k")
    task, evaluation = VisionTask(), EvaluationSettings()
    values = {"loss": "NTXentLoss", "loss_settings": {"temperature": _TEMPERATURE}, **settings}
    chosen = resolve_settings(METHODS.settings("simclr"), ("settings", values))
    method: Any = task.build("simclr", chosen, data, torch.Generator().manual_seed(0))
    object.__setattr__(method, "log", lambda *args, **kwargs: None)  # no trainer is attached
    train, _ = split(data, evaluation, 0)
    loader: Any = task.loader(method, train.select(torch.arange(images)), EvaluationSettings(test_share=0.01), 0)
    module, options = (method, {"fused": True}) if name == "ours" else _plain(method, chosen, name)
    optimizer = torch.optim.Adam(module.parameters(), lr=chosen.lr, **options)

    def step(batch: ImageBatch) -> None:
        optimizer.zero_grad()
        loss = method.training_step(batch, 0) if name == "ours" else module(batch.images)
        loss.backward()
        optimizer.step()

    with reused_memory() if name == "ours" else nullcontext():  # as `fit` does
        for batch in islice(loader, 3):
            step(batch)
        pipe.send("ready")
        if name == "ours":
            pipe.send(len(loader))
        loader.set_epoch(1)
        batches = iter(loader)
        while (told := pipe.recv()) != "end":
            started = time.perf_counter()
            if told == "online":
                _online(task, method, data, evaluation)
                share = images / len(train)  # scored every `online_every` whole epochs
                pipe.send((time.perf_counter() - started) * share / evaluation.online_every)
                continue
            batch = next(batches)
            loaded = time.perf_counter()
            step(batch)
            pipe.send((loaded - started, time.perf_counter() - loaded))


def _plain(method: Any, chosen: Any, name: Worker) -> tuple[nn.Module, dict[str, Any]]:
    """The rival with our weights, and the options of its Adam."""
    spec = method.input_spec
    recipe = recipe_for(chosen.recipe, method.size, method.grey)
    chain = kornia_chain(recipe, method.view_size, torch.tensor(spec["mean"]), torch.tensor(spec["std"]))
    if name == "plain, our network":
        return PlainSimCLR(method.encoder, method.head, chain, _TEMPERATURE), {"fused": True}
    encoder = PlainResNet10(chosen.width)
    with torch.no_grad():
        for own, given in zip(encoder.parameters(), method.encoder.parameters(), strict=True):
            own.copy_(given)
    return PlainSimCLR(encoder, method.head, chain, _TEMPERATURE), {}


def _online(task: VisionTask, method: Any, data: ImageSet, evaluation: EvaluationSettings) -> None:
    """One online score, as the task's callback computes it."""
    for callback in task.callbacks(method, data, evaluation, 0):
        getattr(callback, "function")(method)  # noqa: B009


def epoch_records(profile: str) -> list[ResultRecord]:
    """Records of `measure_epoch` with one thread and with two, and of the augmentations alone."""
    budget = {key: value for key, value in BUDGETS[profile].items() if key not in ("epochs", "warmup")}
    records = []
    for threads in (1, 2):
        for recipe in ("mild", "cifar"):
            repeats = [measure_epoch(5_632, threads, **{**budget, "recipe": recipe}) for _ in range(_REPEATS)]
            records += _rows(repeats, profile, recipe, threads)
    return [*records, *augment_speed_records(profile)]


def _rows(repeats: list[dict[str, float]], profile: str, recipe: str, threads: int) -> list[ResultRecord]:
    plain = "plain PyTorch with kornia"
    rows: dict[str, tuple[Role, list[float], str]] = {
        plain: ("baseline", [r["plain"] for r in repeats], "s per epoch"),
        f"{plain}, our network": ("baseline", [r["plain, our network"] for r in repeats], "s per epoch"),
        "SimCLR": ("method", [r["ours"] for r in repeats], "s per epoch"),
        "SimCLR over plain PyTorch": ("method", [r["ours"] / r["plain"] for r in repeats], "ratio"),
        "SimCLR over plain PyTorch, our network": (
            "method",
            [r["ours"] / r["plain, our network"] for r in repeats],
            "ratio",
        ),
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
