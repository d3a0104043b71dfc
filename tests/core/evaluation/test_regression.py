"""Regression metrics against scikit-learn and SciPy, and the order of distances."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from core.evaluation import ordinality, regression_metrics


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_metrics_are_those_of_the_libraries():
    y = draw(200)
    guess = y + 0.5 * draw(200, seed=1)
    found = regression_metrics(y, guess)
    a, b = y.double().numpy(), guess.double().numpy()
    assert list(found) == ["mae", "gm", "rmse", "pearson", "spearman"]
    assert found["mae"] == pytest.approx(mean_absolute_error(a, b))
    assert found["rmse"] == pytest.approx(root_mean_squared_error(a, b))
    assert found["gm"] == pytest.approx(stats.gmean(np.maximum(abs(a - b), 1e-3)))
    assert found["pearson"] == pytest.approx(stats.pearsonr(a, b).statistic)
    assert found["spearman"] == pytest.approx(stats.spearmanr(a, b).statistic)
    ties = regression_metrics(y.round(), guess.round())
    assert ties["spearman"] == pytest.approx(stats.spearmanr(a.round(), b.round()).statistic)
    column = regression_metrics(y[:, None], guess)
    assert column == found


def test_an_exact_hit_counts_as_the_least_error():
    y = torch.tensor([1.0, 2.0], dtype=torch.float64)
    guess = torch.tensor([1.0, 6.0], dtype=torch.float64)
    assert regression_metrics(y, guess)["gm"] == pytest.approx(math.sqrt(1e-3 * 4))
    assert regression_metrics(y, guess, least_error=0.25)["gm"] == pytest.approx(1.0)
    assert regression_metrics(y, y)["gm"] == pytest.approx(1e-3)


def test_correlations_with_a_constant_are_not_defined():
    found = regression_metrics(torch.ones(3), torch.arange(3.0))
    assert math.isnan(found["pearson"])
    assert math.isnan(found["spearman"])
    assert found["mae"] == pytest.approx(2 / 3)
    assert math.isnan(regression_metrics(torch.ones(1), torch.ones(1))["pearson"])


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_ordinality_is_spearman_of_all_pairs(distance):
    z, y = draw(30, 4).double(), draw(30, seed=1).double()
    rows = torch.nn.functional.normalize(z, dim=1) if distance == "cosine" else z
    expected = stats.spearmanr(torch.pdist(rows), torch.pdist(y[:, None])).statistic
    assert ordinality(z, y, distance=distance) == pytest.approx(expected)


def test_ordinality_of_a_line_is_one_and_shift_scale_and_rotation_do_not_matter():
    y = draw(50)
    line = torch.stack([3 * y + 1, -4 * y], dim=1)
    assert ordinality(line, y) == pytest.approx(1, abs=1e-4)
    shuffled = ordinality(line[torch.randperm(50, generator=torch.Generator().manual_seed(0))], y)
    assert abs(shuffled) < 0.3
    assert ordinality(5 * line - 2, 7 - 3 * y) == pytest.approx(1, abs=1e-4)
    assert math.isnan(ordinality(torch.ones(5, 2), torch.arange(5.0)))


def test_large_batches_are_judged_by_random_pairs():
    z, y = draw(400, 3), draw(400, seed=1)
    z[:, 0] += 2 * y
    whole = ordinality(z, y)
    found = [ordinality(z, y, max_pairs=20_000, generator=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]
    assert found == pytest.approx([whole] * 3, abs=0.03)


@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named():
    y = torch.arange(4.0)
    with pytest.raises(ValueError, match=r"prediction must have shape \(4,\) or \(4, 1\), .* got \(3,\)"):
        regression_metrics(y, y[:3])
    with pytest.raises(TypeError, match="target must be a floating tensor"):
        regression_metrics(y.long(), y)
    with pytest.raises(ValueError, match="prediction must be finite, got nan in row 0"):
        regression_metrics(y, y * torch.nan)
    with pytest.raises(ValueError, match="the number of rows must be at least 1, got 0"):
        regression_metrics(y[:0], y[:0])
    with pytest.raises(ValueError, match="least_error must be finite and > 0"):
        regression_metrics(y, y, least_error=0.0)
    with pytest.raises(ValueError, match="the number of rows must be at least 3, got 2"):
        ordinality(torch.ones(2, 2), y[:2])
    with pytest.raises(ValueError, match="distance must be one of 'euclidean', 'cosine', got 'l1'"):
        ordinality(torch.ones(4, 2), y, distance="l1")
    with pytest.raises(ValueError, match="max_pairs must be at least 2"):
        ordinality(torch.ones(4, 2), y, max_pairs=1)
    with pytest.raises(ValueError, match=r"targets must have shape \(4,\)"):
        ordinality(torch.ones(4, 2), y[:3])
