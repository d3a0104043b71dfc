"""The commands from outside, on a person's own folder: what they print and write, and what they say of bad input."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from core.cli.domain import run_domain
from core.cli.main import main
from core.plugins import domain
from core.registry import resolve
from core.training import save_method
from domains.graphs import METHODS as GRAPH_METHODS
from domains.vision import METHODS
from domains.vision.app import DOMAIN
from domains.vision.jobs import embed
from domains.vision.task import VisionTask
from tests.domains.vision.own_images import PER_CLASS, SIZE, pixels, write_folder


def run(capsys, *words):
    code = main(["vision", *(str(word) for word in words)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def copy_of(own, tmp_path):
    return shutil.copytree(own[0], tmp_path / "photos")


def test_evaluate_scores_the_model_on_its_own_folder(own, capsys):
    code, out, _ = run(capsys, "evaluate", own[1])
    assert code == 0
    assert "accuracy" in out


def test_embed_writes_rows_and_a_map(own, tmp_path, capsys):
    out, plot = tmp_path / "deep" / "h.csv", tmp_path / "map.png"
    code, printed, err = run(capsys, "embed", own[0], "--model", own[1], "--out", out, "--plot", plot)
    assert code == 0
    assert printed.splitlines() == [f"{out}: 24 rows, 32 dimensions", str(plot)]
    assert not err
    assert len(pd.read_csv(out)) == 2 * PER_CLASS
    with Image.open(plot) as picture:
        assert picture.format == "PNG"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["deep", "map.png"]


@pytest.mark.parametrize("form", ["path", "name", "link"])
def test_neighbours_leave_out_the_image_itself(own, tmp_path, capsys, form):
    folder = copy_of(own, tmp_path)
    image = {"path": folder / "red" / "3.png", "name": "red/3.png", "link": tmp_path / "link.png"}[form]
    (tmp_path / "link.png").symlink_to(folder / "red" / "3.png")
    code, out, _ = run(capsys, "neighbours", image, "--model", own[1], "--in", folder, "--k", "4")
    assert code == 0
    header, *lines = [re.split(r"\s{2,}", line.strip()) for line in out.splitlines()]
    assert header == ["file", "cosine", "label"]
    h = embed(folder, own[1]).double().numpy()
    h /= np.linalg.norm(h, axis=1, keepdims=True)
    names = [f"{kind}/{n}.png" for kind in ("blue", "red") for n in sorted(range(PER_CLASS), key=str)]
    cosine = h @ h[names.index("red/3.png")]
    best = [i for i in np.argsort(-cosine) if names[i] != "red/3.png"][:4]
    assert [line[0] for line in lines] == [names[i] for i in best]
    assert [float(line[1]) for line in lines] == pytest.approx([cosine[i] for i in best], abs=1e-4)
    assert [line[2] for line in lines] == [names[i].split("/")[0] for i in best]


def test_a_copy_elsewhere_is_the_nearest_neighbour_and_k_may_be_large(own, tmp_path, capsys):
    shutil.copy(own[0] / "red" / "3.png", tmp_path / "copy.png")
    sheet = tmp_path / "sheet.png"
    words = ("neighbours", tmp_path / "copy.png", "--model", own[1], "--in", own[0], "--k", 99, "--plot", sheet)
    code, out, err = run(capsys, *words)
    assert code == 0
    assert out.splitlines()[1].split() == ["red/3.png", "1.0000", "red"]
    assert len(out.splitlines()) == 1 + 24 + 1
    assert "has 24 other images, fewer than --k 99" in err
    with Image.open(sheet) as picture:
        assert picture.width > 1000


def test_one_other_image_is_enough(own, tmp_path, capsys):
    folder = tmp_path / "one"
    folder.mkdir()
    shutil.copy(own[0] / "red" / "3.png", folder / "[red] 100%.png")
    sheet = tmp_path / "sheet.png"
    words = ("--model", own[1], "--in", folder, "--plot", sheet)
    code, out, _ = run(capsys, "neighbours", own[0] / "blue" / "1.png", *words)
    assert code == 0
    assert "[red] 100%.png" in out
    code, _, err = run(capsys, "neighbours", folder / "[red] 100%.png", *words)
    assert code == 2
    assert "one holds no other image than" in err
    assert run(capsys, "embed", folder, "--model", own[1], "--out", tmp_path / "h.npz", "--plot", sheet)[0] == 0
    code, out, _ = run(capsys, "duplicates", folder)
    assert (code, out) == (0, "0 near-copies of 0 images among 1; nothing was deleted\n")


def test_duplicates_are_listed_written_and_left_alone(own, tmp_path, capsys):
    folder = write_folder(tmp_path / "photos", 4, 64)
    long = "a name that is far too long for one line of a terminal, [bold]or is it, " * 2
    Image.fromarray(pixels("red", 2, 64)).save(folder / "red" / f"{long}.jpg", quality=70)
    shutil.copy(folder / "blue" / "1.png", folder / "blue" / "9.png")
    before = sorted(folder.rglob("*"))
    code, out, _ = run(capsys, "duplicates", folder, "--out", tmp_path / "copies.csv")
    assert code == 0
    assert out.splitlines()[0].split() == ["group", "file", "kept", "bits", "of", "256"]
    assert f"{long}.jpg" in out
    assert "2 near-copies of 2 images among 10; nothing was deleted" in out
    table = pd.read_csv(tmp_path / "copies.csv")
    assert table["group"].tolist() == [1, 1, 2, 2]
    assert table["file"].tolist() == ["blue/1.png", "blue/9.png", "red/2.png", f"red/{long}.jpg"]
    assert table["kept"].tolist() == [True, False, True, False]
    assert table["distance"].tolist()[:3] == [0, 0, 0]
    assert sorted(folder.rglob("*")) == before
    code, out, _ = run(capsys, "duplicates", folder, "--model", own[1], "--threshold", "0.00001")
    assert code == 0
    assert "1 - cosine" in out
    assert "blue/9.png" in out


def test_duplicates_without_any_still_write_the_table(own, tmp_path, capsys):
    code, out, _ = run(capsys, "duplicates", own[0], "--threshold", 0, "--out", tmp_path / "copies.csv")
    assert code == 0
    assert out.startswith("0 near-copies of 0 images among 24")
    assert pd.read_csv(tmp_path / "copies.csv").columns.tolist() == ["group", "file", "kept", "distance"]


def test_plain_images_are_named(tmp_path, capsys):
    for name, colour in (("black", "black"), ("white", "white")):
        Image.new("RGB", (20, 20), colour).save(tmp_path / f"{name}.png")
    code, out, err = run(capsys, "duplicates", tmp_path)
    assert code == 0
    assert out.startswith("0 near-copies")
    assert "2 images of one colour were not compared: black.png, white.png" in err


def test_broken_images_are_named_and_skipped_on_request(own, tmp_path, capsys):
    folder = copy_of(own, tmp_path)
    (folder / "red" / "half.png").write_bytes((folder / "red" / "0.png").read_bytes()[:200])
    out = tmp_path / "h.parquet"
    jobs = {
        "embed": (folder, "--model", own[1], "--out", out),
        "neighbours": (folder / "red" / "1.png", "--model", own[1], "--in", folder),
        "duplicates": (folder,),
    }
    for job, words in jobs.items():
        code, printed, err = run(capsys, job, *words)
        assert code == 2
        assert "half.png" in err
        assert len(err.splitlines()) == 1
        assert not printed
        assert not list(tmp_path.glob("*.parquet*"))
        code, _, err = run(capsys, job, *words, "--skip-broken")
        assert code == 0
        assert "half.png" in err
        if job == "embed":
            assert len(pd.read_parquet(out)) == 24
            out.unlink()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("embed {empty} --model {run} --out {tmp}/h.csv", "empty has no images"),
        ("embed {tmp}/nowhere --model {run} --out {tmp}/h.csv", "nowhere"),
        ("embed digit --model {run} --out {tmp}/h.csv", "did you mean 'digits'"),
        ("embed {photos} --model {empty} --out {tmp}/h.csv", "empty is not a model folder"),
        (
            "embed {photos} --model {graphs} --out {tmp}/h.csv",
            "unknown vision method 'smoothed'",
        ),
        ("embed {photos} --model {run} --out {tmp}/h.txt", "--out must end in .parquet or .csv or .npz"),
        ("embed {photos} --model {run} --out {tmp}/h.csv --plot {tmp}/h.jpg", "--plot must end in .png"),
        ("embed {photos} --model {run}", "the following arguments are required: --out"),
        ("embed --model {run} --out {tmp}/h.csv", "the following arguments are required: folder"),
        ("neighbours {photos}/red/1.png --model {run} --in {empty}", "empty has no images"),
        ("neighbours {photos}/red/no.png --model {run} --in {photos}", "no.png is neither a file nor one of the 24"),
        ("neighbours {text} --model {run} --in {photos}", "notes.txt"),
        ("neighbours {photos}/red --model {run} --in {photos}", "red is neither a file nor one of"),
        ("neighbours {photos}/red/1.png --model {run} --in {photos} --k 0", "--k must be at least 1, got 0"),
        ("neighbours {photos}/red/1.png --model {run} --in {photos} --k few", "k"),
        ("neighbours {photos}/red/1.png --model {run} --in {photos} --plot {tmp}/h.pdf", "--plot must end in .png"),
        ("neighbours {photos}/red/1.png --model {graphs} --in {photos}", "graphs holds a model that is none of these"),
        ("neighbours 1797 --model {run} --in digits", "1797 is neither a file nor one of the 1797 images of digits"),
        ("neighbours {photos}/red/1.png --model {run}", "--in"),
        ("duplicates {empty}", "empty has no images"),
        ("duplicates {photos} --threshold 2.5", "threshold must be a whole number of bits from 0 to 256, got 2.5"),
        ("duplicates {photos} --threshold -1", "threshold must be a whole number of bits"),
        ("duplicates {photos} --model {run} --threshold 3", "threshold must be in [0, 2]"),
        ("duplicates {photos} --model {run}/nothing", "is not a model folder"),
        ("duplicates {photos} --out {tmp}/copies.parquet", "--out must end in .csv"),
        ("duplicates {photos} --delete", "unknown flag '--delete'"),
        ("duplicate {photos}", "did you mean 'duplicates'"),
        ("train simclr --data {empty} --out {tmp}/x", "empty has no images"),
        ("train simclr --data {photos} --backbone resnt --out {tmp}/x", "did you mean 'resnet'"),
        ("evaluate {run} --data {empty}", "empty has no images"),
        ("evaluate {graphs}", "graphs holds a model that is none of these"),
    ],
)
def test_bad_input_ends_with_2_and_one_message(own, tmp_path, capsys, words, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no image")
    graphs = tmp_path / "graphs"
    settings = GRAPH_METHODS.settings("smoothed")()
    save_method(GRAPH_METHODS.get("smoothed")(settings, in_dim=3), graphs, {"scores": {}})
    before = sorted(tmp_path.rglob("*"))
    places = {"photos": own[0], "run": own[1], "empty": tmp_path / "empty", "tmp": tmp_path, "graphs": graphs}
    text = tmp_path / "notes.txt"
    code, out, err = run(capsys, *(word.format(**places, text=text) for word in words.split()))
    assert code == 2
    assert message in err
    assert err.startswith("counterpoint: ")
    assert len(err.splitlines()) == 1
    assert not out
    assert sorted(tmp_path.rglob("*")) == before


def test_an_old_result_survives_a_run_that_fails(own, tmp_path, capsys):
    (tmp_path / "h.csv").write_text("old")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_bytes(b"no image")
    assert run(capsys, "embed", tmp_path / "bad", "--model", own[1], "--out", tmp_path / "h.csv")[0] == 2
    assert (tmp_path / "h.csv").read_text() == "old"
    blocked = tmp_path / "h.csv" / "h.csv"  # a file stands where the folder would be
    assert run(capsys, "embed", own[0], "--model", own[1], "--out", blocked)[0] == 1


def test_every_command_is_found_and_its_example_is_one_that_it_takes(capsys):
    assert domain("vision") is DOMAIN
    assert resolve(DOMAIN.methods) is METHODS
    assert resolve(DOMAIN.task) is VisionTask
    for command in DOMAIN.commands:
        words = command.example.split()
        assert words[:3] == ["counterpoint", "vision", command.name]
        assert run_domain(DOMAIN, [command.name, "--help"]) == 0
        shown = capsys.readouterr().out
        assert command.example in " ".join(shown.split())
        assert all(word in shown for word in words if word.startswith("--"))
        assert "in_" not in shown


@pytest.mark.slow
def test_the_examples_work_as_they_stand(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    words = ["--epochs", "1", "--width", "4", "--depth", "10", "--threads", "1", "--out", "runs/first"]
    assert run(capsys, "train", "simclr", *words)[0] == 0
    monkeypatch.setattr("core.reporting.plots._TSNE_ROWS", 100)
    for command in DOMAIN.commands:
        code, _, err = run(capsys, *command.example.split()[2:])
        assert code == 0, err
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {"runs", "digits.parquet", "digits.png", "similar.png", "copies.csv"}
    assert len(pd.read_parquet("digits.parquet")) == 1797


def test_the_model_keeps_the_size_of_its_images(own):
    assert embed(own[0], own[1]).shape == (24, 32)
    assert METHODS.get("simclr").needs == "images"
    assert SIZE == 16
