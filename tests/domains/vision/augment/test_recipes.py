import math
from dataclasses import asdict, replace

import pytest

from domains.vision.augment import RECIPES, Recipe

NAMES = (
    "simclr moco_v2 byol_1 byol_2 vicreg swav_global swav_local groco_1 groco_2 cifar dcl cacr hallucinator mild "
    "crop_flip digits upright test"
)


def jitter(recipe):
    return recipe.brightness, recipe.contrast, recipe.saturation, recipe.hue


def test_names():
    assert sorted(RECIPES) == sorted(NAMES.split())
    with pytest.raises(TypeError):
        RECIPES["simclr"] = Recipe()


@pytest.mark.parametrize(
    ("name", "scale", "strengths", "probabilities"),
    [
        # jitter, grey, blur, solarise, flip
        ("simclr", (0.08, 1), (0.8, 0.8, 0.8, 0.2), (0.8, 0.2, 0.5, 0, 0.5)),
        ("cifar", (0.08, 1), (0.8, 0.8, 0.8, 0.2), (0.8, 0.2, 0.5, 0, 0.5)),
        ("moco_v2", (0.2, 1), (0.4, 0.4, 0.4, 0.1), (0.8, 0.2, 0.5, 0, 0.5)),
        ("byol_1", (0.08, 1), (0.4, 0.4, 0.2, 0.1), (0.8, 0.2, 1, 0, 0.5)),
        ("byol_2", (0.08, 1), (0.4, 0.4, 0.2, 0.1), (0.8, 0.2, 0.1, 0.2, 0.5)),
        ("vicreg", (0.08, 1), (0.4, 0.4, 0.2, 0.1), (0.8, 0.2, 0.5, 0.1, 0.5)),
        ("swav_global", (0.14, 1), (0.8, 0.8, 0.8, 0.2), (0.8, 0.2, 0.5, 0, 0.5)),
        ("swav_local", (0.05, 0.14), (0.8, 0.8, 0.8, 0.2), (0.8, 0.2, 0.5, 0, 0.5)),
        ("groco_1", (0.14, 1), (0.4, 0.4, 0.2, 0.1), (0.8, 0.2, 1, 0, 0.5)),
        ("groco_2", (0.14, 1), (0.4, 0.4, 0.2, 0.1), (0.8, 0.2, 0.1, 0.2, 0.5)),
        ("dcl", (0.08, 1), (0.4, 0.4, 0.4, 0.1), (0.8, 0.2, 0, 0, 0.5)),
        ("cacr", (0.2, 1), (0.4, 0.4, 0.4, 0.4), (1, 0.2, 0, 0, 0.5)),
        ("mild", (0.2, 1), (0.4, 0.4, 0.4, 0.1), (0.8, 0.2, 0, 0, 0.5)),
        ("hallucinator", (0.2, 1), (0.4, 0.4, 0.4, 0.1), (0.8, 0.2, 0, 0, 0.5)),
    ],
)
def test_values_of_the_papers(name, scale, strengths, probabilities):
    recipe = RECIPES[name]
    assert recipe.crop_scale == scale
    assert jitter(recipe) == strengths
    assert (recipe.jitter, recipe.grey, recipe.blur, recipe.solarise, recipe.flip) == probabilities
    assert recipe.blur_sigma == (0.1, 2.0)
    assert recipe.rotation == 0
    assert recipe.centre == (0.1 if name == "hallucinator" else None)


def test_own_recipes_leave_out_what_they_must():
    assert RECIPES["crop_flip"].jitter == RECIPES["crop_flip"].grey == RECIPES["crop_flip"].blur == 0
    digits = RECIPES["digits"]
    assert digits.flip == digits.saturation == digits.hue == digits.grey == 0
    assert digits.rotation > 0
    assert RECIPES["upright"].flip == RECIPES["upright"].rotation == 0
    test = RECIPES["test"]
    assert test.crop_scale == (1, 1)
    assert test.flip == test.jitter == test.grey == test.blur == test.solarise == test.rotation == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("crop_scale", (0.0, 1.0)),
        ("crop_scale", (0.5, 0.2)),
        ("crop_scale", (0.5, 1.1)),
        ("crop_scale", (math.nan, 1.0)),
        ("crop_ratio", (0.0, 1.0)),
        ("crop_ratio", (1.0, math.inf)),
        ("crop_ratio", (2.0, 1.0)),
        ("flip", -0.1),
        ("jitter", 1.1),
        ("grey", math.nan),
        ("blur", 2.0),
        ("solarise", -1.0),
        ("brightness", -0.1),
        ("contrast", math.inf),
        ("saturation", math.nan),
        ("hue", 0.6),
        ("hue", -0.1),
        ("blur_sigma", (0.0, 1.0)),
        ("blur_sigma", (2.0, 1.0)),
        ("rotation", -1.0),
        ("rotation", 181.0),
        ("centre", 0.0),
        ("centre", math.nan),
        ("centre_box", (0.8, 0.2)),
        ("centre_box", (-0.1, 0.5)),
        ("centre_box", (0.5, 1.5)),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=name):
        replace(Recipe(), **{name: value})


def test_limits_are_allowed():
    Recipe(
        crop_scale=(1.0, 1.0),
        crop_ratio=(2.0, 2.0),
        flip=1.0,
        jitter=0.0,
        hue=0.5,
        blur_sigma=(1.0, 1.0),
        rotation=180.0,
        centre_box=(0.0, 1.0),
    )
    assert Recipe(**asdict(RECIPES["byol_2"])) == RECIPES["byol_2"]
