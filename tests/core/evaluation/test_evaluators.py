"""Evaluators against scikit-learn, plain loops and hand values."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.datasets import load_wine
from sklearn.metrics import f1_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from core.errors import UserError
from core.evaluation import (
    KnnEvaluator,
    LinearProbe,
    alignment,
    cluster_agreement,
    effective_rank,
    layerwise_probe,
    link_prediction,
    logistic_regression,
    mean_interval,
    paired_test,
    svm_cross_validation,
    uniformity,
)


@pytest.fixture(scope="module")
def wine():
    x, y = load_wine(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    return torch.from_numpy(StandardScaler().fit_transform(x)[order]).float(), torch.from_numpy(y[order])


@pytest.mark.parametrize("k", [1, 5, 20])
def test_knn_equals_scikit_learn(wine, k):
    x, y = wine
    weight = lambda distance: np.exp((1 - distance) / 0.07)  # noqa: E731
    rival = KNeighborsClassifier(k, metric="cosine", weights=weight).fit(x[:100], y[:100])
    ours = KnnEvaluator(k=k, tile=7).fit(x[:100], y[:100])
    assert (ours.predict(x[100:]).numpy() == rival.predict(x[100:])).all()
    assert ours.score(x[100:], y[100:]) == pytest.approx(rival.score(x[100:], y[100:]))


def test_knn_leave_one_out_votes_and_errors(wine):
    x, y = wine
    ours = KnnEvaluator(k=3, temperature=None, tile=50).fit(x, y)
    rows = torch.nn.functional.normalize(x, dim=1)
    similarity = (rows @ rows.T).fill_diagonal_(-2)
    votes = torch.nn.functional.one_hot(y[similarity.topk(3).indices]).sum(1)
    assert torch.equal(ours.predict(x, leave_one_out=True), votes.argmax(1))
    assert KnnEvaluator(k=1).fit(x, y).score(x, y) == 1.0
    with pytest.raises(ValueError, match="unlabelled rows"):
        KnnEvaluator().fit(x, y - 1)
    with pytest.raises(ValueError, match="temperature must be > 0"):
        KnnEvaluator(temperature=0.0)


def test_linear_probe_is_the_plain_loop(wine):
    x, y = wine
    train, val, test = torch.arange(30), torch.arange(30, 60), torch.arange(60, 178)
    result = LinearProbe(epochs=40, lr=0.02, generator=torch.Generator().manual_seed(3)).fit(
        x, y, train=train, val=val, test=test
    )
    layer = torch.nn.Linear(13, 3)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        layer.weight.uniform_(-(13**-0.5), 13**-0.5, generator=generator)
        layer.bias.uniform_(-(13**-0.5), 13**-0.5, generator=generator)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.02, weight_decay=1e-4)
    curve, tests = [], []
    for _ in range(40):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(layer(x[train]), y[train]).backward()
        optimizer.step()
        guess = layer(x).argmax(1)
        curve.append((guess[val] == y[val]).float().mean().item())
        tests.append((guess[test] == y[test]).float().mean().item())
    assert result.curve == pytest.approx(curve)
    assert result.last == pytest.approx(tests[-1])
    best = max(e for e, value in enumerate(curve) if value == max(curve))
    assert result.best_epoch == best + 1
    assert result.at_best_val == pytest.approx(tests[best])
    assert result.macro_f1 == pytest.approx(f1_score(y[test], guess[test], average="macro"))
    with pytest.raises(ValueError, match=r"train holds rows without a label \(-1\)"):
        LinearProbe().fit(x, y - 1, train=train, val=val, test=test)
    with pytest.raises(ValueError, match="number of val rows"):
        LinearProbe().fit(x, y, train=train, val=val[:0], test=test)


def test_logistic_regression_chooses_on_validation(wine):
    x, y = wine
    parts = {"train": torch.arange(60), "val": torch.arange(60, 100), "test": torch.arange(100, 178)}
    result = logistic_regression(x, y, **parts)
    assert result.test > 0.93
    assert result.c in (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
    with pytest.raises(ValueError, match="length of grid"):
        logistic_regression(x, y, **parts, grid=())


def test_svm_protocol_is_scikit_learns(wine):
    x, y = wine
    ours = svm_cross_validation(x, y, folds=4, seed=1)
    search = GridSearchCV(SVC(), {"C": [1e-3, 1e-2, 1e-1, 1, 10]}, cv=5)
    outer = StratifiedKFold(4, shuffle=True, random_state=1)
    assert ours.values == pytest.approx(cross_val_score(search, x.double().numpy(), y.numpy(), cv=outer))
    assert ours.std == pytest.approx(np.std(ours.values))
    with pytest.raises(ValueError, match="one class only"):
        svm_cross_validation(x, torch.zeros(178, dtype=torch.int64))
    with pytest.raises(ValueError, match="use fewer folds"):
        svm_cross_validation(x[:10], y[:10])


def test_geometry_by_hand_and_by_loops():
    eye = torch.eye(2)
    assert float(alignment(eye, -eye)) == pytest.approx(4)
    assert float(alignment(eye, -eye, alpha=1.0)) == pytest.approx(2)
    assert float(uniformity(torch.tensor([[1.0, 0.0], [-3.0, 0.0]]))) == pytest.approx(-8)
    assert float(uniformity(torch.ones(5, 3))) == pytest.approx(0, abs=1e-5)
    x = torch.randn(20, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    unit = x / x.norm(dim=1, keepdim=True)
    pairs = [math.exp(-2 * float((unit[i] - unit[j]).square().sum())) for i in range(20) for j in range(i)]
    assert float(uniformity(x)) == pytest.approx(math.log(sum(pairs) / len(pairs)))
    assert effective_rank(torch.ones(5, 3)) == pytest.approx(1)
    assert effective_rank(torch.diag(torch.tensor([1.0, 1.0, 0.0]))) == pytest.approx(2)
    assert effective_rank(torch.ones(4, 2) + torch.eye(4)[:, :2] * 0, centre=False) == pytest.approx(1)
    with pytest.raises(ValueError, match="every row is zero"):
        effective_rank(torch.ones(5, 3), centre=True)


def test_intervals_and_paired_tests_are_scipys():
    a, b = [0.8, 0.85, 0.83, 0.9], [0.78, 0.84, 0.84, 0.85]
    interval = mean_interval(a)
    low, high = stats.t.interval(0.95, 3, np.mean(a), stats.sem(a))
    assert (interval.low, interval.high) == pytest.approx((low, high))
    result = paired_test(a, b)
    assert result.p_value == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert result.verdict == "within noise"
    assert paired_test([2.0, 3.0], [1.0, 2.0]).verdict == "seen"
    assert paired_test([1.0, 2.0, 3.0], [2.0, 3.1, 4.0]).verdict == "not seen"
    assert paired_test([1.0, 1.0], [1.0, 1.0]).p_value == 1.0
    for wrong in ([], [1.0], [1.0, math.nan]):
        with pytest.raises(ValueError, match=r"two seeds|finite"):
            mean_interval(wrong)
    with pytest.raises(ValueError, match="same seeds for both"):
        paired_test(a, b[:2])


def test_clusters_links_and_layers(wine):
    x, y = wine
    agreement = cluster_agreement(x, y)
    assert agreement.nmi > 0.7
    assert agreement.ari > 0.7
    perfect = link_prediction(
        torch.eye(3)[[0, 0, 1, 1]], torch.tensor([[0, 2], [1, 3]]), torch.tensor([[0, 1], [2, 3]])
    )
    assert (perfect.auc, perfect.average_precision) == (1.0, 1.0)
    scores = layerwise_probe({"backbone": x, "projection": x[:, :1]}, lambda h: float(h.shape[1]))
    assert scores == {"backbone": 13.0, "projection": 1.0}
    with pytest.raises(UserError, match="did you mean 'backbone'"):
        layerwise_probe({"backbone": x}, len, only=["backbon"])
