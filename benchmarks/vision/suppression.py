"""Feature suppression: what is learnt of a digit and of the picture that it is drawn over."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.vision.trained import EVALUATION, few, probe, train_on, untrained
from core.errors import unknown_name
from core.evaluation import effective_rank
from domains.vision.data.compose import digit_on_image
from domains.vision.data.images import ImageSet
from domains.vision.data.read import read_images
from domains.vision.task import split

__all__ = ["FEATURES", "STAGES", "SYSTEMS", "suppression_cell", "suppression_data"]

FEATURES = ("image", "digit")
"""What the rows are probed for."""
STAGES = 3
_RECIPE = "crop_flip"
"""Colours stay: a change of colours would tell the white digit from the picture."""
_FURTHER_SEED = 1000

MULTISTAGE = "MCL"
ENSEMBLE = "3 plain runs, joined"
LONGER = "one plain run, 3 times as long"
WIDER = "one plain run, 3 times as wide"
UNTRAINED = "untrained start"
SYSTEMS = (UNTRAINED, "one plain run", MULTISTAGE, ENSEMBLE, LONGER, WIDER)
"""MCL has three stages of ``epochs`` each. "Longer" has its epochs, "wider" the width of its rows, "joined" both."""


def suppression_data(
    backgrounds: str = "cifar10_13k", digits: str = "mnist_25k", *, images: int = 0, seed: int = 0
) -> ImageSet:
    """Digits drawn over pictures.

    Args:
        backgrounds: the pictures.
        digits: the digits.
        images: in the training part; 0 takes all.
        seed: of the choice of digits and of the images.
    """
    return digit_on_image(few(read_images(backgrounds), images, seed), read_images(digits), seed=seed)


def suppression_cell(
    system: str, seed: int, *, data: ImageSet, budget: Mapping[str, Any], folder: Path
) -> dict[str, float]:
    """Train a system and probe its frozen rows for both features.

    Args:
        system: one of `SYSTEMS`.
        seed: of everything. Stage 0 of MCL, the first of the joined runs and the one plain run are the same run.
        data: of `suppression_data`.
        budget: settings of a plain run, "epochs" and "width" among them.
        folder: of the runs; what is there is not done again.

    Returns:
        Accuracies in [0, 1]: "accuracy image" and "accuracy digit" of the whole rows, "accuracy mean" of both; for rows
        of several parts also those of the first ones ("accuracy digit, first 2") and of later ones by themselves
        ("accuracy digit, part 2 alone", counted from 1); and "effective rank".

    Raises:
        UserError: an unknown system.
    """
    if system not in SYSTEMS:
        raise unknown_name("system", system, SYSTEMS)
    train, test = split(data, EVALUATION, seed)
    embed = _trained(system, seed, data, dict(budget) | {"recipe": _RECIPE}, folder)
    rows = [embed(part.images) for part in (train, test)]
    found: dict[str, float] = {}
    count = len(rows[0])
    for feature in FEATURES:
        labels = [part.attributes[feature] for part in (train, test)]

        choices = {f"accuracy {feature}": slice(count)}
        for number in range(1, count):
            choices[f"accuracy {feature}, first {number}"] = slice(number)
            choices[f"accuracy {feature}, part {number + 1} alone"] = slice(number, number + 1)
        for name, chosen in choices.items():
            known, new = (torch.cat(part[chosen], 1) for part in rows)
            found[name] = probe(known, labels[0], {name: (new, labels[1])}, seed)[name]
    found["accuracy mean"] = sum(found[f"accuracy {feature}"] for feature in FEATURES) / len(FEATURES)
    found["effective rank"] = effective_rank(torch.cat(rows[1], 1), centre=True)
    return found


def _trained(
    system: str, seed: int, data: ImageSet, settings: dict[str, Any], folder: Path
) -> Callable[[Tensor], list[Tensor]]:
    """From images to the unit rows of each part of a system."""
    if system == MULTISTAGE:
        settings |= {"epochs": STAGES * settings["epochs"], "stages": STAGES}
        staged = train_on(untrained("mcl", data, seed, settings), data, seed, folder / f"mcl-{seed}")
        return lambda images: [normalize(staged.embed_stage(images, f"stage:{part}")) for part in range(STAGES)]
    if system == UNTRAINED:
        settings |= {"epochs": 0}
    elif system == LONGER:
        settings |= {"epochs": STAGES * settings["epochs"]}
    elif system == WIDER:
        settings |= {"width": STAGES * settings["width"]}
    seeds = [seed + _FURTHER_SEED * number for number in range(STAGES if system == ENSEMBLE else 1)]
    name = {UNTRAINED: "untrained", LONGER: "longer", WIDER: "wider"}.get(system, "plain")
    plain = [train_on(untrained("simclr", data, one, settings), data, one, folder / f"{name}-{one}") for one in seeds]
    return lambda images: [normalize(method.embed(images)) for method in plain]
