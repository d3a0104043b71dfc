import numpy as np
import pytest
import torch
from kornia.filters import gaussian_blur2d
from PIL import Image
from scipy.ndimage import gaussian_filter1d
from torch.nn.functional import interpolate

from domains.vision.augment.resample import blur_weights, resample, resize_weights, rotate


def box(start, stop):
    return torch.tensor([float(start)]), torch.tensor([float(stop)])


def reference(start, stop, length, size):
    """The triangle filter in float64, one weight at a time."""
    weights = np.zeros((size, length))
    low, high = sorted((start, stop))
    step = abs(stop - start) / size
    for i in range(size):
        centre = low + (i + 0.5) * step
        for j in range(low, high):
            weights[i, j] = max(0.0, 1 - abs(j + 0.5 - centre) / max(step, 1))
        weights[i] /= weights[i].sum()
    return weights if stop > start else weights[::-1]


@pytest.mark.parametrize(
    ("start", "stop", "length", "size"),
    [(0, 32, 32, 32), (3, 20, 32, 32), (0, 32, 32, 8), (5, 31, 40, 9), (7, 8, 12, 5), (0, 1, 1, 1), (20, 3, 32, 11)],
)
def test_weights_equal_the_float64_loop(start, stop, length, size):
    weights = resize_weights(*box(start, stop), length, size)[0]
    assert weights.shape == (size, length)
    expected = torch.from_numpy(reference(start, stop, length, size).copy())
    torch.testing.assert_close(weights.double(), expected, atol=2e-6, rtol=0)


def test_a_line_as_it_is_stays_exactly():
    assert torch.equal(resize_weights(*box(0, 9), 9, 9)[0], torch.eye(9))
    assert torch.equal(resize_weights(*box(9, 0), 9, 9)[0], torch.eye(9).flip(0))


@pytest.mark.parametrize(("size", "antialias"), [(32, False), (50, False), (21, True), (7, True), (1, True)])
def test_crop_and_resize_equal_torch(size, antialias, generator):
    image = torch.rand(1, 3, 40, 33, generator=generator)
    left, top, right, bottom = 4, 9, 25, 31
    rows = resize_weights(*box(top, bottom), 40, size)
    columns = resize_weights(*box(left, right), 33, size)
    expected = interpolate(
        image[:, :, top:bottom, left:right],
        (size, size),
        mode="bilinear",
        align_corners=False,
        antialias=antialias or size < 22,
    )
    torch.testing.assert_close(resample(image, rows, columns).permute(0, 3, 1, 2), expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize("size", [(48, 48), (16, 16), (5, 30)])
def test_equal_to_pil_but_for_its_rounding(size):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 33, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(pixels).crop((4, 9, 25, 31)).resize(size, Image.Resampling.BILINEAR))
    rows, columns = resize_weights(*box(9, 31), 40, size[1]), resize_weights(*box(4, 25), 33, size[0])
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    # PIL rounds to whole levels after each of its two passes.
    assert np.abs(resample(image, rows, columns)[0].numpy() - expected).max() <= 1.01


def test_each_image_has_its_own_box(generator):
    image = torch.rand(6, 2, 12, 15, generator=generator)
    start, stop = torch.tensor([0.0, 1, 2, 3, 4, 5]), torch.tensor([12.0, 9, 8, 11, 5, 10])
    rows, columns = resize_weights(start, stop, 12, 7), resize_weights(stop, start, 15, 4)
    out = resample(image, rows, columns)
    assert out.shape == (6, 7, 4, 2)
    expected = torch.einsum("nph,nchw,nqw->npqc", rows, image, columns)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(out[2:3], resample(image[2:3], rows[2:3], columns[2:3]))


@pytest.mark.parametrize(("size", "reach"), [(32, 6), (96, 6), (9, 8), (5, 6), (2, 6), (1, 6)])
def test_blur_equals_the_reflected_kernel(size, reach):
    sigma = torch.tensor([0.1, 0.7, 1.3, 2.0])
    weights = blur_weights(sigma, size, reach)
    taps = min(reach, size - 1)
    for one, s in zip(weights, sigma.tolist(), strict=True):
        expected = gaussian_filter1d(np.eye(size), s, axis=0, mode="mirror", radius=taps) if size > 1 else np.eye(1)
        torch.testing.assert_close(one.double(), torch.from_numpy(expected), atol=1e-6, rtol=0)


def test_blur_of_images_equals_kornia(generator):
    image = torch.rand(3, 3, 32, 32, generator=generator)
    sigma = torch.tensor([0.3, 1.0, 2.0])
    weights = blur_weights(sigma, 32, 6)
    expected = gaussian_blur2d(image, (13, 13), sigma[:, None].expand(3, 2), border_type="reflect")
    blurred = resample(image, weights, weights).permute(0, 3, 1, 2)
    torch.testing.assert_close(blurred, expected, atol=2e-6, rtol=0)


def test_wide_blur_of_nothing_but_a_constant():
    weights = blur_weights(torch.tensor([50.0]), 16, 15)
    torch.testing.assert_close(weights.sum(2), torch.ones(1, 16))
    assert (weights >= 0).all()


def test_quarter_turns_are_exact(generator):
    image = torch.rand(4, 2, 9, 9, generator=generator)
    turned = rotate(image, torch.tensor([0.0, 90.0, 180.0, -90.0]), torch.full((4, 2), 4.5))
    for i, quarters in enumerate((0, 1, 2, 3)):
        torch.testing.assert_close(turned[i], torch.rot90(image[i], quarters, (1, 2)), atol=1e-5, rtol=0)


def test_rotation_equals_pil_inside(generator):
    # A smooth image of two shapes, so that the two bilinear rules may differ by rounding only.
    y, x = np.mgrid[0:40, 0:60]
    pixels = (127 + 60 * np.sin(x / 9) + 60 * np.cos(y / 7)).astype(np.float32)
    centre = (24.0, 17.0)
    expected = np.asarray(Image.fromarray(pixels).rotate(20, Image.Resampling.BILINEAR, center=centre))
    turned = rotate(torch.from_numpy(pixels)[None, None], torch.tensor([20.0]), torch.tensor([centre]))[0, 0].numpy()
    inside = np.hypot(x + 0.5 - centre[0], y + 0.5 - centre[1]) < 15
    assert np.abs(turned - expected)[inside].max() < 0.01


def test_rotation_continues_the_border(generator):
    turned = rotate(torch.full((1, 1, 8, 8), 0.7), torch.tensor([33.0]), torch.tensor([[1.0, 7.0]]))
    torch.testing.assert_close(turned, torch.full((1, 1, 8, 8), 0.7))
