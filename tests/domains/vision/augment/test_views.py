import math
from dataclasses import replace

import kornia.augmentation as kornia
import numpy as np
import pytest
import torch
from kornia.enhance import solarize
from kornia.filters import gaussian_blur2d
from PIL import Image
from torch.nn.functional import interpolate

from domains.vision.augment import RECIPES, Recipe, ViewGenerator
from tests.domains.vision.augment.test_colour import photographs

PLAIN = RECIPES["test"]
BLACK, WHITE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
MEAN, STD = (0.5, 0.4, 0.3), (0.25, 0.2, 0.3)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def raw(recipe, size):
    """Views before normalisation."""
    return ViewGenerator(recipe, size, BLACK, WHITE)


def noise(n, h, w, seed=0):
    return torch.randint(0, 256, (n, 3, h, w), dtype=torch.uint8, generator=seeded(seed))


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize(
    ("h", "w", "size"), [(32, 32, 32), (20, 47, 24), (40, 24, 56), (1, 1, 3), (9, 1, 1), (1, 8, 2)]
)
def test_shape_range_and_memory_format(name, h, w, size):
    views = raw(RECIPES[name], size)(noise(9, h, w), seeded())
    assert views.shape == (9, 3, size, size)
    assert views.dtype == torch.float32
    assert views.is_contiguous(memory_format=torch.channels_last)
    assert views.min() >= 0
    assert views.max() <= 1


@pytest.mark.parametrize("name", RECIPES)
def test_white_stays_in_range(name):
    images = torch.full((9, 3, 30, 30), 255, dtype=torch.uint8)
    assert raw(RECIPES[name], 17)(images, seeded()).max() <= 1


