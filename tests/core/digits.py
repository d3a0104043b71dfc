"""The proving ground of small training runs: scikit-learn's digits, shifted so that raw pixels do not suffice."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from core.evaluation import KnnEvaluator

__all__ = ["Digits", "encoder", "knn_accuracy", "moved", "train"]


class Digits(NamedTuple):
    """1000 digits to train on and 797 to test on, (n, 8, 8) in [0, 1], and both again with each digit shifted."""

    images: Tensor
    labels: Tensor
    shifted: Tensor
    test_labels: Tensor
    test_shifted: Tensor

    @classmethod
    def load(cls, seed: int = 0) -> "Digits":
        digits = load_digits()
        images = torch.tensor(digits.images, dtype=torch.float32) / 16
        labels = torch.tensor(digits.target, dtype=torch.int64)
        draw = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(images), generator=draw)
        shifted = torch.cat([moved(image[None], draw) for image in images])
        first, last = order[:1000], order[1000:]
        return cls(images[first], labels[first], shifted[first], labels[last], shifted[last])

    def batch(self, size: int, draw: torch.Generator) -> Tensor:
        """Positions of a random batch of the training images."""
        return torch.randint(len(self.images), (size,), generator=draw)


def moved(images: Tensor, draw: torch.Generator) -> Tensor:
    """A view: the digits shifted by up to a pixel, all of them alike, with noise."""
    down, right = torch.randint(-1, 2, (2,), generator=draw).tolist()
    return images.roll((down, right), (1, 2)) + 0.15 * torch.randn(images.shape, generator=draw)


def encoder(width: int = 16, seed: int = 0) -> nn.Sequential:
    """A perceptron from (n, 8, 8) images to (n, width) rows with mean 0 and variance 1."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = (nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, width), nn.BatchNorm1d(width, affine=False))
        return nn.Sequential(nn.Flatten(), *layers)


def train(
    modules: Iterable[nn.Module], step: Callable[[int], Tensor], *, steps: int = 50, rate: float = 0.003
) -> list[float]:
    """Adam on the parameters of all modules; ``step(i)`` gives the loss of step i. Returns the losses."""
    modules = list(modules)
    for module in modules:
        module.train()
    optimizer = torch.optim.Adam([p for m in modules for p in m.parameters() if p.requires_grad], lr=rate)
    losses = []
    for i in range(steps):
        optimizer.zero_grad()
        value = step(i)
        value.backward()
        optimizer.step()
        losses.append(float(value.detach()))
    return losses


def knn_accuracy(model: nn.Module, digits: Digits, k: int = 5) -> float:
    """Share of shifted test digits that the k nearest shifted training digits get right."""
    model.eval()
    with torch.no_grad():
        evaluator = KnnEvaluator(k=k).fit(model(digits.shifted), digits.labels)
        return evaluator.score(model(digits.test_shifted), digits.test_labels)
