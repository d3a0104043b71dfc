"""The domain's side of a training job: split, statistics, online scores, what is refused."""

import csv
import math

import pytest
import torch
from PIL import Image

from core.cli.main import main
from core.errors import UserError
from core.training import FitSettings, ReadingTask, WatchedTask, load_method, resolve_settings, train
from domains.vision import METHODS
from domains.vision.data.images import ImageSet
from domains.vision.evaluate import EvaluationSettings
from domains.vision.task import VisionTask, channel_statistics, split

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
        super().__init__()
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
    assert isinstance(VisionTask(), ReadingTask)
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


def test_one_class_is_trained_on_and_kept_without_a_score(tmp_path, caplog):
    result = run(images(20, classes=1), tmp_path / "run")
    assert result.scores == {}
    assert "one class" in caplog.text
    assert load_method(tmp_path / "run", METHODS).embed(images(2).images).shape[0] == 2


@pytest.mark.parametrize("count", [3, 4, 6, 12])
def test_a_handful_of_images_is_trained_on_and_kept(tmp_path, count):
    result = run(images(count, classes=2), tmp_path / "run")
    assert (tmp_path / "run" / "model" / "model.safetensors").is_file()
    assert all(0 <= value <= count for value in result.scores.values())


@pytest.mark.parametrize("count", [4, 6, 12])
def test_a_handful_of_numbers_is_learnt_and_kept(tmp_path, count):
    data = images(count, classes=2)
    numbers = ImageSet(data.images, "numbers", targets=torch.arange(count, dtype=torch.float32))
    result = run(numbers, tmp_path / "run")
    assert result.scores["MAE"] >= 0
    assert "ordinality" not in result.scores  # one or two images are left to test on
    assert all(map(math.isfinite, result.scores.values()))


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


def test_images_of_another_size_are_resized(tmp_path):
    run(images(60), tmp_path / "run")
    method = load_method(tmp_path / "run", METHODS)
    found = VisionTask().evaluate(method, images(60, size=20), EvaluationSettings(), 0)
    assert 0 <= found["accuracy"] <= 1


def folder_of_images(root, count=24, broken=False):
    data = images(count)
    for row, (pixels, label) in enumerate(zip(data.images, data.labels.tolist(), strict=True)):
        place = root / data.class_names[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(place / f"{row:02}.png")
    if broken:
        (root / "a" / "broken.png").write_bytes(b"not an image")
    return root


def flags(**more):
    small = {**SMALL, "epochs": 1, "threads": 1} | more
    return [word for name, value in small.items() for word in (f"--{name.replace('_', '-')}", str(value))]


def test_the_command_reads_as_it_is_told(tmp_path, capsys):
    folder = folder_of_images(tmp_path / "pictures", broken=True)
    words = ["vision", "train", "simclr", "--data", str(folder), "--out", str(tmp_path / "run"), *flags()]
    assert main(words) == 2
    assert "broken.png" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert main([*words, "--read.skip-broken", "true", "--read.size", "12"]) == 0
    assert load_method(tmp_path / "run", METHODS).size == 12
    capsys.readouterr()
    assert main(["vision", "evaluate", str(tmp_path / "run")]) == 0  # reads as the run did
    assert "accuracy" in capsys.readouterr().out


def test_an_unknown_way_to_read_is_named(tmp_path, capsys):
    assert main(["vision", "train", "simclr", "--read.sise", "12", "--out", str(tmp_path / "run")]) == 2
    assert "read.size" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong", [{"batch_size": 1}, {"momentum": 1.0}, {"warmup": -1.0}, {"view_size": -1}, {"recipe": "simcrl"}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        resolve_settings(METHODS.settings("simclr"), ("test", wrong))