@pytest.mark.parametrize("name", ["simclr", "byol_2", "digits", "hallucinator"])
def test_same_seed_same_views_and_each_image_its_own(name):
    view = raw(RECIPES[name], 16)
    images = noise(1, 20, 20).expand(24, 3, 20, 20)
    first, again, other = view(images, seeded(3)), view(images, seeded(3)), view(images, seeded(4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert len(first.reshape(24, -1).unique(dim=0)) == 24
    generator = seeded(3)
    assert torch.equal(view(images, generator), first)
    assert not torch.equal(view(images, generator), first)  # the generator moves on


def test_no_hidden_randomness():
    view = raw(RECIPES["byol_2"], 16)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    view(noise(5, 20, 20), seeded())
    assert torch.equal(state, torch.get_rng_state())


def test_blocks_do_not_change_the_views(monkeypatch):
    images, recipe = noise(11, 18, 25), replace(RECIPES["byol_2"], blur=0.5, rotation=10.0)
    whole, geometry = raw(recipe, 16).views_with_geometry(images, seeded())
    monkeypatch.setattr("domains.vision.augment.views._BLOCK", 3 * 3 * 18 * 25)  # three images in a block
    parts, same = raw(recipe, 16).views_with_geometry(images, seeded())
    torch.testing.assert_close(parts, whole, atol=1e-6, rtol=0)
    assert torch.equal(geometry.boxes, same.boxes)


def test_normalised_last():
    images = noise(6, 24, 24)
    plain = raw(RECIPES["byol_2"], 20)(images, seeded())
    views = ViewGenerator(RECIPES["byol_2"], 20, MEAN, STD)(images, seeded())
    mean, std = torch.tensor(MEAN)[:, None, None], torch.tensor(STD)[:, None, None]
    torch.testing.assert_close(views, (plain - mean) / std, atol=1e-6, rtol=1e-6)


def test_nothing_left_to_chance():
    images, generator = noise(4, 32, 32), seeded()
    before = generator.get_state()
    assert torch.equal(raw(PLAIN, 32)(images, generator), images / 255)
    assert torch.equal(before, generator.get_state())
    small = interpolate(images / 255, (16, 16), mode="bilinear", antialias=True)
    torch.testing.assert_close(raw(PLAIN, 16)(images, generator), small, atol=1e-6, rtol=0)
    # not square: squeezed, nothing is cut off
    wide = noise(2, 10, 40)
    expected = interpolate(wide / 255, (20, 20), mode="bilinear", antialias=True)
    torch.testing.assert_close(raw(PLAIN, 20)(wide, generator), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [12, 32, 45])
@pytest.mark.parametrize("centre", [None, 0.3])
def test_views_are_the_boxes_they_are_said_to_be(size, centre):
    recipe = replace(RECIPES["crop_flip"], centre=centre)
    images = noise(20, 30, 38)
    views, geometry = raw(recipe, size).views_with_geometry(images, seeded())
    assert geometry.boxes.shape == (20, 4)
    assert not geometry.degrees.any()
    assert 0 < geometry.flipped.sum() < 20
    for image, view, box, flipped in zip(images, views, geometry.boxes.int().tolist(), geometry.flipped, strict=True):
        left, top, right, bottom = box
        part = image[None, :, top:bottom, left:right] / 255
        expected = interpolate(part, (size, size), mode="bilinear", antialias=True)[0]
        torch.testing.assert_close(view, expected.flip(2) if flipped else expected, atol=2e-6, rtol=0)
        pixels = Image.fromarray(image.permute(1, 2, 0).numpy()).crop(tuple(box))
        pil = np.asarray(pixels.resize((size, size), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
        pil = pil[:, :, ::-1] if flipped else pil
        assert np.abs(view.numpy() * 255 - pil).max() <= 1.01  # PIL rounds after each pass


def test_call_and_geometry_agree():
    images, view = noise(8, 20, 20), raw(RECIPES["simclr"], 16)
    assert torch.equal(view(images, seeded()), view.views_with_geometry(images, seeded())[0])


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_probability_of_a_flip(p):
    _, geometry = raw(replace(PLAIN, flip=p), 4).views_with_geometry(noise(2000, 4, 4), seeded())
    assert geometry.flipped.double().mean().item() == pytest.approx(p, abs=0.03 * (0 < p < 1))


def test_rotation_as_pil():
    y, x = np.mgrid[0:48, 0:48]
    smooth = (127 + 50 * np.sin(x / 6) + 50 * np.cos(y / 5)).astype(np.uint8)
    images = torch.from_numpy(smooth).expand(12, 3, 48, 48).contiguous()
    views, geometry = raw(replace(PLAIN, rotation=30.0), 48).views_with_geometry(images, seeded())
    assert geometry.degrees.abs().max() <= 30
    assert geometry.degrees.min() < -10 < 10 < geometry.degrees.max()
    inside = np.hypot(x - 23.5, y - 23.5) < 22
    for view, degrees in zip(views, geometry.degrees.tolist(), strict=True):
        expected = np.asarray(Image.fromarray(smooth.astype(np.float32)).rotate(degrees, Image.Resampling.BILINEAR))
        assert np.abs(view[0].numpy() * 255 - expected)[inside].max() < 0.1


def test_blur_is_the_gaussian_of_the_resized_view():
    images = noise(6, 40, 40)
    recipe = replace(PLAIN, blur=1.0, blur_sigma=(1.5, 1.5))
    resized = raw(PLAIN, 32)(images, seeded())
    blurred = raw(recipe, 32)(images, seeded())
    expected = gaussian_blur2d(resized, (11, 11), (1.5, 1.5), border_type="reflect")
    torch.testing.assert_close(blurred, expected, atol=2e-6, rtol=0)


def test_only_chosen_images_are_blurred():
    images, count = noise(1, 16, 16).expand(3000, 3, 16, 16), 3000
    views = raw(replace(PLAIN, blur=0.4), 16)(images, seeded())
    same = (views == images[:1] / 255).flatten(1).all(1)
    assert same.double().mean().item() == pytest.approx(0.6, abs=0.03)
    # sigma is uniform: the deviation of white noise falls with it, every value is met
    spread = views[~same].flatten(1).std(1)
    assert spread.min() < 0.08
    assert spread.max() > 0.27
    assert len(spread.unique()) > 0.95 * 0.4 * count


def test_solarise_equals_kornia():
    images = noise(5, 16, 16)
    torch.testing.assert_close(
        raw(replace(PLAIN, solarise=1.0), 16)(images, seeded()), solarize(images / 255, 0.5), atol=1e-6, rtol=0
    )
    views = raw(replace(PLAIN, solarise=0.2), 4)(noise(3000, 4, 4), seeded())
    touched = views.flatten(1).amax(1) <= 0.5
    assert touched.double().mean().item() == pytest.approx(0.2, abs=0.03)


def test_colours_blur_and_solarise_in_their_order():
    # A bright grey image, twice as bright: clamped to white, then inverted to black.
    images = torch.full((64, 3, 8, 8), 200, dtype=torch.uint8)
    recipe = replace(PLAIN, jitter=1.0, brightness=1.0, contrast=0.0, saturation=0.0, hue=0.0, solarise=1.0, blur=1.0)
    views = raw(recipe, 8)(images, seeded())
    factor = raw(replace(recipe, solarise=0.0), 8)(images, seeded())
    torch.testing.assert_close(views, torch.minimum(factor, 1 - factor))
    assert (factor == 1).any()
    assert (views[factor == 1] == 0).all()


def test_grey_images_stay_grey():
    images = noise(20, 12, 12)[:, :1].expand(20, 3, 12, 12)
    views = raw(RECIPES["simclr"], 12)(images, seeded())
    assert (views.amax(1) - views.amin(1)).max() < 1e-5


@pytest.mark.parametrize("name", ["simclr", "byol_2", "mild"])
def test_statistics_equal_the_same_chain_in_kornia(name):
    r, size = RECIPES[name], 12
    images = photographs(1200, 16, seeded())
    torch.manual_seed(0)
    chain = kornia.AugmentationSequential(
        kornia.RandomResizedCrop((size, size), r.crop_scale, r.crop_ratio, align_corners=False),
        kornia.RandomHorizontalFlip(p=r.flip),
        kornia.ColorJitter(r.brightness, r.contrast, r.saturation, r.hue, p=r.jitter),
        kornia.RandomGrayscale(p=r.grey),
        kornia.RandomGaussianBlur((13, 13) if size > 12 else (11, 11), r.blur_sigma, p=r.blur),
        kornia.RandomSolarize((0.5, 0.5), (0.0, 0.0), p=r.solarise),
        data_keys=["input"],
    )
    theirs = torch.cat([chain(part.float() / 255) for part in images.split(50)])
    ours = raw(r, size)(images, seeded())
    axes = (0, 2, 3)
    torch.testing.assert_close(ours.mean(axes), theirs.mean(axes), atol=0.02, rtol=0)
    torch.testing.assert_close(ours.std(axes), theirs.std(axes), atol=0.02, rtol=0)
    torch.testing.assert_close(ours.std((2, 3)).mean(0), theirs.std((2, 3)).mean(0), atol=0.02, rtol=0)
    colour = (ours.amax(1) - ours.amin(1)).mean() - (theirs.amax(1) - theirs.amin(1)).mean()
    assert abs(colour) < 0.02


def test_mixed_precision_around_it_changes_nothing():
    images, view = noise(4, 20, 20), raw(RECIPES["byol_2"], 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = view(images, seeded())
    assert torch.equal(inside, view(images, seeded()))


def test_memory_layout_of_the_input_does_not_matter():
    images, view = noise(4, 20, 24), raw(RECIPES["byol_2"], 16)
    other = images.contiguous(memory_format=torch.channels_last)
    assert torch.equal(view(other, seeded()), view(images, seeded()))
    assert torch.equal(images, noise(4, 20, 24))  # the input is left alone


def test_no_gradient_and_no_images():
    assert not ViewGenerator(RECIPES["simclr"], 8, MEAN, STD)(noise(2, 9, 9), seeded()).requires_grad
    views, geometry = raw(RECIPES["byol_2"], 8).views_with_geometry(noise(0, 9, 9), seeded())
    assert views.shape == (0, 3, 8, 8)
    assert geometry.boxes.shape == (0, 4)
    assert raw(RECIPES["digits"], 8)(noise(0, 9, 9), seeded()).shape == (0, 3, 8, 8)


def test_refused_images():
    view = raw(PLAIN, 8)
    with pytest.raises(TypeError, match="uint8"):
        view(torch.rand(2, 3, 8, 8), seeded())
    with pytest.raises(ValueError, match=r"\(n, 3, h, w\)"):
        view(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), seeded())
    with pytest.raises(ValueError, match="no pixels"):
        view(torch.zeros(2, 3, 0, 8, dtype=torch.uint8), seeded())


@pytest.mark.usefixtures("unchecked")
def test_one_image_without_a_batch_is_refused():
    with pytest.raises(ValueError, match=r"\(n, 3, h, w\)"):
        raw(PLAIN, 8)(torch.zeros(3, 8, 8, dtype=torch.uint8), seeded())


def test_refused_settings():
    with pytest.raises(ValueError, match="size"):
        ViewGenerator(PLAIN, 0, MEAN, STD)
    with pytest.raises(ValueError, match="std"):
        ViewGenerator(PLAIN, 8, MEAN, (0.1, 0.0, 0.1))
    with pytest.raises(ValueError, match="mean"):
        ViewGenerator(PLAIN, 8, (math.nan, 0.0, 0.0), STD)


def test_crops_are_drawn_for_every_recipe_field():
    _, geometry = raw(Recipe(crop_scale=(0.25, 0.25), crop_ratio=(1.0, 1.0)), 8).views_with_geometry(
        noise(50, 32, 32), seeded()
    )
    assert (geometry.boxes[:, 2:] - geometry.boxes[:, :2] == 16).all()
