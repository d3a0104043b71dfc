"""Deep feature reweighting: against scikit-learn by hand, and on digits with a spurious cue."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from core.evaluation import dfr


def blobs(counts, seed=0):
    """Two features: the first tells the class, the second a background; one group for each pair of both."""
    draw = torch.Generator().manual_seed(seed)
    groups = torch.repeat_interleave(torch.arange(4), torch.tensor(counts))
    labels = groups // 2
    centre = torch.stack([labels * 1.0, 2.0 * (groups % 2)], dim=1)
    return centre + 0.7 * torch.randn(len(groups), 2, generator=draw), labels, groups


def test_one_subset_and_one_c_are_a_logistic_regression():
    """With equal groups the only subset is everything; nothing but standardisation and a fit remains."""
    x, y, g = blobs((30, 30, 30, 30))
    part = torch.arange(0, 120, 2), torch.arange(1, 120, 4), torch.arange(3, 120, 4)
    result = dfr(x, y, g, held_out=part[0], val=part[1], test=part[2], grid=(0.1,), repeats=1)
    scaler = StandardScaler().fit(x[part[0]].double())
    model = LogisticRegression(C=0.1).fit(scaler.transform(x[part[0]].double()), y[part[0]])
    hit = model.predict(scaler.transform(x[part[2]].double())) == y[part[2]].numpy()
    expected = {int(k): hit[(g[part[2]] == k).numpy()].mean() for k in range(4)}
    assert result.groups == pytest.approx(expected)
    assert result.worst == min(expected.values())
    assert result.average == pytest.approx(hit.mean())
    assert result.c == 0.1


def test_subsets_are_balanced_and_their_coefficients_averaged():
    x, y, g = blobs((60, 8, 10, 50))
    everything = torch.arange(len(x))
    parts = {"held_out": everything, "val": everything, "test": everything}
    result = dfr(x, y, g, **parts, grid=(1.0,), repeats=3, generator=torch.Generator().manual_seed(4))
    scaler = StandardScaler().fit(x.double())
    draw = torch.Generator().manual_seed(4)
    layers = []
    for _ in range(3):
        order = torch.randperm(len(x), generator=draw)
        rows = torch.cat([order[g[order] == k][:8] for k in range(4)])
        model = LogisticRegression(C=1.0, max_iter=2000).fit(scaler.transform(x[rows].double()), y[rows])
        layers.append((model.coef_[0], model.intercept_[0]))
    weight, bias = (np.mean([layer[i] for layer in layers], axis=0) for i in (0, 1))
    guess = torch.from_numpy(scaler.transform(x.double()) @ weight + bias > 0).long()
    expected = {k: float((guess == y)[g == k].double().mean()) for k in range(4)}
    assert result.groups == pytest.approx(expected)


def test_average_is_weighted_with_the_shares_of_training():
    x, y, g = blobs((20, 20, 20, 20))
    everything = torch.arange(80)
    parts = {"held_out": everything, "val": everything, "test": everything}
    train = torch.repeat_interleave(torch.arange(4), torch.tensor([70, 10, 10, 10]))
    result = dfr(x, y, g, **parts, train_groups=train)
    shares = {0: 0.7, 1: 0.1, 2: 0.1, 3: 0.1}
    assert result.average == pytest.approx(sum(shares[k] * v for k, v in result.groups.items()))
    with pytest.raises(ValueError, match=r"train_groups must hold every group of test, and lacks \[3\]"):
        dfr(x, y, g, **parts, train_groups=train[train < 3])


def test_c_is_chosen_by_the_worst_group_and_the_draw_repeats():
    x, y, g = blobs((40, 12, 12, 40))
    order = torch.randperm(104, generator=torch.Generator().manual_seed(0))
    parts = {"held_out": order[:50], "val": order[50:75], "test": order[75:]}
    grid = (1e-4, 1.0, 100.0)

    def run(**settings):
        return dfr(x, y, g, **parts, repeats=2, generator=torch.Generator().manual_seed(1), **settings)

    at_val = {**parts, "test": parts["val"]}
    scores = {
        c: dfr(x, y, g, **at_val, grid=(c,), repeats=2, generator=torch.Generator().manual_seed(1)).worst for c in grid
    }
    best = max(scores.values())
    assert run(grid=grid).c == min(c for c, value in scores.items() if value == best)
    assert run(grid=grid) == run(grid=grid)
    easy = torch.stack([100.0 * y, torch.zeros(104)], dim=1)  # every C gets all of it right
    assert dfr(easy, y, g, **parts, grid=(10.0, 0.1, 1.0), repeats=1).c == 0.1


def test_several_classes_with_any_numbers():
    digits = load_digits()
    x, y = torch.tensor(digits.data).float(), torch.tensor(digits.target).long()
    kept = y < 3
    x, y = x[kept], 5 + 2 * y[kept]
    part = torch.arange(len(x))
    result = dfr(x, y, y, held_out=part[::3], val=part[1::3], test=part[2::3], grid=(0.1,), repeats=2)
    assert result.groups.keys() == {5, 7, 9}
    assert result.worst > 0.95


@pytest.mark.slow
def test_it_frees_digits_from_a_spurious_cue():
    """Even or odd, with a bright patch on 95 % of the odd ones and 5 % of the even ones.

    The ordinary last layer leans on the patch; balanced groups do not, and the worst group gains clearly.
    """
    digits = load_digits()
    draw = torch.Generator().manual_seed(0)
    x, y = torch.tensor(digits.data).float() / 16, torch.tensor(digits.target).long() % 2
    patch = (torch.rand(len(x), generator=draw) < torch.where(y == 1, 0.95, 0.05)).long()
    x = torch.cat([x + 0.3 * torch.randn(x.shape, generator=draw), 2.0 * patch[:, None].float()], dim=1)
    groups, order = 2 * y + patch, torch.randperm(len(x), generator=draw)
    parts = {"held_out": order[:900], "val": order[900:1300], "test": order[1300:]}
    ours = dfr(x, y, groups, **parts, grid=(0.01, 0.1), repeats=2, generator=draw)
    plain = LogisticRegression(C=ours.c, max_iter=2000).fit(x[order[:900]], y[order[:900]])
    hit = torch.from_numpy(plain.predict(x[parts["test"]])) == y[parts["test"]]
    worst = min(float(hit[groups[parts["test"]] == k].double().mean()) for k in range(4))
    assert ours.worst > worst + 0.15


@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named():
    x, y, g = blobs((5, 5, 5, 5))
    part = torch.arange(20)
    parts = {"held_out": part, "val": part, "test": part}
    with pytest.raises(TypeError, match=r"groups must be int64, got torch\.int32"):
        dfr(x, y, g.int(), **parts)
    with pytest.raises(ValueError, match=r"groups must have shape \(20,\)"):
        dfr(x, y, g[:3], **parts)
    with pytest.raises(ValueError, match="the length of val must be at least 1"):
        dfr(x, y, g, **{**parts, "val": part[:0]})
    with pytest.raises(ValueError, match="the length of grid must be at least 1"):
        dfr(x, y, g, **parts, grid=())
    with pytest.raises(ValueError, match="each value of grid must be finite and > 0"):
        dfr(x, y, g, **parts, grid=(0.0,))
    with pytest.raises(ValueError, match="repeats must be at least 1"):
        dfr(x, y, g, **parts, repeats=0)
    with pytest.raises(ValueError, match="the number of classes in held_out must be at least 2, got 1"):
        dfr(x, y, g, **{**parts, "held_out": part[:10]})
    with pytest.raises(TypeError, match="features must be a floating tensor"):
        dfr(x.long(), y, g, **parts)
