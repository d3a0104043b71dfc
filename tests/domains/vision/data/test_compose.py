"""Composed sets against pictures made by hand and by Pillow."""

import numpy as np
import pytest
import torch
from PIL import Image

from core.errors import UserError
from domains.vision.data.compose import SHIFTS, digit_on_image, rotated, shifted
from domains.vision.data.images import ImageSet


def noise(count, side=12, labels=True, test=None, seed=0, width=None):
    random = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 200, (count, 3, side, width or side), generator=random).to(torch.uint8)
    y = torch.arange(count) % 4 if labels else None
    return ImageSet(pixels, "noise", y, class_names=tuple("abcd") if labels else (), test=test)


def digits(test=None):
    """Ten full squares, whose brightness is their class."""
    grey = (torch.arange(10) * 20 + 50).to(torch.uint8)
    pixels = grey.view(10, 1, 1, 1).expand(10, 3, 8, 8).clone()
    return ImageSet(pixels, "squares", torch.arange(10), class_names=tuple("0123456789"), test=test)


def test_overlay_is_the_larger_of_image_and_digit():
    backgrounds = noise(300)
    drawn = digit_on_image(backgrounds, digits(), seed=1)
    digit = drawn.attributes["digit"]
    bright = (digit * 20 + 50).view(-1, 1, 1, 1)
    assert torch.equal(drawn.images.long(), torch.maximum(backgrounds.images.long(), bright))
    assert torch.equal(drawn.attributes["image"], backgrounds.labels)
    assert torch.equal(drawn.labels, backgrounds.labels)
    assert drawn.class_names == backgrounds.class_names
    assert drawn.facts["digit_names"] == list("0123456789")
    assert digit.bincount(minlength=10).min() > 10
    again = digit_on_image(backgrounds, digits(), seed=1)
    assert torch.equal(drawn.images, again.images)
    assert not torch.equal(digit, digit_on_image(backgrounds, digits(), seed=2).attributes["digit"])


def test_the_digit_says_nothing_about_the_image():
    backgrounds = noise(4000, side=2)
    drawn = digit_on_image(backgrounds, digits())
    table = torch.zeros(4, 10).index_put_((drawn.labels, drawn.attributes["digit"]), torch.ones(4000), accumulate=True)
    assert ((table - 100) ** 2 / 100).sum() < 60  # chi-square with 27 degrees of freedom: p about 0.0003


def test_nine_copies_in_a_grid():
    black = ImageSet(torch.zeros(3, 3, 14, 13, dtype=torch.uint8), "black", torch.zeros(3).long(), class_names=("a",))
    square = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    square[..., 2:6, 2:6] = 255
    one = ImageSet(square, "one", torch.zeros(1).long(), class_names=("1",))
    drawn = digit_on_image(black, one, copies=9)
    cells = drawn.images[0, 0, 1:13, 0:12].reshape(3, 4, 3, 4).permute(0, 2, 1, 3).reshape(9, 4, 4)
    assert torch.equal(cells, cells[:1].expand(9, 4, 4))
    assert int(cells[0, 1:3, 1:3].min()) > 150
    assert int(cells[0, 0, 0]) < 20
    assert int(drawn.images[:, :, 0].max()) == int(drawn.images[:, :, 13].max()) == 0


def test_side_by_side():
    backgrounds = noise(5, side=6, width=9)
    drawn = digit_on_image(backgrounds, digits(), layout="side", strength=0.5)
    assert drawn.images.shape == (5, 3, 6, 15)
    assert torch.equal(drawn.images[..., :9], backgrounds.images)
    expected = ((drawn.attributes["digit"] * 20 + 50) * 0.5).round().to(torch.uint8)
    assert torch.equal(drawn.images[..., 9:], expected.view(5, 1, 1, 1).expand(5, 3, 6, 6))


def test_random_colours_have_one_full_channel():
    black = ImageSet(torch.zeros(50, 3, 8, 8, dtype=torch.uint8), "black", torch.zeros(50).long(), class_names=("a",))
    drawn = digit_on_image(black, digits(), digit_color="random")
    bright = drawn.attributes["digit"] * 20 + 50
    assert torch.equal(drawn.images[:, :, 0, 0].amax(1).long(), bright)
    assert (drawn.images[:, :, 0, 0].float() / bright[:, None]).std(0).min() > 0.15


def test_strength_zero_draws_nothing():
    backgrounds = noise(5)
    assert torch.equal(digit_on_image(backgrounds, digits(), strength=0).images, backgrounds.images)


def test_parts_stay_apart():
    test = torch.arange(40) % 2 == 0
    of_digits = torch.arange(10) < 3
    drawn = digit_on_image(noise(40, test=test), digits(of_digits))
    assert torch.equal(drawn.attributes["digit"] < 3, test)
    with pytest.raises(UserError, match="noise has a test part and squares has none"):
        digit_on_image(noise(40, test=test), digits())
    with pytest.raises(UserError, match="squares has no digits in its test part"):
        digit_on_image(noise(40, test=test), digits(torch.zeros(10, dtype=torch.bool)))
    whole = digit_on_image(noise(400), digits(of_digits))  # without parts, any digit
    assert len(whole.attributes["digit"].unique()) == 10


def test_what_cannot_be_drawn():
    with pytest.raises(UserError, match="noise has no labels"):
        digit_on_image(noise(4, labels=False), digits())
    with pytest.raises(UserError, match="too small for 9 digits"):
        digit_on_image(noise(4, side=2), digits(), copies=9)
    with pytest.raises(ValueError, match="copies must be 1, or 9 with layout='overlay', got 9 with 'side'"):
        digit_on_image(noise(4), digits(), copies=9, layout="side")
    for strength in (-0.1, 1.1):
        with pytest.raises(ValueError, match="strength must be in"):
            digit_on_image(noise(4), digits(), strength=strength)


