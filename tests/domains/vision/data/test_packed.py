"""Archives of images: packed and plain, one file or a pair, and what is wrong with bad ones."""

import io
import logging

import numpy as np
import pytest
import torch
from PIL import Image

from core.errors import UserError
from domains.vision.data.read import read_images

COLOUR = np.random.default_rng(0).integers(0, 256, (6, 9, 7, 3), dtype=np.uint8)
GREY = COLOUR[..., 0]
Y = np.array([0, 1, 2, 0, 1, 2], dtype=np.int8)


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def packed(images=COLOUR):
    files = [png(image) for image in images]
    return {
        "data": np.frombuffer(b"".join(files), dtype=np.uint8),
        "offsets": np.cumsum([0, *map(len, files)]).astype(np.int64),
    }


def saved(path, **arrays):
    np.savez(path, **arrays)
    return path


def expected(images=COLOUR):
    images = images if images.ndim == 4 else np.repeat(images[..., None], 3, -1)
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def test_packed_images_with_all_that_may_stand_beside_them(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    path = saved(
        tmp_path / "set.npz", **packed(), label=Y, domain=np.array([1, 0, 1, 0, 1, 0]),
        domain_names=np.array(["p", "q"]),
        class_names=np.array(["ant", "bee", "cow"]), name=np.array(list("uvwxyz")), captions=np.array([["a", "b"]] * 6),
        mask=np.zeros((6, 9, 7), dtype=np.uint8), ignore_index=np.array(11),
    )  # fmt: skip
    images = read_images(path)
    assert torch.equal(images.images, expected())
    assert images.labels.tolist() == Y.tolist()
    assert images.labels.dtype == torch.int64
    assert images.class_names == ("ant", "bee", "cow")
    assert images.attributes["domain"].tolist() == [1, 0, 1, 0, 1, 0]
    assert images.facts["domain_names"] == ["p", "q"]
    assert images.files == tuple("uvwxyz")
    assert images.name == "set"
    assert "not read: captions, mask, ignore_index" in caplog.text


@pytest.mark.parametrize("key", ["image", "images", "x", "data"])
@pytest.mark.parametrize("labels", ["label", "labels", "y"])
def test_plain_arrays_by_their_usual_names(tmp_path, key, labels):
    images = read_images(saved(tmp_path / "set.npz", **{key: COLOUR, labels: Y[:, None]}))
    assert torch.equal(images.images, expected())
    assert images.labels.tolist() == Y.tolist()
    assert images.class_names == ("0", "1", "2")


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (GREY, GREY),
        (GREY[..., None], GREY),
        (COLOUR.transpose(0, 3, 1, 2), COLOUR),
        (GREY[:, None], GREY),
        (COLOUR.astype(np.float32) / 255, COLOUR),
        (COLOUR.astype(np.float64), COLOUR),
        (COLOUR.astype(np.int64), COLOUR),
        (COLOUR.astype(np.uint16) * 257, COLOUR),
        (GREY > 99, (GREY > 99) * np.uint8(255)),
        (np.dstack([COLOUR.reshape(54, 7, 3), np.full((54, 7), 255, np.uint8)]).reshape(6, 9, 7, 4), COLOUR),
    ],
)
def test_shapes_and_types_of_plain_arrays(tmp_path, array, found):
    images = read_images(saved(tmp_path / "set.npz", image=array))
    assert torch.equal(images.images, expected(found))
    assert images.images.is_contiguous()
    assert images.labels is None
    assert images.class_names == ()


def test_plain_arrays_in_another_size_are_scaled_as_files_are(tmp_path):
    plain = read_images(saved(tmp_path / "plain.npz", image=COLOUR), size=5)
    files = read_images(saved(tmp_path / "files.npz", **packed()), size=5)
    assert plain.images.shape == (6, 3, 5, 5)
    assert torch.equal(plain.images, files.images)
    large = read_images(saved(tmp_path / "large.npz", image=np.zeros((2, 100, 80), dtype=np.uint8)))
    assert large.images.shape == (2, 3, 64, 64)


@pytest.mark.parametrize("names", ["{part}_images {part}_labels", "x_{part} y_{part}"])
@pytest.mark.parametrize("other", ["test", "val"])
def test_parts_in_one_file(tmp_path, names, other):
    arrays = {}
    for part, rows in (("train", slice(0, 4)), (other, slice(4, 6))):
        image, label = names.format(part=part).split()
        arrays |= {image: COLOUR[rows], label: Y[rows]}
    images = read_images(saved(tmp_path / "set.npz", **arrays))
    assert torch.equal(images.images, expected())
    assert images.labels.tolist() == Y.tolist()
    assert images.test.tolist() == [False] * 4 + [True] * 2


