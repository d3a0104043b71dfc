import colorsys
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from kornia.enhance import (
    adjust_brightness_accumulative,
    adjust_contrast_with_mean_subtraction,
    adjust_saturation_with_gray_subtraction,
)
from sklearn.datasets import load_sample_images

from domains.vision.augment import Recipe
from domains.vision.augment.colour import LUMA, draw_colours

NONE = Recipe(jitter=1.0, brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0, grey=0.0)


def draw(recipe, count, seed=0):
    return draw_colours(recipe, count, torch.Generator().manual_seed(seed))


def loop(pixels, b, c, s, turns):
    """Brightness, contrast, saturation and hue one after the other in float64, pixel by pixel, hue in YIQ."""
    luma = np.array(LUMA)
    to_yiq = np.array([luma, [0.595901, -0.274557, -0.321344], [0.211537, -0.522736, 0.311200]])
    out = np.empty_like(pixels)
    mean = np.mean([b * float(luma @ pixel) for pixel in pixels])
    for i, pixel in enumerate(pixels):
        pixel = b * pixel
        pixel = c * pixel + (1 - c) * mean
        pixel = s * pixel + (1 - s) * (luma @ pixel)
        y, in_phase, quadrature = to_yiq @ pixel
        # I is 33 degrees ahead of V and Q of U, so that the plane is seen from behind: the angle changes its sign.
        chroma = complex(in_phase, quadrature) * np.exp(-2j * math.pi * turns)
        out[i] = np.linalg.solve(to_yiq, [y, chroma.real, chroma.imag])
    return out


def factors(change):
    """The drawn brightness, contrast, saturation and turns, read off the matrix."""
    matrix = change.matrix.transpose(1, 2).double()
    luma = torch.tensor(LUMA, dtype=torch.float64)
    gain = matrix.sum(2).mean(1)  # of a grey pixel
    brightness = gain + change.shift.double()
    red = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)

    def chroma(colour):
        y = colour @ luma
        return torch.complex(0.492111 * (colour[..., 2] - y), 0.877283 * (colour[..., 0] - y))

    turned = chroma(matrix @ red) / (chroma(red) * gain)
    return brightness, gain / brightness, turned.abs(), turned.angle() / (2 * math.pi)


def test_matrix_equals_the_four_steps_pixel_by_pixel(generator):
    recipe = Recipe(jitter=1.0, brightness=0.7, contrast=0.6, saturation=0.9, hue=0.3, grey=0.0)
    pixels = torch.rand(5, 12, 3, generator=generator)
    change = draw(recipe, 5)
    out = change.apply(pixels)
    for i, (b, c, s, turns) in enumerate(zip(*(f.tolist() for f in factors(change)), strict=True)):
        expected = loop(pixels[i].double().numpy(), b, c, s, turns)
        torch.testing.assert_close(out[i].double(), torch.from_numpy(expected), atol=1e-5, rtol=0)


def test_drawn_factors_fill_their_ranges():
    recipe = Recipe(jitter=1.0, brightness=0.4, contrast=0.6, saturation=0.2, hue=0.1, grey=0.0)
    drawn = factors(draw(recipe, 3000))
    for values, low, high in zip(drawn, (0.6, 0.4, 0.8, -0.1), (1.4, 1.6, 1.2, 0.1), strict=True):
        assert low - 1e-4 <= values.min() < low + 0.02 * (high - low)
        assert high - 0.02 * (high - low) < values.max() <= high + 1e-4
        assert values.mean().item() == pytest.approx((low + high) / 2, abs=0.03 * (high - low))
        assert values.std().item() == pytest.approx((high - low) / math.sqrt(12), rel=0.06)
    pairs = torch.corrcoef(torch.stack(drawn)) - torch.eye(4)
    assert pairs.abs().max() < 0.08


def test_strength_above_one_stops_at_black():
    brightness, _, _, _ = factors(draw(replace(NONE, brightness=2.0), 3000))
    assert 0 <= brightness.min() < 0.02
    assert 2.98 < brightness.max() <= 3


@pytest.mark.parametrize(
    ("name", "kornia"),
    [
        ("brightness", adjust_brightness_accumulative),
        ("contrast", adjust_contrast_with_mean_subtraction),
        ("saturation", adjust_saturation_with_gray_subtraction),
    ],
)
def test_one_change_alone_equals_kornia(name, kornia, generator):
    images = torch.rand(6, 3, 8, 8, generator=generator)
    change = draw(replace(NONE, **{name: 0.9}), 6)
    factor = factors(change)[["brightness", "contrast", "saturation"].index(name)].float()
    ours = change.apply(images.flatten(2).mT).clamp(0, 1).mT.reshape_as(images)
    torch.testing.assert_close(ours, kornia(images, factor), atol=1e-4, rtol=0)


