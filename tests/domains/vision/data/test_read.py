"""The one door: names, paths, messages; and the real sets against what is known of them."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import mode
from sklearn.neighbors import NearestNeighbors

from core.data import catalogue
from core.errors import UserError
from domains.vision.app import EMBEDDED
from domains.vision.data.read import read_image, read_images

ENTRIES = [entry for entry in catalogue() if entry.domain == "vision"]


@pytest.fixture
def real(data_folder, monkeypatch):
    monkeypatch.setenv("COUNTERPOINT_DATA", str(data_folder))
    return data_folder


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("name", [entry.name for entry in ENTRIES])
def test_counts_of_the_catalogue_hold(real, name):
    entry = next(entry for entry in ENTRIES if entry.name == name)
    images = read_images(name)
    found = {"images": len(images)}
    if images.labels is not None:
        found["classes"] = len(images.labels.unique())
    if images.test is not None:
        found["test"] = int(images.test.sum())
    if "domain" in images.attributes:
        found["domains"] = len(images.attributes["domain"].unique())
    assert found == entry.counts
    assert images.facts["licence"] == entry.licence


def neighbours_accuracy(images, train, test, *labels):
    """Of the majority of the 5 nearest raw images, for each kind of label."""
    flat = images.images.flatten(1).numpy().astype(np.float32)
    columns = torch.stack(labels, 1).numpy()
    nearest = NearestNeighbors(n_neighbors=5).fit(flat[train]).kneighbors(flat[test], return_distance=False)
    return [(mode(column[train][nearest], axis=1).mode == column[test]).mean() for column in columns.T]


@pytest.mark.data
@pytest.mark.slow
def test_raw_pixels_of_cifar10_score_as_published(real):
    images = read_images("cifar10_13k")
    assert images.class_names[:3] == ("airplane", "automobile", "bird")
    assert images.labels[~images.test].bincount().tolist() == [1100] * 10
    assert images.labels[images.test].bincount().tolist() == [200] * 10
    train, test = (~images.test).nonzero().flatten(), images.test.nonzero().flatten()[:500]
    assert neighbours_accuracy(images, train, test, images.labels)[0] == pytest.approx(0.28, abs=0.02)


@pytest.mark.data
@pytest.mark.slow
def test_raw_pixels_of_mnist_score_as_published(real):
    images = read_images("vision/mnist_25k")
    train, test = (~images.test).nonzero().flatten()[:5000], images.test.nonzero().flatten()
    assert neighbours_accuracy(images, train, test, images.labels)[0] == pytest.approx(0.91, abs=0.02)


@pytest.mark.data
@pytest.mark.slow
def test_raw_pixels_of_pacs_score_as_published(real):
    images = read_images("pacs64")
    assert images.facts["domain_names"] == ["photo", "art_painting", "cartoon", "sketch"]
    assert images.attributes["domain"].bincount().tolist() == [1670, 2048, 2344, 3929]
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    train, test = order[:4000], order[4000:4500]
    label, domain = neighbours_accuracy(images, train, test, images.labels, images.attributes["domain"])
    assert label == pytest.approx(0.32, abs=0.05)
    assert domain == pytest.approx(0.79, abs=0.05)


@pytest.mark.parametrize("name", list(EMBEDDED))
def test_embedded_sets_are_the_same_at_every_call(name):
    first, second = read_images(name), read_images(f"vision/{name}")
    assert first.name == name
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.test, second.test)
    assert len(first) == 1797
    assert int(first.test.sum()) == 359
    assert first.labels[first.test].bincount().min() >= 34  # of 174 in the smallest class
    assert "licence" in first.facts


def test_digits_are_scaled_to_full_white():
    digits = read_images("digits")
    assert digits.images.shape[1:] == (3, 8, 8)
    assert int(digits.images.max()) == 255
    assert torch.equal(digits.images[:, 0], digits.images[:, 2])
    assert read_images("digits", size=16).images.shape[1:] == (3, 16, 16)


def test_turned_digits_have_their_angle_as_target():
    turned = read_images("digits-angle")
    assert turned.images.shape[1:] == (3, 24, 24)
    assert turned.targets.abs().max() <= 45
    assert turned.targets.std() == pytest.approx(90 / 12**0.5, rel=0.05)
    assert read_images("digits-angle", size=32).images.shape[1:] == (3, 32, 32)


def test_one_image_file(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "one.png")
    images = read_images(tmp_path / "one.png")
    assert torch.equal(images.images[0], torch.from_numpy(pixels).permute(2, 0, 1))
    assert images.files == ("one.png",)
    assert read_image(tmp_path / "one.png").shape == (3, 5, 7)
    assert read_image(str(tmp_path / "one.png"), 4).shape == (3, 4, 4)
    assert read_image(tmp_path / "one.png", (4, 6)).shape == (3, 4, 6)
    with pytest.raises(UserError, match="size must be >= 1"):
        read_image(tmp_path / "one.png", 0)
    with pytest.raises(UserError, match=r"none\.png cannot be read"):
        read_image(tmp_path / "none.png")


def test_one_image_is_prepared_as_in_its_folder(tmp_path):
    for name in ("a", "b"):
        pixels = np.random.default_rng(ord(name)).integers(0, 256, (90, 70 + ord(name), 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.jpg")
    folder = read_images(tmp_path)
    assert folder.size == 64
    assert torch.equal(read_image(tmp_path / "b.jpg", 64), folder.images[1])


def test_names_that_are_not_known(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"unknown image set .* 'digitz'; did you mean 'digits'.* known: .*cifar10_13k"):
        read_images("digitz")
    with pytest.raises(UserError, match="unknown image set"):
        read_images(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UserError, match=r"files ending in \.txt are not read"):
        read_images("notes.txt")


def test_a_folder_of_archives_with_images_beside_them_is_one_of_images(tmp_path):
    np.savez(tmp_path / "embedding.npz", z=np.zeros(3))
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    assert read_images(tmp_path).files == ("a.png",)


def test_a_local_folder_called_like_a_set_needs_a_slash(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "digits" / "a.png")
    assert len(read_images("digits")) == 1797
    assert len(read_images("./digits")) == 1


def test_a_table_goes_with_a_folder_only(tmp_path):
    np.savez(tmp_path / "a.npz", image=np.zeros((2, 3, 3), np.uint8))
    for name in ("digits", str(tmp_path / "a.npz"), "cifar10_13k"):
        with pytest.raises(UserError, match=r"own\.csv go with a folder of images, and .* is none"):
            read_images(name, labels="own.csv")