def test_medmnist_validation_belongs_to_training(tmp_path):
    parts = {"train": slice(0, 3), "val": slice(3, 4), "test": slice(4, 6)}
    arrays = {f"{part}_images": GREY[rows] for part, rows in parts.items()}
    arrays |= {f"{part}_labels": Y[rows, None].astype(np.uint8) for part, rows in parts.items()}
    images = read_images(saved(tmp_path / "set.npz", **arrays))
    assert images.test.tolist() == [False] * 4 + [True] * 2
    assert images.labels.tolist() == Y.tolist()


def test_a_pair_of_files_is_one_set(tmp_path):
    folder = tmp_path / "bugs"
    folder.mkdir()
    names = np.array(["ant", "bee", "cow"])
    saved(folder / "bugs_train.npz", **packed(COLOUR[:4]), label=Y[:4], class_names=names)
    saved(folder / "bugs_test.npz", **packed(COLOUR[4:]), label=Y[4:], class_names=names)
    (folder / "SOURCE.md").write_text("x")
    images = read_images(folder)
    assert images.name == "bugs"
    assert torch.equal(images.images, expected())
    assert images.test.tolist() == [False] * 4 + [True] * 2
    assert images.class_names == ("ant", "bee", "cow")
    alone = read_images(folder / "bugs_train.npz")
    assert alone.test is None
    assert len(alone) == 4
    saved(folder / "other.npz", image=COLOUR)
    with pytest.raises(UserError, match=r"holds bugs_test\.npz, bugs_train\.npz, other\.npz: give one of the files"):
        read_images(folder)


def test_files_of_a_pair_that_name_their_classes_differently(tmp_path):
    saved(tmp_path / "a_train.npz", image=GREY, label=Y, class_names=np.array(["x", "y", "z"]))
    saved(tmp_path / "a_test.npz", image=GREY, label=Y, class_names=np.array(["y", "x", "z"]))
    with pytest.raises(UserError, match="the parts name their classes differently: x, y, z / y, x, z"):
        read_images(tmp_path)


@pytest.mark.parametrize(
    ("labels", "codes", "names"),
    [
        ([5, 9, 5, 7, -1, 9], [0, 2, 0, 1, -1, 2], ("5", "7", "9")),
        ([-1, 1, 1, -1, 1, 1], [0, 1, 1, 0, 1, 1], ("-1", "1")),
        ([0.0, 1.0, 1.0, 0.0, 0.0, 2.0], [0, 1, 1, 0, 0, 2], ("0", "1", "2")),
        ([True, False, True, True, True, True], [1, 0, 1, 1, 1, 1], ("0", "1")),
        (["owl", "", "elk", "owl", "owl", "owl"], [1, -1, 0, 1, 1, 1], ("elk", "owl")),
        ([-1, -1, -1, -1, -1, -1], [-1] * 6, ()),
    ],
)
def test_codes_of_labels(tmp_path, labels, codes, names):
    images = read_images(saved(tmp_path / "set.npz", image=GREY, label=np.array(labels)))
    assert images.labels.tolist() == codes
    assert images.class_names == names


def test_classes_are_those_of_both_parts(tmp_path):
    saved(tmp_path / "a_train.npz", image=GREY[:3], label=np.array([4, 8, 4]))
    saved(tmp_path / "a_test.npz", image=GREY[3:5], label=np.array([6, 8]))
    images = read_images(tmp_path)
    assert images.class_names == ("4", "6", "8")
    assert images.labels.tolist() == [0, 2, 0, 1, 2]


def test_targets(tmp_path):
    numbers = np.array([0.5, 1, 2, -3, 4, 5])
    assert read_images(saved(tmp_path / "a.npz", x=GREY, y=numbers)).targets.tolist() == numbers.tolist()
    both = read_images(saved(tmp_path / "b.npz", x=GREY, y=Y, target=np.arange(6)))
    assert both.labels.tolist() == Y.tolist()
    assert both.targets.tolist() == list(range(6))
    with pytest.raises(UserError, match="targets must be finite"):
        read_images(saved(tmp_path / "c.npz", x=GREY, target=np.array([0, 1, 2, 3, 4, np.nan])))
    with pytest.raises(UserError, match="labels are fractions, and there are targets besides"):
        read_images(saved(tmp_path / "d.npz", x=GREY, y=numbers, target=numbers))


