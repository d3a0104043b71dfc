"""A real, small method: InfoNCE on noisy views of scikit-learn's digits. Runnable as a script that can be killed."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from core.distributed import GatheredLoss
from core.losses import InfoNCELoss
from core.training import FitSettings, Method, MethodSettings, fit, save_method, seed_everything, shuffled


@dataclass(frozen=True)
class ToySettings(MethodSettings):
    """Settings of the toy.

    Attributes:
        width: of the embedding.
    """

    epochs: int = 12
    lr: float = 3e-3
    width: int = 16


class Toy(Method[ToySettings]):
    """An MLP under InfoNCE; its noise comes from its own generator, from torch's and from NumPy's."""

    name: ClassVar[str] = "toy"

    def __init__(self, settings, *, in_dim, **rest):
        super().__init__(settings, in_dim=in_dim, **rest)
        self.net = nn.Sequential(nn.Linear(in_dim, 64), nn.ReLU(), nn.Linear(64, settings.width))
        self.loss = GatheredLoss(InfoNCELoss(temperature=0.2))

    def training_step(self, batch, batch_idx):
        own = torch.randn(batch.shape, generator=self.generator)
        shared = torch.randn(batch.shape) + float(np.random.rand())
        loss = self.loss(self.net(batch + 0.3 * own), self.net(batch + 0.3 * shared))
        self.log("loss", loss, batch_size=len(batch))
        return loss

    @torch.no_grad()
    def embed(self, batch):
        return self.net(batch)


def digits():
    x, y = load_digits(return_X_y=True)
    return torch.from_numpy(x).float() / 16, torch.from_numpy(y)


def run(folder: Path, epochs: int, *, resume: bool = False, seconds: float = 0.0) -> Toy:
    generator = seed_everything(7)
    method = Toy(ToySettings(epochs=epochs, schedule="cosine"), in_dim=64, generator=generator)
    x, _ = digits()
    loader = shuffled(1024, 128, 7, lambda index: x[index])
    settings = FitSettings(seed=7, threads=1, checkpoint_seconds=seconds, log_every=1, progress=False)
    fit(method, loader, folder=folder, settings=settings, resume=resume)
    return method


if __name__ == "__main__":
    trained = run(Path(sys.argv[1]), int(sys.argv[2]), resume="--resume" in sys.argv)
    save_method(trained, Path(sys.argv[1]) / "model", {"scores": {}})
