"""A person's own folder of images, and a model trained on it by the command."""

from pathlib import Path

import numpy as np
from PIL import Image

from core.cli.main import main

PER_CLASS = 12
SIZE = 16


def pixels(kind, number, size=SIZE):
    """A picture that no other number gives: a smooth random field, reddish or bluish."""
    rng = np.random.default_rng(1000 * (kind == "red") + number)
    small = rng.integers(0, 256, (6, 6), dtype=np.uint8)
    grey = np.asarray(Image.fromarray(small).resize((size, size), Image.Resampling.BICUBIC), dtype=np.float64)
    tint = (1.0, 0.4, 0.3) if kind == "red" else (0.3, 0.4, 1.0)
    return np.stack([grey * t for t in tint], axis=2).astype(np.uint8)


def write_folder(folder: Path, per_class=PER_CLASS, size=SIZE):
    """``red/0.png`` ... ``blue/11.png``."""
    for kind in ("red", "blue"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            Image.fromarray(pixels(kind, number, size)).save(folder / kind / f"{number}.png")
    return folder


def train_on(folder: Path, run: Path):
    """One short run; returns the run folder."""
    words = ["vision", "train", "simclr", "--data", folder, "--out", run, "--epochs", "1", "--batch-size", "8"]
    words += ["--width", "4", "--depth", "10", "--threads", "1"]
    assert main([str(word) for word in words]) == 0
    return run
