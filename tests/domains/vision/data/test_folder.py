"""A person's own folder: what is read from it, and one message for each thing that is wrong with it."""

import logging
import os

import numpy as np
import pytest
import torch
from PIL import Image

from core.errors import UserError
from domains.vision.data.decode import BrokenImageError
from domains.vision.data.read import read_images


def put(path, colour=0, size=(8, 8), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour if isinstance(colour, tuple) else (colour,) * 3).save(path)
    return path


def flat(folder, names=("a.png", "b.png", "c.png")):
    for number, name in enumerate(names):
        put(folder / name, 10 * number)
    return folder


def colours(images):
    return images.images[:, 0, 0, 0].tolist()


def test_sub_folders_are_classes_in_alphabetical_order(tmp_path):
    put(tmp_path / "dog" / "1.png", 1)
    put(tmp_path / "cat" / "young" / "2.png", 2)
    put(tmp_path / "cat" / "1.PNG", 3)
    images = read_images(tmp_path)
    assert images.class_names == ("cat", "dog")
    assert images.files == ("cat/1.PNG", "cat/young/2.png", "dog/1.png")
    assert images.labels.tolist() == [0, 0, 1]
    assert colours(images) == [3, 2, 1]
    assert images.name == tmp_path.name
    assert images.test is None
    assert images.targets is None


def test_a_flat_folder_has_no_labels(tmp_path):
    images = read_images(flat(tmp_path))
    assert images.labels is None
    assert images.class_names == ()
    assert images.files == ("a.png", "b.png", "c.png")


@pytest.mark.parametrize("other", ["test", "val", "Valid"])
def test_official_parts(tmp_path, other):
    put(tmp_path / "train" / "cat" / "1.png", 1)
    put(tmp_path / "train" / "dog" / "1.png", 2)
    put(tmp_path / other / "dog" / "2.png", 3)
    images = read_images(tmp_path)
    assert images.class_names == ("cat", "dog")
    assert {f: (int(y), bool(t)) for f, y, t in zip(images.files, images.labels, images.test, strict=True)} == {
        "train/cat/1.png": (0, False),
        "train/dog/1.png": (1, False),
        f"{other}/dog/2.png": (1, True),
    }


def test_validation_beside_a_test_part_belongs_to_training(tmp_path):
    for number, part in enumerate(("test", "train", "val")):
        put(tmp_path / part / "1.png", number)
    images = read_images(tmp_path)
    assert images.test.tolist() == [True, False, False]
    assert images.labels is None


def test_a_lone_train_folder_is_a_class(tmp_path):
    put(tmp_path / "train" / "1.png")
    put(tmp_path / "bus" / "1.png")
    assert read_images(tmp_path).class_names == ("bus", "train")


def test_parts_beside_classes_are_refused(tmp_path):
    for top in ("train", "test", "bus"):
        put(tmp_path / top / "1.png")
    with pytest.raises(UserError, match="holds the parts test, train and besides them bus"):
        read_images(tmp_path)


def test_images_beside_the_class_folders_have_no_label_and_are_named(tmp_path, caplog):
    put(tmp_path / "cat" / "1.png")
    put(tmp_path / "stray.png")
    images = read_images(tmp_path)
    assert dict(zip(images.files, images.labels.tolist(), strict=True)) == {"stray.png": -1, "cat/1.png": 0}
    assert "1 of 2 images have no class folder: stray.png" in caplog.text


def test_one_class_is_read_and_said(tmp_path, caplog):
    put(tmp_path / "cat" / "1.png")
    put(tmp_path / "cat" / "2.png")
    assert read_images(tmp_path).labels.tolist() == [0, 0]
    assert "has one class, cat" in caplog.text


