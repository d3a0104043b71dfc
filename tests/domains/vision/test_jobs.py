"""Saved models, embeddings, neighbours, near-copies and pictures, on a person's own folder."""

import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import domains.vision
from core.errors import UserError
from domains.vision.data.images import ImageSet
from domains.vision.data.read import read_images
from domains.vision.duplicates import APART, BITS, duplicates, grey
from domains.vision.jobs import embed, embed_command, label_names, load_model, names_of, train
from domains.vision.methods.base import EMBED_BATCH
from domains.vision.neighbours import nearest
from domains.vision.pictures import free_places, thumbnail_map
from tests.domains.vision.own_images import PER_CLASS, SIZE, pixels

FILES = tuple(f"{kind}/{n}.png" for kind in ("blue", "red") for n in sorted(range(PER_CLASS), key=str))


def vectors_of(table):
    return table[[c for c in table.columns if c[0] == "e" and c[1:].isdigit()]].to_numpy()


def test_looking_at_the_domain_imports_no_torch():
    script = "import sys, domains.vision, domains.vision.app; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_images_in_memory_are_trained_on_and_their_model_comes_back(tmp_path):
    images = torch.randint(0, 256, (12, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    data = ImageSet(images, "noise", torch.arange(12) % 2, class_names=("a", "b"))
    small = {"width": 4, "depth": 10, "batch_size": 4, "epochs": 1}
    result = domains.vision.train(data, "simclr", folder=tmp_path / "run", progress=False, **small)
    assert result.folder == tmp_path / "run"
    model = domains.vision.load_model(tmp_path / "run")
    assert not model.training
    assert model.settings.width == 4
    h = domains.vision.embed(data, model)
    assert h.shape == (12, model.out_dim)
    assert torch.equal(h, domains.vision.embed(images, tmp_path / "run" / "model"))
    assert not h.requires_grad
    with pytest.raises(UserError, match=r"wdith.*did you mean 'width'"):
        train(data, folder=tmp_path / "other", wdith=4)
    assert not (tmp_path / "other").exists()


def test_images_of_more_than_a_batch_keep_their_order(own):
    model = load_model(own[1])
    images = read_images(own[0]).images
    many = images.repeat(EMBED_BATCH // len(images) + 1, 1, 1, 1)
    h = embed(many, model)
    assert len(h) == len(many) > EMBED_BATCH
    for row in (0, EMBED_BATCH - 1, EMBED_BATCH, len(many) - 1):
        torch.testing.assert_close(h[row], embed(many[row : row + 1], model)[0], rtol=1e-4, atol=1e-5)
    assert embed(images[:0], model).shape == (0, model.out_dim)


@pytest.mark.parametrize("suffix", ["parquet", "csv", "npz"])
def test_the_file_has_one_row_for_each_image_in_the_order_of_names(own, tmp_path, capsys, suffix):
    folder, run = own
    out = tmp_path / f"h.{suffix}"
    embed_command(str(folder), model=str(run), out=str(out))
    expected = load_model(run).embed(read_images(folder, size=SIZE).images).numpy()
    assert capsys.readouterr().out == f"{out}: 24 rows, {expected.shape[1]} dimensions\n"
    if suffix == "npz":
        with np.load(out, allow_pickle=False) as arrays:
            files, labels, h = arrays["name"].tolist(), arrays["label"].tolist(), arrays["embedding"]
        assert h.dtype == np.float32
    else:
        table = pd.read_parquet(out) if suffix == "parquet" else pd.read_csv(out)
        assert list(table.columns)[:3] == ["file", "label", "e0"]
        files, labels, h = table["file"].tolist(), table["label"].tolist(), vectors_of(table)
    assert tuple(files) == FILES
    assert labels == [name.split("/")[0] for name in FILES]
    np.testing.assert_allclose(h, expected, rtol=0 if suffix != "csv" else 1e-6)


def test_unknown_labels_are_empty_and_targets_are_kept(own, tmp_path):
    folder = shutil.copytree(own[0], tmp_path / "photos")
    Image.fromarray(pixels("red", 99)).save(folder / "loose.png")
    embed_command(str(folder), model=str(own[1]), out=str(tmp_path / "h.parquet"))
    table = pd.read_parquet(tmp_path / "h.parquet").set_index("file")
    assert pd.isna(table.loc["loose.png", "label"])
    assert table["label"].isna().sum() == 1
    (folder / "labels.csv").write_text("file,target\n" + "".join(f"{f},0.5\n" for f in [*FILES, "loose.png"]))
    embed_command(str(folder), model=str(own[1]), out=str(tmp_path / "h.parquet"))
    table = pd.read_parquet(tmp_path / "h.parquet")
    assert "label" not in table
    assert (table["target"] == 0.5).all()


def test_images_of_another_size_are_resized_to_the_models(own, tmp_path):
    folder = tmp_path / "large"
    folder.mkdir()
    Image.fromarray(pixels("red", 0)).resize((4 * SIZE, 4 * SIZE), Image.Resampling.NEAREST).save(folder / "a.png")
    Image.fromarray(pixels("red", 0, 64)).crop((0, 0, 40, 64)).save(folder / "b.jpg")
    h = embed(folder, own[1])
    assert h.shape[0] == 2
    own_row = embed(read_images(own[0] / "red" / "0.png").images, own[1])
    assert torch.cosine_similarity(h[:1], own_row) > 0.99


@pytest.mark.parametrize("own_row", [None, 0, 77])
def test_nearest_are_those_of_a_brute_force_in_numpy(own_row):
    rows = torch.randn(178, 6, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 179)[:, None]
    query = rows[own_row if own_row is not None else 5] * 3
    x, q = rows.double().numpy(), query.double().numpy()
    cosine = x @ q / np.linalg.norm(x, axis=1) / np.linalg.norm(q)
    order = [i for i in np.argsort(-cosine) if i != own_row][:12]
    found, values = nearest(query, rows, 12, own=own_row)
    assert found.tolist() == order
    np.testing.assert_allclose(values.numpy(), cosine[order], atol=1e-6)
    assert len(nearest(query, rows, 1000, own=own_row)[0]) == 178 - (own_row is not None)


def test_equal_rows_come_in_their_order():
    rows = torch.ones(50, 4)
    assert nearest(rows[0], rows, 4, own=2)[0].tolist() == [0, 1, 3, 4]


def test_grey_is_that_of_pillow_within_its_rounding():
    images = torch.randint(0, 256, (5, 3, 9, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    ours = grey(images).int().numpy()
    pillow = np.stack([np.asarray(Image.fromarray(i.permute(1, 2, 0).numpy()).convert("L")) for i in images])
    assert np.abs(ours - pillow.astype(int)).max() <= 1


def test_copies_are_found_by_hash_and_grouped_under_the_first_name(tmp_path):
    for n in range(8):
        Image.fromarray(pixels("red", n, 64)).save(tmp_path / f"{n}.png")
    Image.fromarray(pixels("red", 3, 64)).save(tmp_path / "3 again.jpg", quality=60)
    Image.fromarray(pixels("red", 3, 64)).resize((31, 31), Image.Resampling.LANCZOS).save(tmp_path / "a small 3.png")
    Image.fromarray(pixels("red", 5, 64)).save(tmp_path / "z5.bmp")
    data = read_images(tmp_path, size=64)
    found = duplicates(data)
    groups = [[data.files[row] for row in group] for group in found.groups()]
    assert groups == [["3 again.jpg", "3.png", "a small 3.png"], ["5.png", "z5.bmp"]]
    assert found.compared.all()
    distance = dict(zip(data.files, found.distance.tolist(), strict=True))
    assert distance["z5.bmp"] == distance["3 again.jpg"] == distance["0.png"] == 0
    assert 0 <= distance["a small 3.png"] <= BITS
    equal = duplicates(data, threshold=0)
    assert [data.files[row] for group in equal.groups() for row in group][-2:] == ["5.png", "z5.bmp"]
    assert len(duplicates(data, threshold=256).groups()) == 1


def test_distances_are_to_the_kept_image_and_none_is_larger_than_the_threshold():
    images = torch.randint(0, 256, (40, 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images = torch.nn.functional.interpolate(images.float(), 64, mode="bilinear").byte()
    data = ImageSet(images, "noise")
    found = duplicates(data, threshold=90)
    kept = found.kept
    assert (kept[kept] == kept).all()
    assert (kept <= torch.arange(40)).all()
    assert found.distance.max() <= 90
    assert found.distance[kept == torch.arange(40)].max() == 0
    assert found.groups()


def test_images_of_one_colour_are_not_taken_for_copies():
    images = torch.zeros(6, 3, 64, 64, dtype=torch.uint8)
    images[1] = 255
    images[2, :, 0, 0] = 90  # one pixel is still one colour
    images[3:] = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = duplicates(ImageSet(images, "plain"))
    assert found.compared.tolist() == [False] * 3 + [True] * 3
    assert found.groups() == [[3, 4, 5]]
    assert duplicates(ImageSet(images[:2], "plain")).groups() == []


def test_copies_are_found_by_embedding(own):
    model = load_model(own[1])
    images = read_images(own[0], size=SIZE).images
    data = ImageSet(torch.cat([images[:10], images[4:5], images[:1]]), "with copies")
    found = duplicates(data, model=model, threshold=1e-6)
    assert found.groups() == [[0, 11], [4, 10]]
    h = embed(data, model).double()
    h /= h.norm(dim=1, keepdim=True)
    wide = duplicates(data, model=model, threshold=0.05)
    torch.testing.assert_close(wide.distance.double(), 1 - (h * h[wide.kept]).sum(1), atol=1e-6, rtol=0)
    assert wide.distance.max() <= 0.05 + 1e-6
    usual = duplicates(data, model=model)
    assert usual.distance.max() <= APART + 1e-6
    for threshold in (-0.1, 2.5, float("nan")):
        with pytest.raises(UserError, match=r"threshold must be in \[0, 2\]"):
            duplicates(data, model=model, threshold=threshold)


@pytest.mark.parametrize("threshold", [-1, 257, 1.5, float("nan")])
def test_thresholds_of_hashes_are_whole_numbers_of_bits(threshold):
    data = ImageSet(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), "two")
    with pytest.raises(UserError, match="threshold must be a whole number of bits from 0 to 256"):
        duplicates(data, threshold=threshold)


@pytest.mark.parametrize("count", [1, 10, 3000])
def test_drawn_squares_never_cover_each_other_and_none_more_would_fit(count):
    rng = np.random.default_rng(0)
    places = rng.normal(0, 60, (count, 2))
    drawn = free_places(places, 20, rng.permutation(count))
    gaps = np.abs(places[drawn][:, None] - places[drawn][None]).max(2)
    np.fill_diagonal(gaps, np.inf)
    assert gaps.min() >= 20
    assert (np.diff(drawn) > 0).all()
    if count == 10:
        rest = np.setdiff1d(np.arange(count), drawn)
        assert all(np.abs(places[drawn] - places[row]).max(1).min() < 20 for row in rest)


@pytest.mark.parametrize("count", [1, 2, 24])
def test_the_map_shows_thumbnails_and_frames_in_the_colours_of_the_classes(own, tmp_path, count):
    data = read_images(own[0], size=SIZE).select(torch.arange(24)[-count:])
    rows = np.random.default_rng(0).normal(size=(count, 5))
    shown = thumbnail_map(rows, data, tmp_path / "map.png", folder=own[0])
    assert 1 <= shown <= count
    picture = np.asarray(Image.open(tmp_path / "map.png").convert("RGB")).astype(int)
    assert min(picture.shape[:2]) > 900
    orange_or_blue = [(0, 114, 178), (230, 159, 0)][: 1 if count < 24 else 2]
    for colour in orange_or_blue:  # Okabe and Ito's first two
        assert (np.abs(picture - colour).max(2) <= 2).sum() > 50
    reddish = (picture[..., 0] > picture[..., 2] * 2) & (picture[..., 1] < picture[..., 0] * 0.5)
    assert reddish.sum() > 500


def test_the_map_of_many_classes_and_equal_embeddings_is_drawn(tmp_path):
    images = torch.zeros(30, 3, 8, 8, dtype=torch.uint8)
    names = tuple(f"$class$ {n}" for n in range(30))
    data = ImageSet(images, "$equal$", torch.arange(30), class_names=names)
    assert thumbnail_map(np.ones((30, 4)), data, tmp_path / "map.png") == 1


def test_names_and_labels():
    images = torch.zeros(3, 3, 2, 2, dtype=torch.uint8)
    data = ImageSet(images, "x", torch.tensor([1, -1, 0]), class_names=("a", "b"))
    assert names_of(data) == ("0", "1", "2")
    assert label_names(data) == ["b", None, "a"]
    assert label_names(ImageSet(images, "x")) == [None] * 3
