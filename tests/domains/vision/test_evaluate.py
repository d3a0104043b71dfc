"""The protocol: kNN, logistic regression and ridge on frozen features."""

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from core.errors import UserError
from domains.vision.evaluate import EvaluationSettings, score_classes, score_targets, validation_rows


def _clouds(count: int, seed: int, spread: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    centres = torch.tensor([[3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 3.0]])
    return centres[labels] + spread * torch.randn(count, 3, generator=draw), labels


def test_validation_rows_are_a_fifth_of_every_class():
    labels = torch.tensor([0] * 10 + [1] * 5 + [2] * 4)
    learn, choose = validation_rows(labels, 3)
    assert sorted([*learn.tolist(), *choose.tolist()]) == list(range(19))
    assert torch.bincount(labels[choose], minlength=3).tolist() == [2, 1, 0]
    assert not torch.equal(choose, validation_rows(labels, 4)[1])


def test_knn_is_that_of_scikit_learn():
    train, y = _clouds(300, 0, 2.0)
    test, truth = _clouds(99, 1, 2.0)
    settings = EvaluationSettings(k=5, knn_temperature=0.1)
    found = score_classes(train, y, test, truth, settings, 0)["kNN accuracy (k=5, T=0.1)"]

    def weigh(distances):
        return torch.exp(-(torch.as_tensor(distances) ** 2) / 2 / 0.1).numpy()

    unit = [torch.nn.functional.normalize(rows).numpy() for rows in (train, test)]
    rated = KNeighborsClassifier(5, weights=weigh).fit(unit[0], y.numpy())
    assert found == pytest.approx(rated.score(unit[1], truth.numpy()))


def test_the_linear_probe_is_a_logistic_regression_of_the_grid():
    train, y = _clouds(300, 0, 2.0)
    test, truth = _clouds(99, 1, 2.0)
    found = score_classes(train, y, test, truth, EvaluationSettings(), 0)["accuracy"]
    learn, _ = validation_rows(y, 0)
    scale = StandardScaler().fit(train[learn].numpy())
    possible = []
    for c in (1e-3, 1e-2, 1e-1, 1.0):
        model = LogisticRegression(C=c, max_iter=2000).fit(scale.transform(train[learn].numpy()), y[learn].numpy())
        possible.append(model.score(scale.transform(test.numpy()), truth.numpy()))
    assert any(found == pytest.approx(one) for one in possible)


def test_separated_clouds_are_told_apart_and_noise_is_not():
    train, y = _clouds(300, 0, 0.1)
    test, truth = _clouds(99, 1, 0.1)
    assert score_classes(train, y, test, truth, EvaluationSettings(), 0)["accuracy"] == 1.0
    noise = torch.randn(300, 3, generator=torch.Generator().manual_seed(5))
    assert score_classes(noise, y, test, truth, EvaluationSettings(), 0)["accuracy"] < 0.7


def test_classes_so_small_that_nothing_can_be_held_out():
    train, y = _clouds(6, 0, 0.1)
    test, truth = _clouds(9, 1, 0.1)
    assert score_classes(train, y, test, truth, EvaluationSettings(), 0)["accuracy"] == 1.0


def test_one_class_or_no_test_image_is_said():
    train, y = _clouds(30, 0)
    with pytest.raises(UserError, match="one class only"):
        score_classes(train, torch.zeros_like(y), train, y, EvaluationSettings(), 0)
    with pytest.raises(UserError, match=r"no labelled image is left to test on; raise --evaluate\.test-share"):
        score_classes(train, y, train[:0], y[:0], EvaluationSettings(), 0)


def test_targets_are_read_off_linear_features():
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(200, 4, generator=draw)
    y = 30 * x[:, 0] + 5
    found = score_targets(x[:150], y[:150], x[150:], y[150:])
    assert found["MAE"] < 0.1
    assert found["Pearson"] > 0.999
    assert 0 < found["ordinality"] < 1


@pytest.mark.parametrize("wrong", [{"k": 0}, {"knn_temperature": 0.0}, {"test_share": 1.0}, {"online_every": -1}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        EvaluationSettings(**wrong)
