"""What torchrun starts for test_ddp: a fit and a whole job on each rank. Nothing is drawn at random but the order."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import nn

from core.distributed import GatheredLoss
from core.errors import UserError
from core.losses import InfoNCELoss
from core.registry import Registry
from core.training import FitSettings, Method, MethodSettings, fit, seed_everything, shuffled, train
from tests.core.training.toy import digits

SAMPLES = 88
"""Five batches of 16 and one of 8: every batch can be halved."""
RAGGED = ((10, 4), (9, 4), (7, 3), (6, 1))
"""Numbers of samples and batch sizes that do not come out even."""


@dataclass(frozen=True)
class HalvesSettings(MethodSettings):
    """Settings of the method below; it adds none."""

    epochs: int = 3
    lr: float = 3e-3
    schedule: str = "cosine"


class Halves(Method[HalvesSettings]):
    """InfoNCE between the upper and the lower half of each digit. Remembers which samples it was given."""

    name: ClassVar[str] = "halves"

    def __init__(self, settings, **rest):
        super().__init__(settings, **rest)
        self.upper, self.lower = (
            nn.Sequential(nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 16)) for _ in ("upper", "lower")
        )
        self.loss = GatheredLoss(InfoNCELoss(temperature=0.2))
        self.seen = []

    def training_step(self, batch, batch_idx):
        index, x = batch
        self.seen.append([self.current_epoch, index.tolist()])
        loss = self.loss(self.upper(x[:, :32]), self.lower(x[:, 32:]))
        self.log("loss", loss, batch_size=len(x))
        return loss

    @torch.no_grad()
    def embed(self, batch):
        return torch.cat([self.upper(batch[:, :32]), self.lower(batch[:, 32:])], 1)


METHODS = Registry("toy method")
METHODS.register("halves", Halves, HalvesSettings)


@dataclass(frozen=True)
class NoEvaluation:
    """Nothing to set."""


class HalvesTask:
    """The domain's side, on the first digits."""

    evaluation_settings = NoEvaluation

    def load(self, data):
        return digits()[0][:SAMPLES]

    def build(self, method, settings, data, generator):
        return Halves(settings, generator=generator)

    def loader(self, method, data, evaluation, seed):
        return shuffled(len(data), 16, seed, lambda index: (index, data[index]))

    def evaluate(self, method, data, settings, seed):
        return {"norm": float(method.embed(data).norm())}

    def describe(self, data):
        return {"name": "digits"}


def settings_for(processes):
    """How to run on so many processes."""
    strategy = "ddp" if processes > 1 else "auto"
    return FitSettings(
        seed=3, threads=1, devices=processes, strategy=strategy, log_every=1, progress=False, checkpoint_seconds=0
    )


def run_fit(folder, processes):
    """The trained method, from a start and an order of samples that the seed decides."""
    task = HalvesTask()
    data = task.load(None)
    method = task.build("halves", HalvesSettings(), data, seed_everything(3))
    fit(method, task.loader(method, data, None, 3), folder=folder, settings=settings_for(processes))
    return method


def run_train(folder, processes):
    """The whole job, run folder and artifact included."""
    return train(
        HalvesTask(),
        METHODS,
        "halves",
        data=None,
        settings=HalvesSettings(),
        evaluation=NoEvaluation(),
        fit_settings=settings_for(processes),
        folder=folder,
    )


def deal(count, batch_size):
    """What this rank is given in an epoch, and how many batches it is told to expect."""
    loader = shuffled(count, batch_size, 5, lambda index: index.tolist())
    try:
        return {"length": len(loader), "batches": list(loader)}
    except UserError as error:
        return {"error": str(error)}


if __name__ == "__main__":
    root, rank = Path(sys.argv[1]), int(os.environ["RANK"])
    # every rank is given a folder of its own, which only the first one may make
    trained = run_fit(root / f"of_rank_{rank}", 2)
    torch.save(trained.state_dict(), root / f"weights_{rank}.pt")
    notes = {
        "seen": trained.seen,
        "dealt": {f"{count} in {size}": deal(count, size) for count, size in RAGGED},
        "scores": run_train(root / "run", 2).scores,
    }
    (root / f"notes_{rank}.json").write_text(json.dumps(notes))
