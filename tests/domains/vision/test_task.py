"""The domain's side of a training job: split, statistics, online scores, what is refused."""

import csv

import pytest
import torch

from core.errors import UserError
from core.training import FitSettings, WatchedTask, resolve_settings, train
from domains.vision import METHODS
from domains.vision.data.images import ImageSet
from domains.vision.evaluate import EvaluationSettings
from domains.vision.task import VisionTask, channel_statistics, check_fits, split

SMALL = {"epochs": 2, "width": 4, "depth": 10, "stem": "medium", "batch_size": 32, "warmup": 0.0}


def images(count=60, *, size=16, classes=3, seed=0, **rest):
    """Squares whose brightness is their class, in noise."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    pixels = torch.randint(0, 60, (count, 3, size, size), generator=draw) + 60 * labels[:, None, None, None]
    names = tuple("abcdefg"[:classes])
    return ImageSet(pixels.to(torch.uint8), "squares", labels=labels, class_names=names, **rest)


class InMemory(VisionTask):
    def __init__(self, data):
        self.data = data

    def load(self, data):
        return self.data


def run(data, folder, method="simclr", evaluation=None, resume=False, **settings):
    return train(
        InMemory(data),
        METHODS,
        method,
        data=None,
        settings=resolve_settings(METHODS.settings(method), ("test", {**SMALL, **settings})),
        evaluation=evaluation or EvaluationSettings(online_every=1),
        fit_settings=FitSettings(seed=1, threads=1, progress=False, log_every=1),
        folder=folder,
        resume=resume,
    )


def test_statistics_are_those_of_the_floats():
    pixels = images().images
    mean, std = channel_statistics(pixels)
    floats = pixels.double() / 255
    assert mean == pytest.approx(floats.mean((0, 2, 3)).tolist())
    assert std == pytest.approx(floats.std((0, 2, 3), correction=0).tolist())
    assert channel_statistics(torch.full((2, 3, 4, 4), 7, dtype=torch.uint8))[1] == [1.0, 1.0, 1.0]


def test_the_official_test_part_is_kept_and_else_drawn():
    flag = torch.arange(60) >= 50
    train_part, test_part = split(images(test=flag), EvaluationSettings(), 0)
    assert (len(train_part), len(test_part)) == (50, 10)
    train_part, test_part = split(images(), EvaluationSettings(test_share=0.5), 0)
    assert (len(train_part), len(test_part)) == (30, 30)


def test_a_run_is_scored_and_watched(tmp_path):
    assert isinstance(VisionTask(), WatchedTask)
    result = run(images(200), tmp_path / "run")
    assert set(result.scores) == {"accuracy", "kNN accuracy (k=20, T=0.07)", "effective rank"}
    with (tmp_path / "run" / "metrics.csv").open() as file:
        watched = [row for row in csv.DictReader(file) if row["name"] == "online/kNN accuracy"]
    assert len(watched) == 2
    assert all(0 <= float(row["value"]) <= 1 for row in watched)


def test_online_scores_change_nothing(tmp_path):
    watched = run(images(100), tmp_path / "a", evaluation=EvaluationSettings(online_every=1))
    alone = run(images(100), tmp_path / "b", evaluation=EvaluationSettings(online_every=0))
    assert watched.scores == alone.scores


def test_without_labels_there_is_training_but_no_score(tmp_path):
    data = images(40)
    bare = ImageSet(data.images, "bare")
    assert run(bare, tmp_path / "run").scores == {}


def test_images_without_a_class_are_trained_on_but_not_scored(tmp_path):
    data = images(100)
    assert data.labels is not None
    some = data.labels.clone()
    some[::4] = -1
    result = run(ImageSet(data.images, "some", labels=some, class_names=data.class_names), tmp_path / "run")
    assert 0 <= result.scores["accuracy"] <= 1


def test_fewer_images_than_a_batch_make_one_batch(tmp_path):
    result = run(images(30), tmp_path / "run", batch_size=256)
    assert "accuracy" in result.scores


def test_what_cannot_be_trained_on_is_said(tmp_path):
    with pytest.raises(UserError, match="has 1 image"):
        run(images(1, classes=1), tmp_path / "one")
    one_class = images(20, classes=1)
    with pytest.raises(UserError, match="one class only"):
        run(one_class, tmp_path / "class")
    method = VisionTask().build(
        "simclr", resolve_settings(METHODS.settings("simclr"), ("x", SMALL)), images(), torch.Generator()
    )
    with pytest.raises(UserError, match="made for images of 16 x 16 pixels, those of squares are 8 x 8"):
        check_fits(method, images(size=8))


def test_embeddings_do_not_depend_on_the_batch():
    data = images(20)
    method = VisionTask().build(
        "simclr", resolve_settings(METHODS.settings("simclr"), ("x", SMALL)), data, torch.Generator().manual_seed(0)
    )
    whole = method.embed(data.images)
    assert whole.shape == (20, method.out_dim)
    assert torch.allclose(whole[3:4], method.embed(data.images[3:4]), atol=1e-5)
    assert torch.equal(whole, method.embed(data.batch(torch.arange(20))))
    assert method.embed_stage(data.images, "projection").shape == (20, 128)
