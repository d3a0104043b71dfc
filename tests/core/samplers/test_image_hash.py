"""Hashes equal to ImageHash's bit for bit, and what a bit means."""

import imagehash
import numpy as np
import pytest
import torch
from PIL import Image

from core.samplers import hamming_distance, image_hash
from core.samplers.grey_levels import grey_levels, runs_of_images
from core.samplers.lanczos import lanczos_resize

SIZES = [(64, 64), (37, 100), (60, 61), (8, 9), (5, 7), (131, 160), (256, 200), (33, 32), (16, 16)]


def pictures(height, width, count=12, seed=0):
    """Noise, ramps and blobs, uint8."""
    draw = torch.Generator().manual_seed(seed)
    noise = torch.randint(256, (count, height, width), generator=draw)
    noise[count // 3 : 2 * count // 3] = noise[count // 3 : 2 * count // 3].sort(dim=2).values
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    centre = torch.rand(count, 2, 1, 1, generator=draw)
    blob = ((rows / height - centre[:, 0]).square() + (columns / width - centre[:, 1]).square()).mul(-8).exp()
    noise[2 * count // 3 :] = (255 * blob[2 * count // 3 :]).long()
    return noise.to(torch.uint8)


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("target", [(8, 9), (8, 8), (32, 32), (50, 20)])
def test_resize_is_pillows(height, width, target):
    """Two calls, because Pillow 13 begins with the height where it shrinks much more."""
    images = pictures(height, width)
    rows, columns = target
    expected = [
        np.asarray(
            Image.fromarray(image.numpy())
            .resize((columns, height), Image.Resampling.LANCZOS)
            .resize((columns, rows), Image.Resampling.LANCZOS)
        )
        for image in images
    ]
    assert np.array_equal(lanczos_resize(images, rows, columns).numpy(), np.stack(expected))


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize(
    ("method", "oracle"),
    [("dhash", imagehash.dhash), ("ahash", imagehash.average_hash), ("phash", imagehash.phash)],
)
def test_bits_are_those_of_image_hash(height, width, method, oracle):
    images = pictures(height, width)
    for size in (8, 5):
        expected = [oracle(Image.fromarray(image.numpy()), hash_size=size).hash.flatten() for image in images]
        assert np.array_equal(image_hash(images, method, hash_size=size).numpy(), np.stack(expected))


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_wavelet_bits_are_those_of_image_hash_where_nothing_is_tied(height, width):
    """There floating wavelets decide ties by their rounding; ours are whole numbers."""
    images = pictures(height, width)
    expected = np.stack([imagehash.whash(Image.fromarray(image.numpy())).hash.flatten() for image in images])
    side = max(8, 2 ** int(np.log2(min(height, width))))
    block = side // 8
    pixels = lanczos_resize(images, side, side).long().view(-1, 8, block, 8, block).sum(dim=(2, 4)).flatten(1)
    tied = (2 * pixels == 2 * pixels.double().quantile(0.5, dim=1, keepdim=True)).numpy()
    found = image_hash(images, "whash").numpy()
    assert np.array_equal(found[~tied], expected[~tied])
    assert tied.mean() < 0.35


def test_ramps_and_constant_images():
    ramp = torch.arange(160).expand(90, 160).to(torch.uint8)
    assert image_hash(ramp).all()
    assert not image_hash(ramp.flip(1)).any()
    for method in ("dhash", "ahash", "phash", "whash"):
        constant = image_hash(torch.full((50, 40), 7.5), method)
        assert int(constant.sum()) == 0
        assert torch.equal(constant, image_hash(torch.zeros(50, 40, dtype=torch.uint8), method))


def test_bits_do_not_change_with_brightness_and_contrast():
    images = pictures(64, 64).double()
    codes = image_hash(images)
    for scale, shift in ((1.0, -500.0), (0.37, 12.0), (1e6, 0.0), (1e-6, 3.0)):
        assert torch.equal(image_hash(scale * images + shift), codes)
    assert torch.equal(image_hash((images * 4 - 1000).to(torch.int16)), codes)


def test_a_mirrored_image_has_the_complement_in_reverse():
    images = pictures(64, 64)
    small = lanczos_resize(images, 8, 9).long()
    strict = (small[:, :, 1:] != small[:, :, :-1]).flip(2).flatten(1)
    mirrored = image_hash(images.flip(2))
    expected = ~image_hash(images).view(-1, 8, 8).flip(2).flatten(1)
    assert torch.equal(mirrored[strict], expected[strict])
    assert strict.float().mean() > 0.9


def test_a_sequence_of_sizes_is_hashed_as_each_image_alone():
    images = [*pictures(20, 30, 5), *pictures(30, 20, 4), *pictures(20, 30, 3).float()]
    codes = image_hash(images, "phash")
    assert torch.equal(codes, torch.stack([image_hash(image, "phash") for image in images]))
    assert image_hash([], "phash").shape == (0, 64)
    assert image_hash(torch.zeros(0, 9, 9)).shape == (0, 64)


def test_images_are_read_in_runs_of_a_bounded_size(monkeypatch):
    monkeypatch.setattr("core.samplers.grey_levels.PIXELS", 100)
    images = pictures(5, 7, 12)
    assert [len(run) for run in runs_of_images(images)] == [2] * 6
    assert [len(run) for run in runs_of_images([*images, images[0].float()])] == [2] * 6 + [1]
    assert torch.equal(image_hash(list(images)), image_hash(images))


def test_grey_levels():
    values = torch.tensor([[[-1000, 0, 3000]]], dtype=torch.int16)
    assert grey_levels(values).tolist() == [[[0, 63, 255]]]
    same = pictures(9, 9)
    assert grey_levels(same) is same
    assert grey_levels(torch.tensor([[[False, True]]])).tolist() == [[[0, 255]]]
    assert grey_levels(torch.tensor([[[-3e38, 3e38]]])).tolist() == [[[0, 255]]]


def test_hamming_distance():
    a = torch.tensor([[True, False, True], [False, False, False]])
    assert hamming_distance(a, a).tolist() == [0, 0]
    assert hamming_distance(a[:, None], a).tolist() == [[0, 2], [2, 0]]


def test_what_is_refused(unchecked):
    good = torch.zeros(2, 9, 9)
    with pytest.raises(ValueError, match="method must be one of 'dhash', 'ahash', 'phash', 'whash', got 'md5'"):
        image_hash(good, "md5")
    with pytest.raises(ValueError, match="hash_size must be at least 2, got 1"):
        image_hash(good, hash_size=1)
    with pytest.raises(ValueError, match="hash_size must be a power of two for method='whash', got 6"):
        image_hash(good, "whash", hash_size=6)
    with pytest.raises(ValueError, match=r"images must be grey, \(n, height, width\).* got shape \(2, 9, 9, 3\)"):
        image_hash(torch.zeros(2, 9, 9, 3))
    with pytest.raises(ValueError, match=r"images must be grey"):
        image_hash(torch.zeros(2, 0, 9))
    with pytest.raises(ValueError, match="images must be finite, but 1 of 2 hold infinity or NaN"):
        image_hash(torch.cat([good[:1], good[:1] + torch.inf]))
    with pytest.raises(ValueError, match=r"images\[1\] must be grey, \(height, width\), got shape \(3,\)"):
        image_hash([good[0], torch.zeros(3)])
    with pytest.raises(TypeError, match=r"images\[0\] must be a torch\.Tensor, got ndarray"):
        image_hash([np.zeros((9, 9))])
    with pytest.raises(TypeError, match=r"images must be a real tensor, got torch\.complex64"):
        image_hash(good.to(torch.complex64))
    with pytest.raises(TypeError, match=r"a must be a bool tensor, got torch\.int64"):
        hamming_distance(torch.ones(3, dtype=torch.int64), torch.ones(3, dtype=torch.bool))
    with pytest.raises(ValueError, match="codes must have equally many bits, got 3 and 4"):
        hamming_distance(torch.ones(3, dtype=torch.bool), torch.ones(4, dtype=torch.bool))
