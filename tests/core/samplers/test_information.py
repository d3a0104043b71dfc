"""Entropy and mutual information of grey levels."""

import math

import pytest
import torch
from sklearn.metrics import mutual_info_score, normalized_mutual_info_score

from core.samplers import entropy, mutual_information


def images(count=6, height=30, width=20, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, height, width), generator=draw).to(torch.uint8)


def related(a, seed=1):
    noise = torch.rand(a.shape, generator=torch.Generator().manual_seed(seed))
    return (0.7 * a + 70 * noise).to(torch.uint8)


def binned(image, bins):
    return (image.long() * bins // 256).flatten().numpy()


@pytest.mark.parametrize("bins", [2, 32, 64, 100, 256])
def test_values_are_scikit_learns(bins):
    a, b = images(), related(images())
    shared, share = mutual_information(a, b, bins=bins), mutual_information(a, b, bins=bins, normalized=True)
    for i in range(len(a)):
        first, second = binned(a[i], bins), binned(b[i], bins)
        assert float(shared[i]) == pytest.approx(mutual_info_score(first, second), abs=1e-12)
        assert float(share[i]) == pytest.approx(normalized_mutual_info_score(first, second), abs=1e-12)
        assert float(entropy(a[i], bins=bins)) == pytest.approx(mutual_info_score(first, first), abs=1e-12)


def test_an_image_tells_all_of_itself():
    a = images()
    torch.testing.assert_close(mutual_information(a, a), entropy(a))
    torch.testing.assert_close(mutual_information(a, a, normalized=True), torch.ones(6, dtype=torch.float64))


def test_symmetric_and_not_negative():
    a, b = images(), related(images())
    torch.testing.assert_close(mutual_information(a, b), mutual_information(b, a))
    assert (mutual_information(a, images(seed=9)) >= 0).all()
    assert float(mutual_information(torch.zeros(4, 4), images(1, 4, 4)[0].float())) == 0


def test_independent_images_have_the_known_bias():
    """(bins - 1)^2 / 2n nats."""
    a, b = images(8, 128, 128), images(8, 128, 128, seed=5)
    found = mutual_information(a, b, bins=16)
    assert float(found.mean()) == pytest.approx(15**2 / (2 * 128 * 128), rel=0.1)


def test_a_share_does_not_change_when_levels_are_renamed():
    a, b = images(), related(images())
    renamed = torch.randperm(256, generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    for normalized in (False, True):
        expected = mutual_information(a, b, bins=256, normalized=normalized)
        torch.testing.assert_close(mutual_information(renamed[a.long()], b, bins=256, normalized=normalized), expected)


def test_limits():
    constant = torch.full((3, 8, 8), 9, dtype=torch.uint8)
    assert entropy(constant).tolist() == [0] * 3
    assert mutual_information(constant, constant).tolist() == [0] * 3
    assert mutual_information(constant, constant, normalized=True).tolist() == [1] * 3
    assert mutual_information(constant, images(3, 8, 8), normalized=True).tolist() == [0] * 3
    odd = constant.clone()
    odd[:, 0, 0] = 255
    torch.testing.assert_close(mutual_information(odd, odd, normalized=True), torch.ones(3, dtype=torch.float64))
    every = torch.arange(256, dtype=torch.uint8).reshape(16, 16)
    assert float(entropy(every)) == pytest.approx(math.log(64), abs=1e-12)
    assert float(entropy(every, bins=256)) == pytest.approx(math.log(256), abs=1e-12)
    assert float(entropy(torch.zeros(1, 1))) == 0
    assert entropy(torch.zeros(0, 4, 4)).shape == mutual_information(torch.zeros(0, 4, 4), torch.zeros(0, 4, 4)).shape


def test_many_images_at_once_are_each_alone(monkeypatch):
    monkeypatch.setattr("core.samplers.information.COUNTS", 1300)
    a, b = images(7), related(images(7))
    found = mutual_information(a, b)
    torch.testing.assert_close(found, torch.stack([mutual_information(x, y) for x, y in zip(a, b, strict=True)]))
    torch.testing.assert_close(entropy(list(a)), entropy(a))


def test_what_is_refused(unchecked):
    a = images()
    with pytest.raises(ValueError, match=r"bins must be in 2\.\.256, the grey levels of 8 bits, got 1"):
        entropy(a, bins=1)
    with pytest.raises(ValueError, match=r"bins must be in 2\.\.256"):
        mutual_information(a, a, bins=257)
    with pytest.raises(ValueError, match="a and b must have the same shape"):
        mutual_information(a, a[:, 1:])
    with pytest.raises(ValueError, match="images must be grey"):
        mutual_information(a[None], a[None])
    with pytest.raises(ValueError, match="images must be finite"):
        entropy(torch.full((2, 3, 3), torch.nan))
