"""Ridge regression on frozen rows."""

import numpy as np
import pytest
import torch

from core.evaluation import ridge_regression


def _data(noise: float, seed: int = 0) -> tuple[torch.Tensor, ...]:
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(200, 5, generator=draw)
    y = x @ torch.tensor([1.0, -2.0, 0.0, 0.5, 3.0]) + 7 + noise * torch.randn(200, generator=draw)
    return x[:150], y[:150], x[150:], y[150:]


def test_a_linear_target_is_found():
    x, y, test, truth = _data(0.0)
    assert torch.allclose(ridge_regression(x, y, test), truth, atol=1e-2)


def test_it_is_ridge_at_one_of_the_strengths():
    x, y, test, _ = _data(2.0)
    found = ridge_regression(x, y, test).double().numpy()
    rows = x.double().numpy()
    mean, std = rows.mean(0), rows.std(0)
    z, target = (rows - mean) / std, y.double().numpy()
    gaps = []
    for alpha in np.logspace(-3, 5, 17):
        weight = np.linalg.solve(z.T @ z + alpha * np.eye(5), z.T @ (target - target.mean()))
        gaps.append(np.abs((test.double().numpy() - mean) / std @ weight + target.mean() - found).max())
    assert min(gaps) < 1e-5


def test_noise_is_shrunk_away():
    draw = torch.Generator().manual_seed(0)
    x, y = torch.randn(60, 50, generator=draw), torch.randn(60, generator=draw)
    test = torch.randn(500, 50, generator=draw)
    plain = test @ torch.linalg.lstsq(x, y[:, None]).solution[:, 0]
    assert ridge_regression(x, y, test).std() < 0.5 * plain.std()


def test_units_do_not_matter():
    x, y, test, _ = _data(1.0)
    units = torch.tensor([1e3, 1.0, 1e-3, 1.0, 1.0])
    assert torch.allclose(ridge_regression(x * units, y, test * units), ridge_regression(x, y, test), atol=1e-3)


@pytest.mark.usefixtures("unchecked")
def test_what_cannot_be_fitted_is_named():
    with pytest.raises(ValueError, match="number of training rows must be at least 2"):
        ridge_regression(torch.ones(1, 2), torch.ones(1), torch.ones(1, 2))
    with pytest.raises(ValueError, match="targets must be finite"):
        ridge_regression(torch.ones(2, 2), torch.tensor([1.0, torch.nan]), torch.ones(1, 2))
