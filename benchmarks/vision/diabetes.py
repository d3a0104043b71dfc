"""Contrast for regression on a table: the core's losses in the plainest loop, on scikit-learn's diabetes data."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from sklearn.datasets import load_diabetes
from torch import Tensor, nn

from core.evaluation import regression_metrics
from core.losses import RankNContrastLoss, SupReMixLoss
from core.samplers import OrdinalMixup
from core.training import seed_everything
from domains.vision.data.images import ImageSet
from domains.vision.data.imbalance import imbalanced_targets
from domains.vision.evaluate import score_targets
from domains.vision.methods.supremix import SupReMixSettings

__all__ = ["diabetes_scores", "table"]

_HIDDEN, _WIDTH = 128, 64
_BATCH = 64
_LR, _WEIGHT_DECAY = 1e-3, 1e-4
_NOISE, _DROPPED = 0.1, 0.1
"""A view: noise of a tenth of each column's deviation, and a tenth of the columns at their mean."""
_BINS, _TESTED = 5, 12


def table(seed: int, *, imbalanced: bool, factor: float = 20.0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rows and targets to learn from and to test on.

    The test part has equally many rows from each fifth of the range of the target (disease progression, 25 to 346).

    Args:
        seed: of the draws.
        imbalanced: make large targets rare in the training part.
        factor: of the cut, see `domains.vision.data.imbalance.imbalanced_targets`.

    Returns:
        Training rows ``(n, 10)`` float32, standardised by the training rows, their targets ``(n,)``, and those of the
        test part.
    """
    found = load_diabetes(scaled=False)
    x, y = torch.from_numpy(found.data).float(), torch.from_numpy(found.target).float()
    bins = ((y - y.min()) / (y.max() - y.min()) * _BINS).long().clamp(max=_BINS - 1)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    test = torch.zeros(len(y), dtype=torch.bool)
    for number in range(_BINS):
        test[order[bins[order] == number][:_TESTED]] = True
    if imbalanced:
        # The cut is defined for images: one pixel stands for each row.
        pixels = ImageSet(
            torch.zeros(len(y), 3, 1, 1, dtype=torch.uint8), "diabetes", targets=y, test=test,
            attributes={"row": torch.arange(len(y))},
        )  # fmt: skip
        kept = imbalanced_targets(pixels, factor, seed=seed).attributes["row"]
        x, y, test = x[kept], y[kept], test[kept]
    mean, std = x[~test].mean(0), x[~test].std(0)
    x = (x - mean) / std
    return x[~test], y[~test], x[test], y[test]


def diabetes_scores(
    method: str, settings: Mapping[str, Any], seed: int, *, imbalanced: bool, epochs: int, factor: float = 20.0
) -> dict[str, float]:
    """Train a small network on the table and predict the target from its frozen rows by ridge regression.

    The network has layers of 10, 128, 128 and 64 units, and targets are standardised for training.

    Args:
        method: "l1", "rank_n_contrast" or "supremix".
        settings: of the vision method of that name; those that hold for tables are taken.
        seed: of everything.
        imbalanced: make large targets rare in the training part.
        epochs: passes over the table; 0 where ``settings`` say so.
        factor: of the cut.

    Returns:
        As `benchmarks.vision.regression.regression_cell`.
    """
    generator = seed_everything(seed)
    x, y, test_x, test_y = table(seed, imbalanced=imbalanced, factor=factor)
    mean, std = y.mean(), y.std()
    wanted = (y - mean) / std
    net = nn.Sequential(
        nn.Linear(x.shape[1], _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, _WIDTH)
    )
    regressor = nn.Linear(_WIDTH, 1)
    loss = _loss(method, settings, regressor, generator)
    optimizer = torch.optim.Adam(
        [*net.parameters(), *regressor.parameters()], lr=_LR, weight_decay=_WEIGHT_DECAY, fused=True
    )
    for _ in range(settings.get("epochs", epochs)):
        for rows in torch.randperm(len(x), generator=generator).split(_BATCH):
            if len(rows) < 2:
                continue
            z = torch.stack([net(_view(x[rows], generator)) for _ in range(2)])
            optimizer.zero_grad()
            loss(z, wanted[rows]).backward()
            optimizer.step()
    with torch.no_grad():
        features, tested = net(x), net(test_x)
        answers = regressor(tested).flatten() * std + mean
    own = {}
    if method == "l1" and "epochs" not in settings:
        errors = regression_metrics(test_y, answers)
        own = {"regressor MAE": errors["mae"], "regressor RMSE": errors["rmse"]}
    return {**own, **score_targets(features, y, tested, test_y)}


def _view(x: Tensor, generator: torch.Generator) -> Tensor:
    noisy = x + _NOISE * torch.randn(x.shape, generator=generator)
    return noisy * (torch.rand(x.shape, generator=generator) >= _DROPPED)


def _loss(
    method: str, settings: Mapping[str, Any], regressor: nn.Module, generator: torch.Generator
) -> Callable[[Tensor, Tensor], Tensor]:
    """From ``(v, n, d)`` rows and standardised targets to the loss."""
    if method == "l1":
        return lambda z, targets: (regressor(z).squeeze(-1) - targets).abs().mean()
    if method == "rank_n_contrast":
        return RankNContrastLoss()
    s = SupReMixSettings(**settings)
    mixer = OrdinalMixup(
        s.window, beta=s.beta, mix_neg=s.mix_neg, mix_pos=s.mix_pos, max_pos=s.max_pos, generator=generator
    )
    magnify = None if s.magnify == "none" else s.magnify
    return SupReMixLoss(temperature=s.temperature, mixer=mixer, magnify=magnify, label_scale=s.label_scale)