def test_a_broken_image_inside_is_named_by_its_number(tmp_path):
    arrays = packed()
    data = arrays["data"].copy()
    data[arrays["offsets"][2] : arrays["offsets"][3]] = 0
    path = saved(tmp_path / "set.npz", data=data, offsets=arrays["offsets"], label=Y, name=np.array(list("uvwxyz")))
    with pytest.raises(UserError, match=r"1 of 6 images cannot be read.*set\.npz, image 2 \(w\) is no image"):
        read_images(path)
    images = read_images(path, skip_broken=True)
    assert images.labels.tolist() == [0, 1, 0, 1, 2]
    assert images.files == tuple("uvxyz")
    assert torch.equal(images.images, expected(np.delete(COLOUR, 2, 0)))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pixels": GREY}, r"has no images: expected data and offsets, or one of .* it holds pixels uint8\[6, 9, 7\]"),
        ({}, "it holds none"),
        ({**packed(), "label": Y[:4]}, "label has 4 values for 6 images"),
        ({"image": GREY, "label": np.eye(6)}, r"label has shape \[6, 6\]; one value an image"),
        ({"image": GREY, "label": Y, "class_names": np.array(["a", "b"])}, "label 2 has no name: class_names has 2"),
        ({"image": GREY, "label": Y - 3}, "label -3: classes are >= 0"),
        (
            {"image": GREY, "label": np.array(list("aabbcc")), "class_names": np.array(["a", "b"])},
            "label 'c' is not among",
        ),
        ({"image": GREY, "label": Y.astype(complex)}, "labels must be integers or strings"),
        (
            {"data": packed()["data"], "offsets": packed()["offsets"][:-1]},
            "offsets must rise from 0 to the length of data",
        ),
        ({"data": packed()["data"], "offsets": packed()["offsets"] + 1}, "they run from 1 to"),
        ({"data": packed()["data"], "offsets": packed()["offsets"][[0, 2, 1, 3, 4, 5, 6]]}, "they fall after image 1"),
        ({"data": packed()["data"], "offsets": packed()["offsets"] / 1}, "offsets must be integers"),
        ({"data": packed()["data"], "offsets": np.zeros((0,), int)}, "offsets must be integers of one dimension, got"),
        ({"data": packed()["data"].astype(int), "offsets": packed()["offsets"]}, "data must be uint8 of one dimension"),
        ({"data": np.zeros(0, np.uint8), "offsets": np.zeros(1, int)}, r"has no images \(0 rows\)"),
        ({"image": GREY[:0]}, r"has no images \(0 rows\)"),
        ({"image": GREY[:, :0]}, "images without pixels"),
        ({"image": GREY[0]}, r"image has shape \[9, 7\]; images are \(n, h, w\)"),
        ({"image": np.zeros((2, 5, 5, 2), np.uint8)}, "1, 3 or 4 channels"),
        ({"image": GREY.astype(int) + 9}, "must lie in"),
        ({"image": GREY / 100 - 1}, "undo a normalisation first"),
        ({"image": np.full((2, 5, 5), np.nan)}, "values from nan to nan"),
        ({"image": GREY.astype(str)}, "images are uint8, uint16, bool"),
        ({"image": np.array([[[None]]])}, "object arrays are not read"),
    ],
)
def test_what_is_wrong_with_arrays(tmp_path, arrays, message):
    with pytest.raises(UserError, match=message) as caught:
        read_images(saved(tmp_path / "set.npz", **arrays))
    assert "set.npz" in str(caught.value) or "class_names" in str(caught.value)


def test_files_that_are_no_archive(tmp_path):
    (tmp_path / "text.npz").write_text("hello")
    whole = saved(tmp_path / "whole.npz", image=GREY).read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "void.npz").write_bytes(b"")
    for name in ("text", "half", "void"):
        with pytest.raises(UserError, match=rf"{name}\.npz cannot be read as an \.npz archive"):
            read_images(tmp_path / f"{name}.npz")
    np.save(tmp_path / "single.npy", GREY)
    (tmp_path / "single.npy").rename(tmp_path / "single.npz")
    with pytest.raises(UserError, match="holds a single array"):
        read_images(tmp_path / "single.npz")


def test_parts_of_which_only_some_have_targets(tmp_path):
    saved(tmp_path / "a_train.npz", image=GREY, target=np.arange(6))
    saved(tmp_path / "a_test.npz", image=GREY)
    with pytest.raises(UserError, match="some parts have targets and some have none"):
        read_images(tmp_path)


def test_a_part_without_labels_is_unknown(tmp_path):
    saved(tmp_path / "a_train.npz", image=GREY[:2])
    saved(tmp_path / "a_test.npz", image=GREY[2:4], label=np.array([1, 0]))
    assert read_images(tmp_path).labels.tolist() == [-1, -1, 1, 0]
