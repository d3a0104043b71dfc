"""Contrast for regression against plain regression: image rotation angle, and a table that scikit-learn ships."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.vision.diabetes import diabetes_scores
from benchmarks.vision.trained import EVALUATION, few, train_on, untrained
from core.errors import unknown_name
from domains.vision.data.compose import rotated
from domains.vision.data.images import ImageSet
from domains.vision.data.imbalance import imbalanced_targets
from domains.vision.data.read import read_images
from domains.vision.evaluate import score_targets
from domains.vision.task import split

__all__ = ["DATASETS", "SYSTEMS", "regression_cell", "rotation_data"]

_NO_MIXTURES: Mapping[str, Any] = {"mix_neg": False, "mix_pos": False}
SYSTEMS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "untrained start": ("l1", {"epochs": 0}),
    "L1": ("l1", {}),
    "SupCR (Rank-N-Contrast)": ("rank_n_contrast", {}),
    "SupCon of equal targets": ("supremix", {**_NO_MIXTURES, "magnify": "none"}),
    "SupReMix": ("supremix", {}),
    "SupReMix without mixtures": ("supremix", _NO_MIXTURES),
}
"""By name: the method and what differs from its defaults. SupCR is the earlier name of Rank-N-Contrast."""

DATASETS = ("rotation angle", "diabetes")
_FACTOR = 20.0
"""The most frequent tenth of the range of targets has so many times the share of images of the rarest."""


def rotation_data(imbalanced: bool, *, name: str = "cifar10_13k", images: int = 0, seed: int = 0) -> ImageSet:
    """Images turned by -45 to 45 degrees; the test part has all angles alike.

    Args:
        imbalanced: make large angles rare in the training part.
        name: of the images, or "digits-angle", which are turned already.
        images: in the training part before the cut; 0 takes all.
        seed: of angles and choices.
    """
    data = few(read_images(name), images, seed)
    turned = data if data.targets is not None else rotated(data, seed=seed)
    return imbalanced_targets(turned, _FACTOR, seed=seed) if imbalanced else turned


def regression_cell(
    dataset: str,
    imbalanced: bool,
    system: str,
    seed: int,
    *,
    data: ImageSet | None = None,
    budget: Mapping[str, Any],
    folder: Path,
) -> dict[str, float]:
    """Train a system and predict the target from its frozen rows by ridge regression.

    Args:
        dataset: one of `DATASETS`.
        imbalanced: whether the training part has been cut, see `rotation_data`; the table is cut here.
        system: a key of `SYSTEMS`.
        seed: of everything.
        data: of `rotation_data`; None for the table.
        budget: settings of a run on images; the table takes "epochs" only.
        folder: of the run; what is there is not done again.

    Returns:
        "MAE" (in degrees, or in the table's unit), "RMSE", "Pearson" and "ordinality", and for L1 "regressor MAE" and
        "regressor RMSE" of its own answers.

    Raises:
        UserError: an unknown data set or system. ValueError: no images.
    """
    if system not in SYSTEMS:
        raise unknown_name("system", system, SYSTEMS)
    name, settings = SYSTEMS[system]
    if dataset == "diabetes":
        return diabetes_scores(name, settings, seed, imbalanced=imbalanced, epochs=budget["epochs"], factor=_FACTOR)
    if dataset not in DATASETS:
        raise unknown_name("data set", dataset, DATASETS)
    if data is None:
        raise ValueError("the rotation angle needs data of rotation_data(imbalanced)")
    values = {**budget, "recipe": "upright", **settings}
    method = train_on(untrained(name, data, seed, values), data, seed, folder)
    train, test = split(data, EVALUATION, seed)
    if train.targets is None or test.targets is None:
        raise ValueError(f"{data.name} has no targets")
    own = method.own_scores(test) if system == "L1" else {}
    return {**own, **score_targets(method.embed(train.images), train.targets, method.embed(test.images), test.targets)}
