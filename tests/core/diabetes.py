"""The proving ground of regression losses: scikit-learn's diabetes data, two noisy views, a small perceptron."""

from typing import NamedTuple

import torch
from sklearn.datasets import load_diabetes
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from core.evaluation import ordinality, regression_metrics

__all__ = ["Diabetes", "encoder", "scores"]


class Diabetes(NamedTuple):
    """300 patients to train on and 142 to test on, ten standardised measurements each; targets in standard units."""

    x: Tensor
    y: Tensor
    test_x: Tensor
    test_y: Tensor

    @classmethod
    def load(cls, seed: int = 0) -> "Diabetes":
        measured, progress = load_diabetes(return_X_y=True)
        order = torch.randperm(len(measured), generator=torch.Generator().manual_seed(seed))
        x = torch.tensor(StandardScaler().fit_transform(measured), dtype=torch.float32)[order]
        y = torch.tensor((progress - progress.mean()) / progress.std(), dtype=torch.float32)[order]
        return cls(x[:300], y[:300], x[300:], y[300:])

    def batch(self, size: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        """Two noisy views of random patients, (2, n, 10), and their targets."""
        rows = torch.randint(len(self.x), (size,), generator=draw)
        return self.x[rows] + 0.3 * torch.randn(2, size, 10, generator=draw), self.y[rows]


def encoder(width: int = 16, seed: int = 0) -> nn.Sequential:
    """A perceptron from (..., 10) to (..., width)."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, width))


def scores(model: nn.Module, data: Diabetes, *, distance: str = "euclidean") -> tuple[float, float]:
    """Mean absolute error of a linear probe on the test patients, and how far their distances follow the targets'."""
    model.eval()
    with torch.no_grad():
        train, test = model(data.x), model(data.test_x)
        if distance == "cosine":
            train, test = (nn.functional.normalize(rows, dim=1) for rows in (train, test))
    probe = RidgeCV(alphas=[1e-3, 1e-2, 0.1, 1.0, 10.0]).fit(train.numpy(), data.y.numpy())
    guess = torch.tensor(probe.predict(test.numpy()), dtype=torch.float32)
    return regression_metrics(data.test_y, guess)["mae"], ordinality(test, data.test_y)