def test_hue_keeps_grey_and_turns_like_the_colour_wheel():
    third = draw(replace(NONE, hue=0.5), 400)
    turns = factors(third)[3]
    pixels = torch.tensor([[0.6, 0.4, 0.4], [0.5, 0.5, 0.5]]).expand(400, 2, 3)  # a dull red, and a grey
    out = third.apply(pixels)
    luma = torch.tensor(LUMA)
    torch.testing.assert_close(out @ luma, pixels @ luma, atol=1e-5, rtol=0)
    torch.testing.assert_close(out[:, 1], pixels[:, 1], atol=1e-5, rtol=0)
    for colour, turn in zip(out[:, 0].tolist(), turns.tolist(), strict=True):
        hue = colorsys.rgb_to_hsv(*colour)[0]
        difference = (hue - turn + 0.5) % 1 - 0.5
        assert abs(difference) < 0.09  # the wheel of HSV is a hexagon, that of YIQ a skewed circle


@pytest.mark.parametrize("jitter", [0.0, 1.0])
def test_grey_is_the_luma(jitter, generator):
    images = torch.rand(4, 30, 3, generator=generator)
    recipe = Recipe(jitter=jitter, brightness=0.0, contrast=0.0, saturation=0.5, hue=0.2, grey=1.0)
    grey = draw(recipe, 4).apply(images)
    expected = (images @ torch.tensor(LUMA))[..., None].expand(4, 30, 3)
    torch.testing.assert_close(grey, expected, atol=1e-6, rtol=0)


def test_probabilities():
    count = 4000
    change = draw(Recipe(jitter=0.3, grey=0.0), count)
    same = ((change.matrix - torch.eye(3)).abs().amax((1, 2)) < 1e-6).double().mean().item()
    assert same == pytest.approx(0.7, abs=0.03)
    grey = factors(draw(Recipe(grey=0.2), count))[2] < 1e-4
    assert grey.double().mean().item() == pytest.approx(0.2, abs=0.03)


def test_nothing_to_change_is_none_and_draws_nothing(generator):
    before = generator.get_state()
    for recipe in (Recipe(jitter=0.0, grey=0.0), NONE):
        assert draw_colours(recipe, 5, generator) is None
    assert torch.equal(before, generator.get_state())


def photographs(count, size, generator):
    """Random cuttings of two photographs, ``(count, 3, size, size)`` uint8."""
    out = []
    for photo in load_sample_images().images:
        pixels = torch.from_numpy(photo.copy()).permute(2, 0, 1)
        for _ in range(count // 2):
            y, x = (
                int(torch.randint(0, side - 2 * size, (1,), generator=generator).item()) for side in pixels.shape[1:]
            )
            out.append(pixels[:, y : y + 2 * size : 2, x : x + 2 * size : 2])
    return torch.stack(out)


@pytest.mark.parametrize("strengths", [(0.4, 0.4, 0.4, 0.1), (0.8, 0.8, 0.8, 0.2), (0.4, 0.4, 0.2, 0.1)])
def test_statistics_of_photographs_equal_kornias(strengths, generator):
    from kornia.augmentation import ColorJitter

    torch.manual_seed(0)
    images = photographs(2000, 4, generator).float() / 255
    tolerance = {"atol": 0.02 if strengths[3] == 0.1 else 0.03, "rtol": 0}  # hue turns another wheel
    # kornia draws one order for a batch: small batches, so that all orders are seen.
    theirs = torch.cat([ColorJitter(*strengths)(part) for part in images.split(20)])
    b, c, s, h = strengths
    change = draw(Recipe(jitter=1.0, brightness=b, contrast=c, saturation=s, hue=h, grey=0.0), len(images))
    ours = change.apply(images.flatten(2).mT).clamp_(0, 1).mT.reshape_as(images)
    axes = (0, 2, 3)
    torch.testing.assert_close(ours.mean(axes), theirs.mean(axes), **tolerance)
    torch.testing.assert_close(ours.std(axes), theirs.std(axes), **tolerance)
    # within an image, too
    torch.testing.assert_close(ours.std((2, 3)).mean(0), theirs.std((2, 3)).mean(0), **tolerance)