@pytest.mark.usefixtures("unchecked")
def test_options_by_name():
    with pytest.raises(ValueError, match="copies must be 1, or 9 with layout='overlay', got 4"):
        digit_on_image(noise(4), digits(), copies=4)
    with pytest.raises(ValueError, match="layout must be one of overlay, side, got 'channel'"):
        digit_on_image(noise(4), digits(), layout="channel")
    with pytest.raises(ValueError, match="digit_color must be one of white, random"):
        digit_on_image(noise(4), digits(), digit_color="red")
    with pytest.raises(ValueError, match="corners must be one of crop, edge"):
        rotated(noise(4), corners="black")


def smooth(count=6, side=40):
    """Soft blobs, on which two ways to interpolate agree."""
    random = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, 5, 5, generator=random)
    large = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic", align_corners=False)
    return ImageSet((large * 255).clamp(0, 255).to(torch.uint8), "smooth")


@pytest.mark.parametrize("corners", ["crop", "edge"])
@pytest.mark.parametrize("most", [20.0, 45.0])
def test_turning_agrees_with_pillow(corners, most):
    images = smooth()
    turned = rotated(images, most=most, seed=3, corners=corners)
    assert turned.targets.abs().max() <= most
    assert turned.name == "smooth-angle"
    zoom = 1 / (np.cos(np.deg2rad(most)) + np.sin(np.deg2rad(most))) if corners == "crop" else 1.0
    low, high = 20 - 20 * zoom, 20 + 20 * zoom
    for before, after, angle in zip(images.images, turned.images, turned.targets.tolist(), strict=True):
        large = Image.fromarray(before.permute(1, 2, 0).numpy()).rotate(angle, Image.Resampling.BILINEAR)
        if corners == "crop":
            large = large.transform((40, 40), Image.Transform.EXTENT, (low, low, high, high), Image.Resampling.BILINEAR)
        difference = np.abs(np.asarray(large).astype(int) - after.permute(1, 2, 0).numpy().astype(int))
        assert difference[12:28, 12:28].mean() < 1.5
        if corners == "crop":  # nothing from outside the image reaches it
            assert difference[1:-1, 1:-1].mean() < 1.5


def test_white_images_stay_white_to_the_corner():
    white = ImageSet(torch.full((64, 3, 16, 16), 255, dtype=torch.uint8), "white")
    assert (rotated(white).images == 255).all()


def test_the_cut_at_more_than_45_degrees_is_that_at_45():
    corner = torch.zeros(2000, 3, 20, 20, dtype=torch.uint8)
    corner[..., 0, 0] = 255
    assert int(rotated(ImageSet(corner, "corner"), most=180).images[:, :, 5:15, 5:15].max()) == 0


def test_angles_by_seed_and_what_cannot_be_turned():
    images = smooth()
    assert torch.equal(rotated(images, seed=1).images, rotated(images, seed=1).images)
    assert not torch.equal(rotated(images, seed=1).targets, rotated(images, seed=2).targets)
    with pytest.raises(UserError, match="12 x 6 pixels; only squares"):
        rotated(noise(3, side=6, width=12))
    for most in (0.0, 181.0):
        with pytest.raises(ValueError, match="most must be in"):
            rotated(images, most=most)


@pytest.mark.parametrize("kind", list(SHIFTS))
def test_shifts_keep_everything_but_pixels(kind):
    images = noise(20, side=32)
    changed = shifted(images, kind, seed=4)
    assert changed.images.dtype == torch.uint8
    assert torch.equal(changed.labels, images.labels)
    assert changed.name == f"noise-{kind}"
    assert (changed.images.float() - images.images.float()).abs().mean() > 5
    assert torch.equal(changed.images, shifted(images, kind, seed=4).images)
    assert torch.equal(changed.images, shifted(images, kind, seed=5).images) == (kind in ("contrast", "blur"))


def test_shifts_do_what_they_say():
    images = noise(20, side=32)
    values = images.images.double()
    mean = values.mean((1, 2, 3), keepdim=True)
    contrast = shifted(images, "contrast").images.double()
    torch.testing.assert_close(contrast, (mean + values) / 2, atol=0.51, rtol=0)
    added = (
        shifted(ImageSet(torch.full((50, 3, 16, 16), 128, dtype=torch.uint8), "even"), "noise").images.double() - 128
    )
    assert float(added.mean()) == pytest.approx(0, abs=0.5)
    assert float(added.std()) == pytest.approx(25, abs=0.5)
    cast = shifted(images, "colour").images.double()
    factor = cast.sum((2, 3)) / values.sum((2, 3))
    assert 0.49 < float(factor.min()) < 0.7
    assert 1.3 < float(factor.max()) <= 1.51
    even = shifted(ImageSet(torch.full((2, 3, 9, 9), 77, dtype=torch.uint8), "even"), "blur")
    assert (even.images == 77).all()


def test_blur_is_a_gaussian():
    from scipy.ndimage import gaussian_filter

    images = noise(3, side=32)
    blurred = shifted(images, "blur").images.double()
    for before, after in zip(images.images.double().numpy(), blurred.numpy(), strict=True):
        expected = np.stack([gaussian_filter(channel, 1.0, mode="nearest", radius=3) for channel in before])
        np.testing.assert_allclose(after, expected, atol=0.51)


def test_an_unknown_shift_brings_near_names():
    with pytest.raises(UserError, match="unknown shift 'nois'; did you mean 'noise'"):
        shifted(noise(2), "nois")
