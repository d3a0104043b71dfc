"""The table of recipes on the page of augmentations says what the recipes are."""

import re
from pathlib import Path

from domains.vision.augment import RECIPES

PAGE = Path(__file__).parents[2] / "docs/vision/augmentations.md"


def rows():
    """Names of each row, and its cells."""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if re.match(r"\| `", line):
            first, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            yield re.findall(r"`(\w+)`", first), cells


def numbers(cell):
    return [float(value) for value in re.findall(r"\d+(?:\.\d+)?", cell)]


def test_every_recipe_has_its_row():
    assert sorted(name for names, _ in rows() for name in names) == sorted(RECIPES)


def test_rows_hold_the_values_of_the_recipes():
    for names, (crop, jitter, grey, blur, solarise, flip) in rows():
        for name in names:
            recipe = RECIPES[name]
            assert (numbers(crop) or [1.0, 1.0]) == list(recipe.crop_scale), name
            colours = [recipe.jitter, recipe.brightness, recipe.contrast, recipe.saturation, recipe.hue]
            turned = [recipe.rotation] if recipe.rotation else []
            assert numbers(jitter) == (colours if recipe.jitter else []) + turned, name
            shown = [numbers(cell) or [0.0] for cell in (grey, blur, solarise, flip)]
            assert shown == [[recipe.grey], [recipe.blur], [recipe.solarise], [recipe.flip]], name
            assert ("centre" in crop) == (recipe.centre is not None), name
