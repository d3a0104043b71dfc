"""Scores while training goes on: when they are taken, what they say, and that training does not notice."""

import csv
from collections import defaultdict

import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from core.training import FitSettings, OnlineEvaluation, fit, seed_everything, shuffled
from tests.core.training.toy import Toy, ToySettings, digits

NAMES = ("watch/kNN", "watch/calls")


def score(method):
    """Accuracy of the nearest neighbour on held-out digits; draws nothing."""
    x, y = digits()
    h = method.embed(x[:600])
    distance = torch.cdist(h[400:], h[:400])
    return float((y[:400][distance.argmin(1)] == y[400:600]).float().mean())


def run(folder, epochs, *, every=None):
    method = Toy(ToySettings(epochs=epochs), in_dim=64, generator=seed_everything(1))
    calls = []

    def function(watched):
        assert watched is method
        calls.append(method.current_epoch)
        return {"kNN": score(watched), "calls": float(len(calls))}

    x, _ = digits()
    fit(
        method,
        shuffled(400, 100, 1, lambda index: x[index]),
        folder=folder,
        settings=FitSettings(threads=1, log_every=1, progress=False),
        callbacks=[] if every is None else [OnlineEvaluation("watch", every, function)],
    )
    return method, calls, logged(folder)


def logged(folder):
    """Values by name and epoch."""
    values = defaultdict(dict)
    with (folder / "metrics.csv").open() as file:
        for row in csv.DictReader(file):
            values[row["name"]][int(row["epoch"])] = float(row["value"])
    return values


def test_every_second_epoch_and_the_last(tmp_path):
    method, calls, values = run(tmp_path, 5, every=2)
    assert calls == [1, 3, 4]
    assert values["watch/calls"] == {1: 1, 3: 2, 4: 3}
    assert values["watch/kNN"][4] == pytest.approx(score(method))


def test_the_score_is_that_of_the_weights_of_the_moment(tmp_path):
    """Scikit-learn scores the same digits under the weights at the end; the untrained start scores less."""
    method, _, values = run(tmp_path / "long", 12, every=12)
    x, y = digits()
    h = method.embed(x[:600]).numpy()
    rival = KNeighborsClassifier(1).fit(h[:400], y[:400]).score(h[400:], y[400:600])
    assert values["watch/kNN"] == {11: pytest.approx(rival)}
    start = Toy(ToySettings(), in_dim=64, generator=seed_everything(1))
    assert rival > score(start)


def test_watching_changes_nothing(tmp_path):
    watched, _, with_scores = run(tmp_path / "a", 3, every=1)
    alone, _, without = run(tmp_path / "b", 3)
    assert all(torch.equal(a, b) for a, b in zip(watched.parameters(), alone.parameters(), strict=True))
    assert with_scores["loss"] == without["loss"]
    assert set(with_scores) - set(without) == set(NAMES)


def test_every_must_be_positive():
    with pytest.raises(ValueError, match="every must be >= 1 epochs, got 0"):
        OnlineEvaluation("watch", 0, lambda method: {})