def test_litter_and_other_files_are_passed_over(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    put(tmp_path / "cat" / "1.png")
    put(tmp_path / "dog" / "1.png")
    for name in (".hidden.png", "Thumbs.db", ".DS_Store", "desktop.ini", "notes.txt", "list.pdf"):
        (tmp_path / "cat" / name).write_bytes(b"x")
    put(tmp_path / ".thumbnails" / "1.png")
    put(tmp_path / "__MACOSX" / "cat" / "1.png")
    (tmp_path / "empty").mkdir()
    images = read_images(tmp_path)
    assert images.files == ("cat/1.png", "dog/1.png")
    assert "2 files are no images by their suffix" in caplog.text


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_are_followed_but_not_in_circles(tmp_path):
    real = put(tmp_path / "elsewhere" / "1.png", 5).parent
    folder = tmp_path / "set"
    put(folder / "cat" / "1.png", 1)
    (folder / "dog").symlink_to(real)
    (folder / "cat" / "again").symlink_to(folder)
    (folder / "self").symlink_to(folder / "self")
    images = read_images(folder)
    assert images.files == ("cat/1.png", "dog/1.png")
    assert colours(images) == [1, 5]
    (folder / "cat" / "gone.png").symlink_to(folder / "nowhere.png")
    with pytest.raises(BrokenImageError, match=r"gone\.png cannot be read: No such file"):
        read_images(folder)


def test_no_images(tmp_path):
    with pytest.raises(UserError, match=r"has no images: found nothing; images end in .*\.png"):
        read_images(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "cat").mkdir()
    with pytest.raises(UserError, match="has no images: found 1 other files"):
        read_images(tmp_path)


def test_broken_images_stop_unless_they_are_to_be_skipped(tmp_path, caplog):
    flat(tmp_path)
    for number in range(5):
        (tmp_path / f"bad{number}.jpg").write_bytes(b"nonsense")
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "late.png")
    (tmp_path / "late.png").write_bytes((tmp_path / "late.png").read_bytes()[:150])  # its header is whole
    with pytest.raises(BrokenImageError, match=r"5 of 9 images .*skip_broken.*bad0\.jpg.*bad2\.jpg.*and 2 more"):
        read_images(tmp_path)
    images = read_images(tmp_path, skip_broken=True)
    assert images.files == ("a.png", "b.png", "c.png")
    assert colours(images) == [0, 10, 20]
    assert "left out: " in caplog.text
    assert "bad4.jpg" in caplog.text
    assert "late.png cannot be read" in caplog.text
    assert "1 of 9 images are broken and were left out" in caplog.text


def test_nothing_left_is_an_error_even_when_skipping(tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"nonsense")
    with pytest.raises(BrokenImageError, match=r"1 of 1 images cannot be read \(all of them\)"):
        read_images(tmp_path, skip_broken=True)


def test_labels_stay_with_their_images_when_one_is_left_out(tmp_path):
    for number, name in enumerate(("a/1.png", "b/2.png", "c/3.png")):
        put(tmp_path / "train" / name, number)
    put(tmp_path / "test" / "c" / "4.png", 9)
    (tmp_path / "train" / "b" / "2.png").write_bytes(b"x")
    images = read_images(tmp_path, skip_broken=True)
    assert images.class_names == ("a", "b", "c")
    assert sorted(zip(images.files, colours(images), images.labels.tolist(), images.test.tolist(), strict=True)) == [
        ("test/c/4.png", 9, 2, True),
        ("train/a/1.png", 0, 0, False),
        ("train/c/3.png", 2, 2, False),
    ]


@pytest.mark.parametrize(
    ("shapes", "size", "expected"),
    [
        ([(28, 28), (28, 28)], None, (28, 28)),
        ([(64, 20), (64, 20)], None, (20, 64)),
        ([(65, 65)], None, (64, 64)),
        ([(30, 20), (16, 90)], None, (20, 20)),
        ([(1, 1), (500, 100)], None, (64, 64)),
        ([(28, 28), (30, 30)], 32, (32, 32)),
    ],
)
def test_one_size_for_all(tmp_path, shapes, size, expected):
    for number, shape in enumerate(shapes):
        put(tmp_path / f"{number}.png", 50, shape)
    images = read_images(tmp_path, size=size)
    assert images.images.shape == (len(shapes), 3, *expected)
    assert (images.images == 50).all()


