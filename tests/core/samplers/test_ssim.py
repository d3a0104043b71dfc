"""Structural similarity against scikit-image."""

import importlib

import pytest
import torch
from skimage.metrics import structural_similarity

from core.samplers import ssim
from tests.core.samplers.test_information import images, related


@pytest.mark.parametrize("window", [3, 7, 11])
@pytest.mark.parametrize(("height", "width"), [(30, 20), (11, 40)])
def test_values_are_scikit_images(window, height, width):
    a, b = images(5, height, width), related(images(5, height, width))
    expected = [
        structural_similarity(x.numpy(), y.numpy(), win_size=window, data_range=255) for x, y in zip(a, b, strict=True)
    ]
    torch.testing.assert_close(ssim(a, b, window=window), torch.tensor(expected, dtype=torch.float64))


def test_limits_and_symmetry():
    a, b = images(), related(images())
    torch.testing.assert_close(ssim(a, a), torch.ones(6, dtype=torch.float64))
    torch.testing.assert_close(ssim(a, b), ssim(b, a))
    black, white = torch.zeros(9, 9, dtype=torch.uint8), torch.full((9, 9), 255, dtype=torch.uint8)
    assert float(ssim(black, black)) == 1
    assert float(ssim(black, white)) == pytest.approx(0.01**2 / (1 + 0.01**2), rel=1e-9)
    assert float(ssim(a[0], 255 - a[0])) < 0
    assert ssim(torch.zeros(0, 9, 9), torch.zeros(0, 9, 9)).shape == (0,)


def test_many_images_at_once_are_each_alone(monkeypatch):
    monkeypatch.setattr(importlib.import_module("core.samplers.ssim"), "PIXELS", 1300)
    a, b = images(7), related(images(7))
    assert torch.equal(ssim(a, b), torch.stack([ssim(x, y) for x, y in zip(a, b, strict=True)]))


def test_what_is_refused(unchecked):
    a = images()
    for window in (4, 1, 21):
        with pytest.raises(ValueError, match=f"window must be odd and from 3 to the shorter side.*20, got {window}"):
            ssim(a, a, window=window)
    with pytest.raises(ValueError, match="a and b must have the same shape"):
        ssim(a, a[:3])
    with pytest.raises(ValueError, match="images must be grey"):
        ssim(a[None], a[None])