def test_a_photograph_that_was_turned_keeps_its_place_among_others(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.random.default_rng(0).integers(0, 256, (20, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    Image.fromarray(np.rot90(pixels, -1)).save(tmp_path / "b.png")
    images = read_images(tmp_path)
    assert images.images.shape == (2, 3, 40, 20)
    assert torch.equal(images.images[0], images.images[1])


@pytest.mark.parametrize("text", [
    "file,label\na.png,red\nb.png,blue\nc.png,red\n",
    "\ufefffile,label\r\na.png,red\r\nb.png,blue\r\n\r\nc.png,red\r\n",
    "label;file\nred;./a.png\nblue; b.png\nred;c.png\n",
    'File\tLabel\na.png\tred\n"b.png"\tblue\nc.png\tred',
])  # fmt: skip
def test_a_table_of_classes(tmp_path, text):
    flat(tmp_path)
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8", newline="")
    images = read_images(tmp_path)
    assert images.class_names == ("blue", "red")
    assert images.labels.tolist() == [1, 0, 1]
    assert images.targets is None


def test_a_table_elsewhere_stands_in_for_folders_and_may_hold_both_columns(tmp_path):
    folder = tmp_path / "set"
    put(folder / "left" / "a.png")
    put(folder / "right" / "b.png")
    (tmp_path / "own.csv").write_text("file,target,label\nleft/a.png,1.5,x\nright\\b.png,-2e1,y\n")
    images = read_images(folder, labels=tmp_path / "own.csv")
    assert images.targets.tolist() == [1.5, -20]
    assert images.targets.dtype == torch.float32
    assert (images.class_names, images.labels.tolist()) == (("x", "y"), [0, 1])


def test_files_without_a_label_are_unknown_and_named(tmp_path, caplog):
    flat(tmp_path)
    (tmp_path / "labels.csv").write_text("file,label\nb.png,blue\nc.png,\n")
    assert read_images(tmp_path).labels.tolist() == [-1, 0, -1]
    assert "2 of 3 images have no label in the table: a.png, c.png" in caplog.text


def test_rows_without_a_file_stop_unless_broken_ones_are_skipped(tmp_path, caplog):
    flat(tmp_path)
    (tmp_path / "labels.csv").write_text("file,label\na.png,x\nb.png,y\nc.png,x\nd.png,x\ne.png,x\n")
    with pytest.raises(UserError, match=r"2 of 5 files are not in .*: d\.png, e\.png; add them"):
        read_images(tmp_path)
    assert read_images(tmp_path, skip_broken=True).labels.tolist() == [0, 1, 0]
    assert "d.png, e.png; passed over" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "are empty; expected a header"),
        ("\n \n", "are empty; expected a header"),
        ("file,label\n", "have a header but no row"),
        ("file,colour\na.png,red\n", "have the columns file, colour; expected file and label"),
        ("file,label,split\na.png,red,train\n", "nothing else"),
        ("file\na.png\n", "expected file and label"),
        ("name,label\na.png,x\n", "expected file and label"),
        ("file,label,label\na.png,x,y\n", "each once"),
        ("file,label\na.png,x\na.png,x\n", r"name a\.png twice, in rows 2 and 3"),
        ("file,label\na.png,x\n./a.png,x\n", r"name a\.png twice, in rows 2 and 3"),
        ("file,label\na.png,x,y\n", "row 2 of the labels .* has 3 cells, the header has 2"),
        ("file,label\n,x\n", "row 2 of the labels .* names no file"),
        ('file,label\na.png,"x\n', "are no CSV"),
        ("file,target\na.png,1\nb.png,tall\nc.png,2\n", r"the target of b\.png is 'tall'; targets are finite"),
        ("file,target\na.png,1\nb.png,inf\nc.png,2\n", r"the target of b\.png is 'inf'"),
        ("file,target\na.png,1\nb.png,\nc.png,2\n", r"the target of b\.png is ''"),
        ("file,target\na.png,1\n", r"no target for 2 of 3 images: b\.png, c\.png"),
        (
            "file,label\na,x\nb,y\n",
            r"2 of 2 files are not in .*paths from the folder with their suffix, such as a\.png",
        ),
    ],
)
def test_what_is_wrong_with_a_table(tmp_path, text, message):
    flat(tmp_path)
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        read_images(tmp_path)


def test_a_table_that_is_no_text_or_not_there(tmp_path):
    flat(tmp_path)
    (tmp_path / "labels.csv").write_bytes(b"file,label\na.png,\xff\xfe\n")
    with pytest.raises(UserError, match=r"labels\.csv are not UTF-8 text"):
        read_images(tmp_path)
    with pytest.raises(UserError, match=r"none\.csv cannot be read: No such file"):
        read_images(tmp_path, labels=tmp_path / "none.csv")
